"""Interfaces of dump layouts and of opened dumps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from labelcodec.batch import LabelBatch, Precision, Space, Tail
from labelcodec.formats.image_order import KnownOrder
from labelcodec.formats.single_file import only_file
from labelcodec.images import ImageListing


@dataclass(frozen=True, eq=False)
class DumpInfo:
    """Metadata of a dump.

    Attributes:
        layout: name of the layout.
        classes: number of classes C.
        classes_guessed: whether C is a guess, as neither the dump nor the caller states it: the
            smallest of 1000, 10450 and 21841 that exceeds every class index inspected.
        images: number of images the labels refer to.
        epochs: number of epochs present.
        batches: number of batches present; for fkd, one per file.
        samples: number of labels present, or None if only reading every file would tell.
        bytes: total size of all files of the dump, side files included.
        files: number of these files.
        mix: how images were mixed, or None without mixing.
        space, tail, k, precision: as in `Labels`; tail and k are None if dense.
        types: kind of every part (see `typespec`), serializable with msgpack; `write_dump` uses
            it to restore the original dtypes.
        image_order: one sentence on the source of the image order and how it was checked.
        names: in image order; of fkd the file names relative to the dump, of tinyvit the keys.
        kind: 'tokens' if the labels are of positions of token sequences, which then stand for the
            images; None for images.
        shift: of kind 'tokens', as in `Header`.
        has_digests: whether digests of the token sequences can be computed.
        notes: what a user should know about how the dump was read, one sentence each.
    """

    layout: str
    classes: int
    images: int
    batches: int
    samples: int | None
    bytes: int
    files: int
    types: Mapping[str, Any]
    image_order: str
    epochs: int = 1
    classes_guessed: bool = False
    mix: Literal["cutmix", "mixup"] | None = None
    space: Space = "logits"
    tail: Tail | None = None
    k: int | None = None
    precision: Precision = "float16"
    names: tuple[str, ...] | None = None
    kind: Literal["tokens"] | None = None
    shift: int | None = None
    has_digests: bool = False
    notes: tuple[str, ...] = ()


class Dump(Protocol):
    """An opened dump. Several threads may read from it at once."""

    @property
    def info(self) -> DumpInfo:
        """Metadata of the dump."""

    def __len__(self) -> int:
        """Number of batches."""

    def file(self, i: int) -> Path:
        """The label file of batch i."""

    def image_index(self, i: int) -> NDArray[np.int64]:
        """(B,) int64 image indices of batch i, without reading its file; (1,) for fkd."""

    def read(self, i: int) -> LabelBatch:
        """Read batch i, in (epoch, batch) order.

        Raises:
            DumpError: the file is missing, damaged or inconsistent with the rest of the dump.
            UnsafeError: the file would run code if a plain unpickler opened it.
        """


@dataclass(frozen=True)
class OpenOptions:
    """Facts about a dump that its files do not record; see `open_dump`.

    Attributes:
        listing: the image folder.
        image_order: JSON file with the image indices.
        loader_seed: seed of the data loader that wrote the dump.
        label_type: what the values of the labels are; see `open_dump`.
        classes: number of classes C.
        epochs_range: first epoch to read, and the one to stop before, as their names number them.
        order: order of the batches that another label set of this dump records; it is used where
            the dump records none.
        shift: 1 if the label of a position is of the token behind it, 0 if of its own; see
            `open_dump`.
        columns: column of a table that holds what a name says; see `open_dump`.
    """

    listing: ImageListing | None = None
    image_order: Path | None = None
    loader_seed: int | None = None
    label_type: str | None = None
    classes: int | None = None
    epochs_range: tuple[int, int] | None = None
    order: KnownOrder | None = None
    shift: int | None = None
    columns: Mapping[str, str] | None = None


class Layout(Protocol):
    """A layout in which another project stores soft labels: a directory, or a single file.

    Implementations may inherit from this class for its defaults.
    """

    @property
    def name(self) -> str:
        """Name of the layout, as used in options and headers."""

    @property
    def looks_like(self) -> str:
        """Description of its files for error messages: 'epoch_N/batch_N.tar (SRe2L)'."""

    def join(self, root: Path, suffix: str) -> Path:
        """Put the files that `write` wrote together in one, for a target that is a file.

        Args:
            root: the directory, in which the file is, too.
            suffix: that of the target, one of the registry entry's.

        Raises:
            DumpError: they cannot be one file.
        """
        return only_file(root, suffix)

    def detect(self, root: Path, names: Mapping[str, bool]) -> bool:
        """Whether a directory looks like a dump of this layout. Opens no file.

        Args:
            root: the directory.
            names: its entries; maps each name to whether it is a directory.
        """

    def label_files(self, root: Path) -> list[Path]:
        """The label files of the dump, in order.

        Raises:
            DumpError: an unexpected file is in the way.
        """

    def side_files(self, root: Path) -> list[Path]:
        """The files of the dump that hold no labels, such as image orders; none by default."""
        return []

    def file_parts(self, file: Path) -> list[tuple[str, Any]]:
        """The parts of a label file as (component name, content) pairs, for `stats`.

        A content is a `torch_file.Tensor`, a numpy array, a number or a list of these; None for an
        absent part. By default there are no parts.

        Raises:
            DumpError: the file is damaged, or not one of this layout.
        """
        return []

    def unused_options(self, root: Path, options: Mapping[str, Any]) -> dict[str, str]:
        """Options that do not apply to this dump: name -> reason.

        Args:
            root: directory of the dump.
            options: keyword arguments of `open_dump`; None where not passed.
        """
        return {}

    def open(self, root: Path, options: OpenOptions) -> Dump:
        """Open a dump: list its files, read the side files and the first batches.

        Raises:
            DumpError: the dump is incomplete, inconsistent or damaged.
        """

    def write(
        self,
        batches: Iterable[LabelBatch],
        root: Path,
        types: Mapping[str, Any],
        names: Sequence[str] | None,
    ) -> int:
        """Write batches into an empty directory; returns the number of files.

        Args:
            batches: at least one, in (epoch, batch) order.
            root: the directory.
            types: `DumpInfo.types` of the source dump.
            names: `DumpInfo.names` of the source dump.

        Raises:
            DumpError: the layout cannot represent the labels.
        """
