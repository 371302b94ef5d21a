"""Lists of image indices in JSON, parsed in little memory.

The order of 300 epochs of 50 000 images is 90 MB of text; Python's lists of its numbers are 600 MB.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from labelcodec.errors import DumpError
from labelcodec.files.regular import read_regular

MOST_LISTS = 1 << 20  # in a file: each takes some 100 bytes, and two bytes of JSON make one
_OPEN = re.compile(rb"[\x20\t\r\n]*([\[{])\s*")
_LIST = re.compile(rb'(?:"([^"\\\x00-\x1f]{0,40})"\s*:\s*)?\[\s*([0-9][0-9,\s]*)\]\s*([,\]}])\s*')
# A number that JSON does not allow or int64 may not hold, two without a comma, a comma too many.
_WRONG = re.compile(rb"(?<![0-9])0[0-9]|[0-9]{19}|[0-9]\s+[0-9]|,\s*,|,\s*\Z|[^0-9,\x20\t\r\n]")
_CLOSING = {b"[": b"]", b"{": b"}"}


def read_order_json(file: Path) -> Any:
    """Read a JSON file, with an int64 array for each list where it is one of lists of numbers.

    Args:
        file: the file.

    Returns:
        A list or a dict of arrays; of a file that holds anything else, what the json module reads.

    Raises:
        DumpError: the file is missing, not a JSON file, or holds more than 2^20 lists.
        OSError: it cannot be read.
    """
    try:
        data = read_regular(file, DumpError, "an image order")
    except FileNotFoundError as error:
        raise DumpError(f"{file}: the file is missing") from error
    if data.count(b"[") > MOST_LISTS:
        raise DumpError(f"{file}: holds more than {MOST_LISTS} lists")
    content = parse_lists(data)
    if content is not None:
        return content
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise DumpError(f"{file}: not a JSON file ({error})") from error


def parse_lists(data: bytes) -> Any:
    """Parse lists of whole numbers, below 10^18.

    Args:
        data: JSON text in UTF-8.

    Returns:
        A list or a dict of (n,) int64 arrays; None if the text holds anything else, or is no JSON.
    """
    opening = _OPEN.match(data)
    if opening is None:
        return None
    kind, at = opening[1], opening.end()
    lists: dict[Any, Any] = {}
    while (match := _LIST.match(data, at)) is not None:
        name, numbers, end = match.groups()
        if (name is None) != (kind == b"[") or _WRONG.search(numbers):
            return None
        try:
            key = len(lists) if name is None else name.decode()
        except UnicodeDecodeError:
            return None
        lists[key] = np.fromstring(numbers, np.int64, sep=",")
        at = match.end()
        if end != b",":
            whole = end == _CLOSING[kind] and at == len(data)
            return None if not whole else list(lists.values()) if kind == b"[" else lists
    return None
