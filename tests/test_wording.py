"""Counts in messages: the singular for one, the plural otherwise."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from labelcodec.images import list_images
from labelcodec.readable_images import readable
from labelcodec.wording import counted
from tests.replay import scene

LIBRARY = Path(__file__).parents[1] / "labelcodec"


@pytest.mark.parametrize(
    ("noun", "plural"),
    [
        ("image", "images"),
        ("batch", "batches"),
        ("epoch", "epochs"),
        ("class", "classes"),
        ("process", "processes"),
        ("entry", "entries"),
        ("array", "arrays"),
        ("box", "boxes"),
    ],
)
def test_numbers_choose_the_noun(noun, plural) -> None:
    assert [counted(n, noun) for n in (0, 1, 2)] == [f"0 {plural}", f"1 {noun}", f"2 {plural}"]


def test_an_image_that_is_left_out(tmp_path) -> None:
    listing = list_images(scene.folder(tmp_path / "images"))
    (listing.root / listing.paths[0]).write_bytes(b"broken")
    assert "left out 1 image that cannot be read" in readable(listing, True)[1][0]
    (listing.root / listing.paths[1]).write_bytes(b"broken")
    assert "left out 2 images that cannot be read" in readable(listing, True)[1][0]


def test_lengths_in_messages_are_counted() -> None:
    """A number of images, batches or labels in a message goes through `counted`."""
    plural = re.compile(r"\{(?:len\([^{}]*\)|count|total)\} (?:images|batches|labels|samples)\b")
    plain = {
        str(path.relative_to(LIBRARY)): match[0]
        for path in LIBRARY.rglob("*.py")
        if (match := plural.search(path.read_text()))
    }
    assert plain == {}
