"""Plain values of a TOML table, checked against the types of a data class's fields."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from labelcodec.errors import ConfigError

T = TypeVar("T")
NONE = "none"  # TOML has no null


def checked(kind: type[T], table: Any, where: str) -> T:
    """An instance of a data class from the values of a table.

    Lists become tuples, whole numbers become float where the field is one, and the text 'none'
    becomes None where a field may be None.

    Args:
        kind: the data class, all of whose fields have defaults.
        table: the table.
        where: its name, for error messages.

    Raises:
        ConfigError: no table, an unknown name, or a value of another type or out of range.
    """
    if not isinstance(table, Mapping):
        raise ConfigError(f"{where} is {table!r}, expected a table of settings")
    hints = get_type_hints(kind)
    names = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    values = {}
    for name, value in table.items():
        if name not in names:
            raise ConfigError(f"{where}: unknown setting {name!r}; there are {', '.join(names)}")
        values[name] = converted(value, hints[name], f"{where}.{name}")
    try:
        return kind(**values)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None


def converted(value: Any, hint: Any, where: str) -> Any:
    """A value in the type of a field.

    Raises:
        ConfigError: it is of another type.
    """
    choices = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    if NoneType in choices and value in (None, NONE):
        return None
    for choice in choices:
        if get_origin(choice) is Literal and value in get_args(choice):
            return value
        if get_origin(choice) is tuple and isinstance(value, list | tuple):
            inner = get_args(choice)
            if len(value) == len(inner):
                return tuple(converted(*pair, where) for pair in zip(value, inner, strict=True))
        if isinstance(value, bool):
            if choice is bool:
                return value
        elif choice is float and isinstance(value, int | float) and math.isfinite(value):
            return float(value)
        elif choice in (int, str) and isinstance(value, choice):
            return value
    raise ConfigError(f"{where}={value!r} is not {' or '.join(map(_described, choices))}")


def holds_lists(hint: Any) -> bool:
    """Whether the values of a field are lists."""
    return any(get_origin(choice) is tuple for choice in (hint, *get_args(hint)))


def _described(choice: Any) -> str:
    if choice is NoneType:
        return f"{NONE!r}"
    if get_origin(choice) is Literal:
        return " or ".join(map(repr, get_args(choice)))
    if get_origin(choice) is tuple:
        return f"a list of {len(get_args(choice))} numbers"
    names = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
    return names[choice]
