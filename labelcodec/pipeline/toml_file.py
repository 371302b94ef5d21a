"""TOML files that are named by the user, or built in."""

from __future__ import annotations

import tomllib
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from labelcodec.errors import ConfigError


def built_in_names(folder: Traversable) -> list[str]:
    """Names of the TOML files in a folder of the package, sorted."""
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir())


def load_toml(name: str, folder: Traversable, kind: str) -> dict[str, Any]:
    """Read a TOML file.

    Args:
        name: one of `built_in_names(folder)`, or the path of a .toml file.
        folder: the folder of the built-in ones.
        kind: what the files are, for error messages: 'recipe'.

    Raises:
        ConfigError: no such file, or invalid TOML.
    """
    path = Path(name)
    if path.suffix == ".toml":
        if not path.is_file():
            raise ConfigError(f"{path}: no such {kind} file")
        text = path.read_text(encoding="utf-8", errors="replace")
    elif name in (names := built_in_names(folder)):
        text = (folder / f"{name}.toml").read_text(encoding="utf-8")
    else:
        raise ConfigError(f"unknown {kind} {name!r}; there are {', '.join(names)}, or a .toml file")
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{name}: not TOML: {error}") from None
