"""Studies by name or from TOML files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, get_type_hints

from labelcodec.errors import ConfigError
from labelcodec.pipeline.models import is_file
from labelcodec.pipeline.stage_recipe import STAGES, recipe_tables
from labelcodec.pipeline.study.tables import TABLES, VALUES, keys_of
from labelcodec.pipeline.study.value_types import holds_lists
from labelcodec.pipeline.toml_file import built_in_names, load_toml
from labelcodec.pipeline.training_recipe import merge_settings

STUDIES = resources.files("labelcodec.pipeline.study") / "studies"
SCHEDULE = "train.temperature"
PATHS = ("teacher.weights", "teacher.class_map", "data.train", "data.test", "diversity.weights")
MODELS = ("teacher.model", "diversity.model")  # names, or files


@dataclass(frozen=True)
class Row:
    """A named combination of settings.

    Attributes:
        name: its name; None for the single row of a study without rows.
        settings: dotted name -> value, or list of values to go through.
    """

    name: str | None
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Study:
    """A study: settings that all cells share, and those that vary.

    Attributes:
        name: name of the study, or of its file without `.toml`.
        about: one sentence on what it compares.
        shared: settings of all cells, as nested tables.
        grid: dotted name -> values; all combinations are taken.
        rows: named settings; each is combined with the grid, whose settings it overrides.
        folder: folder that relative paths of recipes are relative to.
    """

    name: str
    about: str
    shared: Mapping[str, Any]
    grid: Mapping[str, tuple[Any, ...]]
    rows: tuple[Row, ...]
    folder: Path


def study_names() -> list[str]:
    """Names of the built-in studies, sorted."""
    return built_in_names(STUDIES)


def load_study(name: str, changes: Mapping[str, Any] | None = None) -> Study:
    """Load a study by name or from a TOML file. Paths in a file are relative to its folder.

    Args:
        name: one of `study_names()`, or the path of a .toml file.
        changes: dotted name -> value that replaces the study's, or list of values to go through.

    Raises:
        ConfigError: no such study, invalid TOML, or an unknown setting.
    """
    path, content = Path(name), load_toml(name, STUDIES, "study")
    return study_of(content, path.stem, path.parent, changes)


def study_of(
    content: Mapping[str, Any], name: str, folder: Path, changes: Mapping[str, Any] | None = None
) -> Study:
    """A study from the content of its file; arguments and errors as in `load_study`."""
    content = _with_recipe(dict(content), name, folder)
    about, grid, rows = content.pop("about", ""), content.pop("grid", {}), content.pop("rows", [])
    if not isinstance(about, str) or not isinstance(grid, Mapping) or not isinstance(rows, list):
        raise ConfigError(f"{name}: about is a text, grid is a table, and rows are tables")
    changed = dict(changes or {})
    for key in changed:
        check_name(key, name)
    shared: dict[str, Any] = {}
    for key, value in _dotted(content, name):
        is_path = key in PATHS or (key in MODELS and is_file(str(value)))
        shared = with_setting(shared, key, str(folder / str(value)) if is_path else value)
    for key in TABLES:
        if key in content:  # an empty table, too
            shared.setdefault(key, {})
    spans = {key: values_of(key, value) for key, value in _dotted(grid, f"{name}: grid")}
    taken: list[Row] = []
    for table in rows:
        row = dict(table) if isinstance(table, Mapping) else {}
        title = row.pop("name", None)
        if not isinstance(title, str) or title in [earlier.name for earlier in taken]:
            raise ConfigError(f"{name}: every row needs a name of its own, and one has {title!r}")
        settings = dict(_dotted(row, f"{name}: row {title!r}"))
        taken.append(Row(title, {key: settings[key] for key in settings if key not in changed}))
    for key, value in changed.items():
        spans.pop(key, None)
        if len(values := values_of(key, value)) > 1:
            spans[key] = values
        else:
            shared = with_setting(shared, key, values[0])
    for key, values in spans.items():
        if not values:
            raise ConfigError(f"{name}: grid: {key} has no values")
    return Study(name, about, shared, spans, tuple(taken) or (Row(None, {}),), folder)


def _with_recipe(content: dict[str, Any], name: str, folder: Path) -> dict[str, Any]:
    """The content of a study with the tables of the recipe that it is based on."""
    recipe = content.pop("recipe", None)
    if recipe is None:
        return content
    if not isinstance(recipe, str):
        raise ConfigError(f"{name}: recipe={recipe!r} is not the name of a recipe")
    try:
        path = str(folder / recipe) if recipe.endswith(".toml") else recipe
        tables = recipe_tables(path)
    except ConfigError as error:
        raise ConfigError(f"{name}: {error}") from None
    base = {stage: tables[stage] for stage in STAGES if stage in tables}
    return merge_settings({**base, "train": {"recipe": recipe}}, content)


def with_setting(settings: Mapping[str, Any], key: str, value: Any) -> dict[str, Any]:
    """Settings with one more: tables are merged, anything else is replaced.

    Args:
        settings: nested tables.
        key: dotted name.
        value: the value.
    """
    for part in reversed(key.split(".")):
        value = {part: value}
    return merge_settings(settings, value)


def check_name(key: str, where: str) -> None:
    """Check that a dotted name is that of a setting.

    Raises:
        ConfigError: it is not; the message has those that there are.
    """
    table, _, rest = key.partition(".")
    if key in VALUES or key.startswith(f"{SCHEDULE}."):
        return
    if table not in TABLES:
        known = [*TABLES, *VALUES]
        raise ConfigError(f"{where}: unknown setting {key!r}; there are {', '.join(known)}")
    if rest not in keys_of(table):
        known = [f"{table}.{name}" for name in keys_of(table)]
        raise ConfigError(f"{where}: unknown setting {key!r}; there are {', '.join(known)}")


def values_of(key: str, value: Any) -> tuple[Any, ...]:
    """The values that a setting of a grid or row goes through: those of a list, or a single one."""
    table, _, name = key.partition(".")
    hint = get_type_hints(TABLES[table]).get(name) if table in TABLES else None
    is_list = isinstance(value, list)
    if is_list and holds_lists(hint) and not any(isinstance(each, list) for each in value):
        is_list = False
    return tuple(value) if is_list else (value,)


def _dotted(table: Mapping[str, Any], where: str, above: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted names and values of a table, however its keys are nested."""
    for name, value in table.items():
        key = f"{above}{name}"
        if isinstance(value, Mapping):
            yield from _dotted(value, where, f"{key}.")
        else:
            check_name(key, where)
            yield key, value
