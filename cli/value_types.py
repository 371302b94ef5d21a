"""What the values of options and arguments are: labels, a layout, spans and shares."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from labelcodec.remote import RemoteFile

PATH = click.Path(path_type=Path)
SIDE = click.IntRange(1, 65_535)  # of an image, in pixels
REMOTE_CACHE = "LABELCODEC_REMOTE_CACHE"  # environment variable: file or blocks


class LabelsName(click.ParamType["Path | RemoteFile"]):
    """A path or the URL of labels; a path keeps no double slash, so that a URL must be none."""

    name = "labels"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Path | RemoteFile:
        """A path, or a file elsewhere."""
        from labelcodec.remote import RemoteFile, as_location

        location = as_location(value)
        if not isinstance(location, RemoteFile):
            return PATH.convert(value, param, ctx)
        cache: Any = os.environ.get(REMOTE_CACHE) or None
        if cache not in (None, "file", "blocks"):
            self.fail(f"{REMOTE_CACHE} is file or blocks, not {cache!r}", param, ctx)
        return replace(location, cache=cache)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Files that start with `incomplete`."""
        return [CompletionItem(incomplete, type="file")]


LABELS = LabelsName()


class LayoutName(click.ParamType[str]):
    """The name of a registered layout; the registry is only imported when a name is given."""

    name = "layout"

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """The placeholder shown by --help."""
        return "LAYOUT"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Check that the layout is registered."""
        from labelcodec.formats.registry import LAYOUTS

        if value not in LAYOUTS.names():
            self.fail(f"{value!r} is not one of {', '.join(LAYOUTS.names())}.", param, ctx)
        return str(value)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Layout names that start with `incomplete`."""
        from labelcodec.formats.registry import LAYOUTS

        return [CompletionItem(name) for name in LAYOUTS.names() if name.startswith(incomplete)]


class Span(click.ParamType[tuple[int, int]]):
    """A:B, the numbers from A up to but not including B."""

    name = "A:B"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        """Two numbers, of which the second is larger."""
        first, _, stop = str(value).partition(":")
        digits = all(
            part.isascii() and part.isdecimal() and len(part) < 10 for part in (first, stop)
        )
        if not digits or int(first) >= int(stop):
            self.fail(f"{value!r} is not A:B with A below B, such as 0:10.", param, ctx)
        return int(first), int(stop)


class Share(click.ParamType[tuple[int, int]]):
    """I/N, the I-th of N shares."""

    name = "I/N"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        """Two numbers, of which the first is in 1..N."""
        first, _, count = str(value).partition("/")
        digits = all(
            part.isascii() and part.isdecimal() and len(part) < 10 for part in (first, count)
        )
        if not digits or not 1 <= int(first) <= int(count):
            self.fail(f"{value!r} is not I/N with I from 1 to N, such as 1/4.", param, ctx)
        return int(first), int(count)
