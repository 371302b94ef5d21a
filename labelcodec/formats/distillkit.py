"""DistillKit's compressed labels: tables of packed bytes, and the settings to read them with.

`data_N.parquet` has a row for each text: `input_ids`, and for each position `compressed_logprobs`
and `bytepacked_indices`; in older ones `packed_indices`, `exact_values` and `coeffs`. The label of
a position is of the token behind it, so that the last token may have none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from labelcodec.batch import LabelBatch, Precision
from labelcodec.errors import ConfigError, DumpError
from labelcodec.formats.distillkit_config import CONFIG, Curve, Legacy, read_config
from labelcodec.formats.interface import DumpInfo, Layout, OpenOptions
from labelcodec.formats.table import TableSource
from labelcodec.formats.token_dump import TokenDump, token_info, unused_of_tokens
from labelcodec.formats.token_labels import LabelKind
from labelcodec.formats.token_plan import TokenPlan, plan_batches

if TYPE_CHECKING:
    from labelcodec.formats.table_rows import TableRows

_NUMBERED = re.compile(r"data_([0-9]{1,9})\.parquet")
_PRECISION: Mapping[str, Precision] = {"float16": "float16", "bfloat16": "bfloat16"}


class DistillKit(Layout):
    """The layout; methods as in `interface.Layout`. It is only read."""

    name = "distillkit"
    looks_like = f"{CONFIG} and data_N.parquet (distillkit)"

    def detect(self, root: Path, names: Mapping[str, bool]) -> bool:
        """Whether there are settings."""
        return CONFIG in names

    def label_files(self, root: Path) -> list[Path]:
        """The tables, in the order in which they were written."""
        from labelcodec.formats.table_rows import table_files

        numbered = {
            int(match[1]): path
            for path in root.iterdir()
            if (match := _NUMBERED.fullmatch(path.name)) is not None
        }
        if not numbered:
            return table_files(root)
        missing = next((n for n in range(len(numbered)) if n not in numbered), None)
        if missing is not None:
            raise DumpError(f"{root}: data_{missing}.parquet is missing")
        return [path for _, path in sorted(numbered.items())]

    def side_files(self, root: Path) -> list[Path]:
        """The settings."""
        return [root / CONFIG]

    def unused_options(self, root: Path, options: Mapping[str, Any]) -> dict[str, str]:
        """Options for images; what the labels are is known."""
        known = "its labels are of the token behind each position, and its columns are known"
        return unused_of_tokens(options) | dict.fromkeys(("shift", "label_type", "columns"), known)

    def open(self, root: Path, options: OpenOptions) -> TokenDump:
        """Open a folder."""
        return open_distillkit(root, self.label_files(root), options.classes)

    def write(
        self,
        batches: Iterable[LabelBatch],
        root: Path,
        types: Mapping[str, Any],
        names: Sequence[str] | None,
    ) -> NoReturn:
        """Refused."""
        raise DumpError(
            "layout distillkit is only read: it stores the coefficients of curves, which the "
            "values do not determine; pass `layout=parquet` or `layout=arrays`"
        )


class _Source(TableSource):
    """As `TableSource`, but a text may have a token more than labels.

    Args:
        texts: the rows once more, of which only the tokens are read.
        others: arguments of `TableSource`.
    """

    def __init__(self, texts: TableRows, *others: Any) -> None:
        super().__init__(*others)
        self._texts = texts

    def text(self, number: int, start: int, stop: int) -> NDArray[Any]:
        """As `TokenSource.text`: all tokens of a row."""
        from labelcodec.formats.distillkit_cells import TOKENS, text_of

        _, batch = next(self._texts.read(number, number + 1, [TOKENS]))
        return text_of(batch, partial(self.where, number))


def open_distillkit(root: Path, files: Sequence[Path], classes: int | None) -> TokenDump:
    """Open a folder of compressed labels.

    Args:
        root: the folder.
        files: its tables.
        classes: C, if it is larger than the settings say: they count the tokenizer's words.

    Raises:
        DumpError: a file is missing or damaged, or the settings do not fit the tables.
        ConfigError: C is smaller than the settings say.
    """
    from labelcodec.formats.distillkit_cells import columns_of, positions_of
    from labelcodec.formats.table_rows import TableRows

    config = read_config(root)
    if classes is not None and classes < config.classes:
        raise ConfigError(f"`classes={classes}`: {root / CONFIG} says {config.classes}")
    classes = config.classes if classes is None else classes
    table = TableRows(root, files)
    names = columns_of(config, table.schema.names, str(table.files[0]))
    lengths = _lengths(table, names[0])
    plan = plan_batches(lengths, classes, config.k)
    source = _Source(
        TableRows(root, files), table, names, partial(positions_of, config=config), plan.end
    )
    dtype = "float32" if isinstance(config, Legacy) else config.dtype
    precision: Precision = _PRECISION.get(dtype, "float32")
    kind = LabelKind(classes, config.k, "logits", "zero", precision)
    return TokenDump(_info(kind, plan, table, names, config), kind, plan, source)


def _lengths(table: TableRows, name: str) -> NDArray[np.int64]:
    """(S,) positions of each row."""
    from labelcodec.formats.table_cells import row_lengths

    table.rewind()
    lengths = [
        row_lengths(batch, name, table.naming(first))
        for first, batch in table.read(0, table.rows, [name])
    ]
    table.rewind()
    return np.concatenate(lengths)


def _info(
    kind: LabelKind, plan: TokenPlan, table: TableRows, names: Sequence[str], config: Curve | Legacy
) -> DumpInfo:
    how = "the older compressor" if isinstance(config, Legacy) else "curves"
    notes = [f"values of {how}, computed as DistillKit does on a CPU"]
    others = [name for name in table.schema.names if name not in names]
    if others:
        notes.append(f"columns that are not kept: {', '.join(others)}")
    return token_info("distillkit", kind, plan, table.files, 1, has_digests=True, notes=notes)
