"""The error of a file that is no container, with what the file is in its place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from labelcodec.errors import FormatError
from labelcodec.remote import Location


@contextmanager
def naming_foreign(path: Location) -> Iterator[None]:
    """As `formats.foreign.naming_foreign`; the layouts of dumps are imported for an error only.

    Raises:
        DumpError: as `formats.foreign.refuse_foreign`.
    """
    try:
        yield
    except FormatError:
        from labelcodec.formats import foreign

        with foreign.naming_foreign(path):
            raise
