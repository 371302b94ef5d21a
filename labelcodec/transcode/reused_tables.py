"""Tables of another file, to encode more labels with."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from labelcodec.codecs import registry, side_info
from labelcodec.codecs.interface import Codec, Coder
from labelcodec.container import RecordReader
from labelcodec.errors import ConfigError, CorruptError, MismatchError
from labelcodec.header import Header
from labelcodec.image_names import pack_names
from labelcodec.wording import counted

OF_LABELS = "reached"  # part that tells of the labels the tables were fitted to
OF_IMAGES = "means"  # part with a row for each image


@dataclass(frozen=True, eq=False)
class ReusedTables:
    """The label tables of a file.

    Attributes:
        path: the file.
        header: its header.
        codec: its codec.
        parts: the label tables by name.
        names: its image names as they are stored, if it has them.
    """

    path: Path
    header: Header
    codec: Codec
    parts: Mapping[str, bytes]
    names: bytes | None

    def coder(self, header: Header, names: Sequence[str] | None) -> tuple[Coder, tuple[str, ...]]:
        """The coder for labels of another set, and notes.

        Image means are left out unless both files name the same images.

        Args:
            header: header of the labels to encode.
            names: their image names, if they are known.

        Raises:
            MismatchError: labels of another number of classes.
            CorruptError: malformed tables.
        """
        if header.classes != self.header.classes:
            raise MismatchError(
                f"{self.path}: its tables are for {counted(self.header.classes, 'class')}, the "
                f"labels have {header.classes}"
            )
        parts = {name: part for name, part in self.parts.items() if name != OF_LABELS}
        notes: tuple[str, ...] = ()
        if self.codec.lossy:
            notes += (
                f"how close labels are with the tables of {self.path} was not measured; `stats` "
                "with `against` their source tells",
            )
        packed = None if names is None else pack_names(names)
        if OF_IMAGES in parts and (packed is None or packed != self.names):
            del parts[OF_IMAGES]
            notes += (
                f"the image means of {self.path} are not used: its images are others, or either "
                "file does not name them",
            )
        try:
            return self.codec.from_parts(parts, header.classes), notes
        except CorruptError as error:
            raise CorruptError(f"{self.path}: {error}") from None


def read_tables(path: str | os.PathLike[str]) -> ReusedTables:
    """Read the label tables of a container.

    Raises:
        LabelcodecError: it is no container, is damaged, has no batches or no such codec is there.
        OSError: it cannot be read.
    """
    path = Path(path)
    with RecordReader(path) as records:
        header = Header.from_map(records.header, str(path))
        if not len(records.index):
            raise MismatchError(f"{path}: holds no labels, and so no tables")
        parts = side_info.unpack(records.side(0), str(path))["labels"]
        codec = registry.from_config(header.codec, header.config, str(path))
        return ReusedTables(path, header, codec, parts, records.names())


def codec_of(
    codec: str | None, tables: str | os.PathLike[str] | None
) -> tuple[Codec | None, ReusedTables | None]:
    """The codec of a spec, or that of a container whose tables are used; None if neither is set.

    Raises:
        ConfigError: both are set, or the spec is invalid.
        LabelcodecError: as in `read_tables`.
    """
    if tables is None:
        return (None if codec is None else registry.parse(codec)), None
    if codec is not None:
        raise ConfigError("pass either `codec` or `tables`: a file's tables are for its codec")
    reused = read_tables(tables)
    return reused.codec, reused
