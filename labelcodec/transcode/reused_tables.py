"""Tables of another file, to encode more labels with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from labelcodec.batch import LabelBatch, Labels
from labelcodec.codecs import registry, side_info
from labelcodec.codecs.batch_context import BatchContext
from labelcodec.codecs.interface import Codec, Coder
from labelcodec.codecs.transform.fit.analysis import centre
from labelcodec.codecs.transform.fit.rd_eval import Reference
from labelcodec.codecs.transform.fit.sample import Sample
from labelcodec.codecs.transform.rd_report import RDReport
from labelcodec.container import RecordReader
from labelcodec.container.paths import shard_name
from labelcodec.errors import ConfigError, CorruptError, MismatchError
from labelcodec.header import Header
from labelcodec.image_names import pack_names
from labelcodec.mapdiff import difference
from labelcodec.remote import Location, LocationLike, as_location
from labelcodec.wording import counted
from labelcodec.writer import MAY_DIFFER

OF_LABELS = "reached"  # part that tells of the labels the tables were fitted to
MEASURED = ("transform", "vq")  # codecs that have it
OF_IMAGES = "means"  # part with a row for each image
_OF_SHARDS = MAY_DIFFER | {"source.part", "creator", "version"}


@dataclass(frozen=True, eq=False)
class ReusedTables:
    """The label tables of a file.

    Attributes:
        path: the file.
        header: its header.
        codec: its codec.
        side: its side information, as it is stored.
        parts: the label tables by name.
        names: its image names as they are stored, if it has them.
    """

    path: Location
    header: Header
    codec: Codec
    side: bytes
    parts: Mapping[str, bytes]
    names: bytes | None

    def coder(self, header: Header, names: Sequence[str] | None) -> tuple[Coder, tuple[str, ...]]:
        """The coder for labels of another set, and notes.

        Image means are left out unless both files say that they are of the same images.

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
        if OF_IMAGES in parts and not self._same_images(header, names):
            del parts[OF_IMAGES]
            notes = (
                f"the image means of {self.path} are not used: nothing says that its images are "
                "those of these labels, which take more bytes or are farther from their source "
                "without means",
            )
        try:
            return self.codec.from_parts(parts, header.classes), notes
        except CorruptError as error:
            raise CorruptError(f"{self.path}: {error}") from None

    def of_shard(self, target: Path, header: Header) -> bytes | None:
        """The side information for another shard of the same label set.

        Args:
            target: the shard to write.
            header: its header.

        Returns:
            The side information, which all shards of a set share; None if by its name the file is
            none of the shards beside the target.

        Raises:
            MismatchError: it is named as one, and has labels of another source or other settings.
        """
        own = shard_name(target.name)
        if own is None or not own.is_beside(shard_name(self.path.name)):
            return None
        if what := difference(self.header.to_map(), header.to_map(), _OF_SHARDS):
            raise MismatchError(
                f"{self.path}: is named as a shard beside {target.name}, and is of another source "
                f"or of other settings: {what}"
            )
        return self.side

    def _same_images(self, header: Header, names: Sequence[str] | None) -> bool:
        """Whether both label sets are of the same images, in the same order, as far as they say."""
        packed = None if names is None else pack_names(names)
        facts = (
            (packed, self.names),
            (header.fingerprint, self.header.fingerprint),
            (
                header.pixels and header.pixels.digest,
                self.header.pixels and self.header.pixels.digest,
            ),
        )
        known = [own == other for own, other in facts if own is not None and other is not None]
        return header.images == self.header.images and known != [] and all(known)

    def measured(self, coder: Coder, batches: Sequence[LabelBatch]) -> tuple[str, ...]:
        """A note on how close labels come with these tables, beside those they were fitted to.

        Args:
            coder: the coder out of `coder`.
            batches: batches with prepared labels.
        """
        if self.codec.name not in MEASURED or OF_LABELS not in self.parts or not batches:
            return ()
        fitted = RDReport.from_bytes(self.parts[OF_LABELS]).quality["kl1"]
        total, count = 0.0, 0
        for batch in batches:
            context = BatchContext.of(batch, self.header.shift)
            streams = coder.encode(batch.labels, context)
            views = {stream: memoryview(data) for stream, data in streams.items()}
            none = np.zeros((len(batch), 0), np.float32)
            blank = Labels(batch.labels.classes, none, precision=batch.labels.precision)
            coded = coder.decode(views, len(batch), blank, context).dense()
            source = Reference(Sample(centre(batch.labels.dense())))
            total += source.measure(coded, ["kl1"])["kl1"] * len(batch)
            count += len(batch)
        return (
            f"with the tables of {self.path}, the mean KL divergence of {counted(count, 'label')} "
            f"at temperature 1 is {total / count:.3g}; it was {fitted:.3g} on those that they were "
            "fitted to",
        )


def read_tables(path: LocationLike) -> ReusedTables:
    """Read the label tables of a container.

    Raises:
        LabelcodecError: it is no container, is damaged, has no batches or no such codec is there.
        OSError: it cannot be read.
    """
    path = as_location(path)
    with RecordReader(path) as records:
        header = Header.from_map(records.header, str(path))
        if not len(records.index):
            raise MismatchError(f"{path}: holds no labels, and so no tables")
        entry = registry.CODECS.find(header.codec)
        if entry is not None and entry.labeller is not None:
            raise MismatchError(f"{path}: its tables compute labels from images, and encode none")
        side = records.side(0)
        parts = side_info.unpack(side, str(path))["labels"]
        codec = registry.from_config(header.codec, header.config, str(path))
        return ReusedTables(path, header, codec, side, parts, records.names())


def codec_of(
    codec: str | None, tables: LocationLike | None
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


def required_codec(
    codec: str | None, tables: LocationLike | None
) -> tuple[Codec, ReusedTables | None]:
    """As `codec_of`, where labels have no codec of their own to fall back to.

    Raises:
        ConfigError: neither is set, or as in `codec_of`.
        LabelcodecError: as in `read_tables`.
    """
    parsed, reused = codec_of(codec, tables)
    if parsed is None:
        raise ConfigError("pass `codec` or `tables`")
    return parsed, reused
