"""Settings of the stages before training, from the tables of a recipe file."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from typing import Any

from labelcodec.errors import ConfigError
from labelcodec.pipeline.toml_file import built_in_names, load_toml

RECIPES = resources.files("labelcodec.pipeline") / "recipes"
STAGES = ("squeeze", "recover", "relabel")


def recipe_names() -> list[str]:
    """Names of the built-in recipes, sorted."""
    return built_in_names(RECIPES)


def recipe_tables(name: str) -> dict[str, Any]:
    """The content of a recipe: settings of training, and a table for each other stage.

    Args:
        name: one of `recipe_names()`, or the path of a .toml file.

    Raises:
        ConfigError: no such recipe, or invalid TOML.
    """
    return load_toml(name, RECIPES, "recipe")


def stage_settings(name: str, stage: str) -> Mapping[str, Any]:
    """Settings that a recipe has for a stage, as arguments of its function.

    Example:
        >>> settings = stage_settings("lpqld-in1k", "recover")
        >>> recover("stats.safetensors", "images", "torchvision/resnet18", weights="resnet18.pth",
        ...         **settings)

    Args:
        name: as in `recipe_tables`.
        stage: 'squeeze', 'recover' or 'relabel'.

    Raises:
        ConfigError: as in `recipe_tables`, or the recipe says nothing about the stage.
    """
    return {key: _argument(value) for key, value in stage_table(name, stage).items()}


def stage_table(name: str, stage: str) -> dict[str, Any]:
    """The table of a recipe for a stage, as TOML has it; arguments and errors as above."""
    table = recipe_tables(name).get(stage)
    if not isinstance(table, dict):
        others = [each for each in recipe_names() if stage in recipe_tables(each)]
        raise ConfigError(
            f"recipe {name} has no table [{stage}]; built-in ones with it are {', '.join(others)}"
        )
    return table


def _argument(value: Any) -> Any:
    """TOML has neither tuples nor None, which recipes write as 'none'."""
    if isinstance(value, list):
        return tuple(value)
    return None if value == "none" else value
