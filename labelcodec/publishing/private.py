"""Texts that name a machine or a person: absolute paths, the user, the host."""

from __future__ import annotations

import getpass
import re
import socket
from collections.abc import Iterator, Mapping
from typing import Any

from labelcodec.errors import DataError

_PATH = re.compile(
    r"""
    (?<![\w/.\-])/(?:[\w.\-+@]+/)+[\w.\-+@]  # /a/b, not inside a name, a fraction or a URL
    | (?<![\w/.\-])/(?:home|Users|root|scratch|mnt|media|data|tmp|var|opt|srv)\b
    | (?<!\w)[A-Za-z]:[\\/]\w  # of Windows
    | \\\\\w+\\\w  # of a file server
    | (?<!\w)~\w*/\w
    | (?<!\w)\.\./
    | \bfile:/
    """,
    re.VERBOSE,
)
_PASSWORD = re.compile(r"://[^/\s:@]+:[^/\s@]+@")
USUAL = {"root", "user", "admin", "localhost", "ubuntu", "runner", "nobody"}  # name nobody
SHORTEST = 4  # letters of a name that is looked for


def check_private(texts: Mapping[str, Any], where: str) -> None:
    """Check that no text names a path, the user or the host of this machine.

    Args:
        texts: values by name, such as a header; nested maps and lists are searched.
        where: what they are of, for the message.

    Raises:
        DataError: which text holds what, and how it is replaced.
    """
    for key, text in _strings(texts):
        if (what := _private(text)) is not None:
            said = key.partition(".")[0] in ("note", "teacher")
            remedy = "store the labels again without it"
            if said:
                remedy = "say something else by `labelcodec annotate` and `force=True`"
            raise DataError(f"{where}: {key} names {what}: {text[:80]!r}; {remedy}")


def _private(text: str) -> str | None:
    """What a text should not hold; None if there is nothing."""
    if _PASSWORD.search(text):
        return "the password of an address on a machine"
    if _PATH.search(text):
        return "a path of a machine"
    names = {"the user": _user(), "the host": socket.gethostname()}
    for what, name in names.items():
        is_telling = len(name) >= SHORTEST and name.lower() not in USUAL
        if is_telling and re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text, re.IGNORECASE):
            return f"{what} of this machine"
    return None


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # an id without an account
        return ""


def _strings(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield f"{key}.{name}" if key else str(name), str(name)
            yield from _strings(item, f"{key}.{name}" if key else str(name))
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _strings(item, key)
