"""The part of YAML that flat settings use: keys, plain values, lists of them and lists of maps.

No tags, anchors, aliases or nested maps: what a file of settings does not need is refused.
"""

from __future__ import annotations

import json
import re
from typing import Any

from labelcodec.errors import DumpError

MAX_TEXT = 1 << 16  # characters
_KEY = re.compile(r"([A-Za-z_][A-Za-z0-9_]*):(?:\s+(.*))?\Z")
_WORDS = {"true": True, "false": False, "null": None, "~": None, "": None}


def plain_yaml(text: str, where: object) -> dict[str, Any]:
    """Read flat settings.

    Args:
        text: the content of a file.
        where: the file, for messages.

    Returns:
        For each key a number, text, bool or None, a list of these, or a list of dicts of these.

    Raises:
        DumpError: it is longer than 64 Ki characters, or is not such YAML.
    """
    if len(text) > MAX_TEXT:
        raise DumpError(f"{where}: has more than {MAX_TEXT} characters of settings")
    settings: dict[str, Any] = {}
    items: list[Any] | None = None  # of the last key, if it has no value in its line
    last = ""
    for number, whole in enumerate(text.splitlines(), 1):
        line = _without_comment(whole).rstrip()
        stripped = line.strip()
        if not stripped or stripped == "---":
            continue
        place = f"{where}: line {number}"
        is_item = stripped == "-" or stripped.startswith("- ")
        if is_item and items is not None:
            content = stripped[1:].strip()
            items.append(_pair(content, place) if _KEY.match(content) else _value(content, place))
        elif line[0].isspace() and items and isinstance(items[-1], dict):
            items[-1] |= _pair(stripped, place)
        elif line[0].isspace() or is_item:
            raise DumpError(f"{place}: expected a setting, it has {stripped[:40]!r}")
        else:
            pair = _pair(stripped, place)
            ((last, value),) = pair.items()
            if last in settings:
                raise DumpError(f"{place}: has {last} twice")
            items = [] if value is None and stripped.endswith(":") else None
            settings[last] = value if items is None else items
    return settings


def _without_comment(line: str) -> str:
    return re.split(r"(?:^|\s)#", line, maxsplit=1)[0]


def _pair(text: str, place: str) -> dict[str, Any]:
    match = _KEY.match(text)
    if match is None:
        raise DumpError(f"{place}: expected a setting, it has {text[:40]!r}")
    return {match[1]: _value(match[2] or "", place)}


def _value(text: str, place: str) -> Any:
    if text.startswith("[") and text.endswith("]"):
        inner = text[1:-1].strip()
        return [_scalar(part.strip(), place) for part in inner.split(",")] if inner else []
    return _scalar(text, place)


def _scalar(text: str, place: str) -> Any:
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if re.fullmatch(r"[-+]?[0-9]{1,18}", text):
        return int(text)
    if re.fullmatch(r"[-+]?[0-9]+\.[0-9]*(?:[eE][-+]?[0-9]{1,3})?", text) and len(text) < 40:
        return float(text)
    if len(text) > 1 and text[0] == text[-1] == "'":
        return text[1:-1].replace("''", "'")
    if text.startswith('"'):
        try:
            return str(json.loads(text))
        except (ValueError, RecursionError):
            raise DumpError(f"{place}: has {text[:40]!r}, which is no text") from None
    if text[0] in "!&*{}[]|>%@`?":
        raise DumpError(f"{place}: has {text[:40]!r}, expected a number or word")
    return text
