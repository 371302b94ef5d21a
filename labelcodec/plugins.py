"""Registries of named entries: this library's own, and those of installed packages."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from labelcodec.errors import ConfigError, UnsupportedError
from labelcodec.loading import LOADING

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

PRIVATE = "x-"  # names of entries from other packages start with it (SPEC, section 4.1)


class Entry(Protocol):
    """Anything with a name."""

    @property
    def name(self) -> str:
        """The name under which the entry is found."""


E = TypeVar("E", bound=Entry)


class Registry(Generic[E]):
    """Entries by name.

    Packages add entries through an entry point group. The name of an entry point is that of its
    entry and starts with 'x-'; its object is an entry of the registry's type. An entry point is
    imported when its entry is looked up or all entries are listed. A name that no installed package
    registers is never imported.

    Args:
        kind: what an entry is, for messages: 'codec'.
        group: the entry point group.
        entry_type: class of the entries.
        rows: entries of this library.
    """

    def __init__(self, kind: str, group: str, entry_type: type[E], rows: Iterable[E]) -> None:
        self.kind, self.group, self._type = kind, group, entry_type
        self._entries = {row.name: row for row in rows}

    def register(self, entry: E) -> None:
        """Add an entry until the process ends.

        Raises:
            ConfigError: the name is taken or does not start with 'x-'.
        """
        if not entry.name.startswith(PRIVATE):
            raise ConfigError(f"{self.kind} {entry.name!r}: names from outside start with 'x-'")
        if entry.name in self._entries or entry.name in self._installed:
            raise ConfigError(f"{self.kind} {entry.name!r} is registered already")
        self._entries[entry.name] = entry

    def unregister(self, name: str) -> None:
        """Remove an entry that `register` added."""
        del self._entries[name]

    def find(self, name: str) -> E | None:
        """The entry of this name; None if there is none.

        Raises:
            UnsupportedError: the package that registers it cannot be loaded.
        """
        if name not in self._entries and name in self._installed:
            self._entries[name] = self._loaded(self._installed[name])
        return self._entries.get(name)

    def names(self) -> list[str]:
        """All names, this library's first; imports nothing."""
        return [*self._entries, *sorted(self._installed.keys() - self._entries.keys())]

    def entries(self) -> list[E]:
        """All entries that can be loaded, this library's first."""
        failures = self.failures()
        candidates = (self.find(name) for name in self.names() if name not in failures)
        return [entry for entry in candidates if entry is not None]

    def failures(self) -> dict[str, str]:
        """Installed entries that cannot be loaded: name -> reason."""
        reasons = {}
        for name in self._installed:
            try:
                self.find(name)
            except UnsupportedError as error:
                reasons[name] = str(error)
        return reasons

    @cached_property
    def _installed(self) -> dict[str, EntryPoint]:
        from importlib.metadata import entry_points

        points = entry_points(group=self.group)
        return {point.name: point for point in points if point.name.startswith(PRIVATE)}

    def _loaded(self, point: EntryPoint) -> E:
        where = f"{self.kind} {point.name!r} of {point.value}"
        try:
            entry = point.load()
        except Exception as error:
            raise UnsupportedError(f"{where} cannot be loaded: {error}") from error
        if not isinstance(entry, self._type) or entry.name != point.name:
            raise UnsupportedError(f"{where} is not a {self._type.__name__} of that name")
        return entry


def imported(path: str) -> Any:
    """Import the object 'package.module:name'."""
    module, _, name = path.partition(":")
    with LOADING:
        return getattr(import_module(module), name)
