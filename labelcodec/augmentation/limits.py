"""Range checks of the parameters of an augmentation spec."""

from __future__ import annotations

from typing import Any

from labelcodec.errors import ConfigError


def check_whole(name: str, value: Any, low: int, high: int) -> None:
    """Check that a parameter is an integer in low..high.

    Args:
        name: name of the parameter, for the error message.
        value: the value to check.
        low: smallest allowed value.
        high: largest allowed value.

    Raises:
        ConfigError: it is not; the message names parameter, value and range.
    """
    _check(name, value, int, low, high)


def check_number(name: str, value: Any, low: float, high: float) -> None:
    """Check that a parameter is a number in low..high.

    Args:
        name: name of the parameter, for the error message.
        value: the value to check.
        low: smallest allowed value.
        high: largest allowed value.

    Raises:
        ConfigError: it is not; the message names parameter, value and range.
    """
    _check(name, value, (int, float), low, high)


def check_sides(name: str, value: Any, high: int) -> None:
    """Check that a parameter is a pair of integers (height, width) in 1..high.

    Args:
        name: name of the parameter, for the error message.
        value: the value to check.
        high: largest allowed side.

    Raises:
        ConfigError: it is not; the message names parameter, value and range.
    """
    for side in _pair(name, value):
        check_whole(name, side, 1, high)


def check_interval(name: str, value: Any, low: float, high: float) -> None:
    """Check that a parameter is a pair of numbers in low..high in ascending order.

    Args:
        name: name of the parameter, for the error message.
        value: the value to check.
        low: smallest allowed value.
        high: largest allowed value.

    Raises:
        ConfigError: it is not; the message names the parameter, its value and what is wrong.
    """
    for end in _pair(name, value):
        check_number(name, end, low, high)
    if value[0] > value[1]:
        raise ConfigError(f"recipe: {name} {value!r} has its smallest value last")


def _pair(name: str, value: Any) -> tuple[Any, Any]:
    if not isinstance(value, tuple) or len(value) != 2:
        raise ConfigError(f"recipe: {name} is {value!r}, expected two numbers")
    return value


def _check(name: str, value: Any, kinds: type | tuple[type, ...], low: float, high: float) -> None:
    numeric = isinstance(value, kinds) and not isinstance(value, bool)
    if not numeric or not low <= value <= high:
        raise ConfigError(f"recipe: {name} is {value!r}, allowed are {low}..{high}")
