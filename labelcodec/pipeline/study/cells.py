"""Cells of a study: one combination of settings each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

from labelcodec.errors import ConfigError
from labelcodec.pipeline.study.study_file import Study, values_of, with_setting
from labelcodec.pipeline.study.tables import Settings, settings_of

SEED = "seed"


@dataclass(frozen=True)
class Cell:
    """One student of a study.

    Attributes:
        row: name of its row; None in a study without rows.
        varying: dotted name -> value of the settings that vary, apart from the seed.
        settings: all settings.
    """

    row: str | None
    varying: Mapping[str, Any]
    settings: Settings

    @property
    def title(self) -> str:
        """Row, varying settings and seed in one line."""
        parts = [] if self.row is None else [self.row]
        parts += [f"{key}={value}" for key, value in self.varying.items()]
        return ", ".join([*parts, f"seed={self.settings.seed}"])


def cells_of(study: Study) -> list[Cell]:
    """The cells of a study in order: rows, then the grid's first setting, ..., then seeds.

    Raises:
        ConfigError: a value is not allowed, or two cells are the same.
    """
    cells: list[Cell] = []
    several = _several(study)
    for row in study.rows:
        where = study.name if row.name is None else f"{study.name}: row {row.name!r}"
        spans = {key: values for key, values in study.grid.items() if key not in row.settings}
        spans |= {key: values_of(key, value) for key, value in row.settings.items()}
        spans = {key: values for key, values in spans.items() if key != SEED} | {
            key: values for key, values in spans.items() if key == SEED
        }
        for combination in product(*spans.values()):
            assigned = dict(zip(spans, combination, strict=True))
            plain: dict[str, Any] = dict(study.shared)
            for key, value in assigned.items():
                plain = with_setting(plain, key, value)
            varying = {key: assigned[key] for key in several if key in assigned}
            cells.append(Cell(row.name, varying, settings_of(plain, study.folder, where)))
    title, count = Counter(cell.title for cell in cells).most_common(1)[0]
    if count > 1:
        raise ConfigError(f"{study.name}: there are {count} cells {title}")
    return cells


def _several(study: Study) -> list[str]:
    """Names of the settings that have several values in the grid or in a row."""
    keys = [key for key, values in study.grid.items() if len(values) > 1]
    for row in study.rows:
        keys += [key for key, value in row.settings.items() if len(values_of(key, value)) > 1]
    return [key for key in dict.fromkeys(keys) if key != SEED]
