"""The header of a label set of several shards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from labelcodec.binding.agreement import Agreement
from labelcodec.errors import MismatchError
from labelcodec.header import Header, epochs_range_of, part_of
from labelcodec.mapdiff import difference
from labelcodec.remote import Location

_OWN = frozenset({"part", "bytes"})  # of parts of one source


def joined(headers: Sequence[Header], paths: Sequence[Location]) -> Header:
    """One header for all shards of a label set.

    Parts of one source have its header, but for its size, of which each has a share. Of shards of
    different sources it is the first, with counts and sizes added up and without digests.

    Args:
        headers: one per shard, which differ in `header.OWN` alone.
        paths: the shards, for error messages.

    Raises:
        MismatchError: they are parts of different sources.
    """
    if len(headers) == 1:
        return headers[0]
    parts = [part_of(header) for header in headers]
    if all(part is not None and parts[0] and part[1] == parts[0][1] for part in parts):
        _check_one_source(headers, paths)
        first = headers[0]
        common = {key: value for key, value in (first.source or {}).items() if key != "part"}
    else:
        first, common = _of_different_sources(headers)
    sizes = [(header.source or {}).get("bytes") for header in headers]
    if first.source is not None and all(type(size) is int for size in sizes):
        common["bytes"] = sum(sizes)
    return replace(first, source=common or None)


def _check_one_source(headers: Sequence[Header], paths: Sequence[Location]) -> None:
    first = headers[0].source or {}
    for header, path in zip(headers[1:], paths[1:], strict=True):
        if what := difference(first, header.source or {}, _OWN):
            raise MismatchError(
                f"{path}: is a part of another source than {paths[0]}: {what}; encode all parts "
                "from the same source"
            )


def _of_different_sources(headers: Sequence[Header]) -> tuple[Header, dict[str, Any]]:
    """The first header with the counts of all, and what its source says without digests."""
    first = headers[0]
    agreements = [header.agreement for header in headers if header.agreement is not None]
    if agreements:
        first = replace(first, agreement=sum(agreements, Agreement(0, 0)))
    source = first.source or {}
    common = {key: value for key, value in source.items() if not key.endswith("_sha256")}
    if common.pop("epochs_range", None) is not None:
        ranges = [epochs_range_of(header) for header in headers]
        read = [each for each in ranges if each is not None]
        if len(read) == len(headers):
            common["epochs_range"] = [min(first for first, _ in read), max(end for _, end in read)]
    return first, common
