"""Reading of label sets: one container, or several shards."""

from __future__ import annotations

import operator
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Self, SupportsIndex, TypeVar, overload

from labelcodec.batch import LabelBatch
from labelcodec.codecs import registry
from labelcodec.codecs.batch_coder import BatchCoder, component_bytes
from labelcodec.codecs.components import FRAMING, SIDE_INFORMATION
from labelcodec.container import RecordReader, Shards
from labelcodec.container.layout import SIDE_INFORMATION as SIDE_TAG
from labelcodec.entropy.coding import Usage
from labelcodec.errors import LabelcodecError, LabelcodecWarning, NeedsImagesError, UnsupportedError
from labelcodec.header import OWN, Header, check_recipe_images
from labelcodec.image_names import unpack_names
from labelcodec.joined_header import joined
from labelcodec.label_files import files_of, missing_of, names_several
from labelcodec.loading import LOADING
from labelcodec.positions import Position
from labelcodec.remote import Cache, Location, LocationLike, RemoteFile
from labelcodec.wording import counted

PathLike = str | os.PathLike[str]
T = TypeVar("T")
_AHEAD = 4096  # batches of several files that are announced at a time


class Reader:
    """Random access to the batches of a label set, in order of batch number.

    Safe to use from several threads and from forked or spawned processes: a batch is read with one
    positioned read, and an unpickled reader reopens its files. A fork waits until no thread loads
    tables.

    Example:
        >>> with labelcodec.open("labels.slc") as labels:
        ...     batch = labels[0]
        ...     logits = batch.labels.dense()  # float32 (B, C)

    Args:
        paths: containers, here or elsewhere; several must be shards of one label set.

    Raises:
        FormatError: a file is not a container, is damaged (CorruptError) or too new
            (VersionError).
        MismatchError: the shards' headers differ, two shards hold the same batch, or they are parts
            of different sources.

    Attributes:
        header: properties of the whole set.
        index: number, epoch, samples and size of every batch.
        shards: the containers, as records.
    """

    def __init__(self, paths: Sequence[LocationLike]) -> None:
        self._start(Shards(paths, OWN))

    def _start(self, shards: Shards) -> None:
        self.shards = shards
        self.index = shards.index
        self.header = joined([_header(shard) for shard in shards.readers], self.paths)
        self._where = str(shards.readers[0].path)
        check_recipe_images(self.header, int(self.index.samples.sum()), self._where)
        self._coders: dict[tuple[int, int], BatchCoder] = {}
        self._elsewhere = any(isinstance(path, RemoteFile) for path in self.paths)
        self._last, self._run = -1, 0  # the batch read last, and those before it without a gap
        self._used = False  # modules that decoding needs are imported once a batch was decoded

    def __getstate__(self) -> dict[str, Any]:
        return {"shards": self.shards}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._start(state["shards"])

    @property
    def paths(self) -> tuple[Location, ...]:
        """The files of the set: paths, or for those elsewhere a `RemoteFile`."""
        return tuple(shard.path for shard in self.shards.readers)

    @property
    def size(self) -> int:
        """Size of all files in bytes."""
        return sum(shard.size for shard in self.shards.readers)

    @property
    def names(self) -> tuple[str, ...] | None:
        """Image names in order of image index; None if the set stores none."""
        packed = self.shards.names()
        return None if packed is None else unpack_names(packed, self._where)

    def __len__(self) -> int:
        """Number of batches."""
        return len(self.index)

    @overload
    def __getitem__(self, i: SupportsIndex) -> LabelBatch: ...

    @overload
    def __getitem__(self, i: slice) -> list[LabelBatch]: ...

    def __getitem__(self, i: SupportsIndex | slice) -> LabelBatch | list[LabelBatch]:
        """Batch at position i, or a list of batches for a slice.

        Positions are 0..n-1 in order of batch number; negative ones count from the end.

        Raises:
            CorruptError: the batch is damaged.
            UnsupportedError: the codec is not installed.
            IndexError: there is no such batch.
            TypeError: `i` is neither an integer nor a slice.
        """
        if isinstance(i, slice):
            return [self[position] for position in range(*i.indices(len(self)))]
        if isinstance(i, Position):
            self.read_ahead(i.coming())
            self._last = i  # its order is known and need not be guessed
        return self._with_coder(i, BatchCoder.decode)

    def __iter__(self) -> Iterator[LabelBatch]:
        return (self[i] for i in range(len(self)))

    def read_ahead(self, positions: Iterable[int]) -> None:
        """Announce the batches that will be read next, in this order.

        Files elsewhere are then fetched in the background; for local files it does nothing. A loop
        over all batches, and a loader with a `BatchOrder`, need not call it.

        Args:
            positions: positions 0..n-1; as many are taken as there is room for.
        """
        if not self._elsewhere:
            return
        shards, index = self.shards.readers, self.index
        if len(shards) == 1:
            shards[0].read_ahead(int(index.position[i]) for i in positions)
            return
        due: dict[int, list[int]] = {}
        for i in islice(positions, _AHEAD):
            due.setdefault(int(index.shard[i]), []).append(int(index.position[i]))
        for shard, inside in due.items():
            shards[shard].read_ahead(inside)

    def processes(self, threads: int | None) -> int | None:
        """Most processes to read the whole set with: of files elsewhere, one, which reads ahead."""
        return 1 if self._elsewhere else threads

    def component_bytes(self, i: int) -> dict[str, int]:
        """Stored bytes of batch i by component, which sum to `index.size[i]`.

        Works without the codec being installed.
        """
        position = self._position(i)
        _, _, data = self._record(position)
        try:
            sizes = component_bytes(data)
        except LabelcodecError as error:
            raise self._named(error, position) from None
        return sizes | {FRAMING: int(self.index.size[i]) - sum(sizes.values())}

    def overhead_bytes(self) -> dict[str, int]:
        """Bytes outside of all batches, by component."""
        side = sum(s.size for shard in self.shards.readers for s in shard.index.of(SIDE_TAG))
        return {SIDE_INFORMATION: side, FRAMING: self.size - side - int(self.index.size.sum())}

    def side(self, i: int) -> tuple[int, int]:
        """(shard, number) of the side information, the tables, that batch i was encoded with."""
        return self.stored(i)[0]

    def stored(self, i: int) -> tuple[tuple[int, int], memoryview]:
        """Batch i as it is stored: (shard, number) of its side information, and its bytes."""
        shard, side, data = self._record(self._position(i))
        return (shard, side), data

    def tables(self, shard: int, number: int) -> bytes:
        """Side information by its number, as it is stored."""
        return self.shards.readers[shard].side(number)

    def usage(self, i: int) -> tuple[LabelBatch, dict[str, Usage]]:
        """Batch i, and the accounting of its entropy-coded streams by component."""
        return self._with_coder(i, BatchCoder.decode_counted)

    def chosen(self) -> list[dict[str, Any]]:
        """Settings that fitting the codec selected, and the rate and distortion it measured.

        Returns:
            One mapping of plain values per side information, without empty ones; see
            `Coder.chosen`.

        Raises:
            LabelcodecError: side information cannot be read.
        """
        choices = []
        for shard, record in enumerate(self.shards.readers):
            for side in range(len(record.index.of(SIDE_TAG))):
                try:
                    choices.append(self._coder(shard, side).labels.chosen())
                except LabelcodecError as error:
                    raise type(error)(f"{record.path}: {error}") from None
        return [chosen for chosen in choices if chosen]

    def missing_codec(self) -> str | None:
        """Reason why labels cannot be decoded, if the codec is not installed; else None."""
        header = self.header
        try:
            registry.from_config(header.codec, header.config, self._where)
        except UnsupportedError as error:
            return str(error)
        return None

    def check_labels_held(self) -> None:
        """Check that the files hold labels, and not a function of the images that gives them.

        Raises:
            NeedsImagesError: they do not; the message says what that function needs.
        """
        entry = registry.CODECS.find(self.header.codec)
        if entry is None or entry.labeller is None or not len(self):
            return
        try:
            self[0].labels.dense()
        except NeedsImagesError as error:
            raise NeedsImagesError(f"{self.paths[0]}: {error}") from None

    def close(self) -> None:
        """Close the files."""
        self.shards.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        first = self.paths[0].name
        files = first if len(self.paths) == 1 else f"{len(self.paths)} files from {first}"
        labels = int(self.index.samples.sum())
        rate = f", {self.size / labels:.1f} bytes per label" if labels else ""
        return (
            f"<Reader {files}: {counted(len(self), 'batch')}, {counted(labels, 'label')} of "
            f"{self.header.classes} "
            f"classes, {registry.spec_in(self.header.codec, self.header.config)}{rate}>"
        )

    def _position(self, i: SupportsIndex) -> int:
        """Position 0..n-1 of batch i.

        Raises:
            IndexError: there is no such batch.
            TypeError: not an integer.
        """
        try:
            position = operator.index(i)
        except TypeError:
            type_name = type(i).__name__
            raise TypeError(
                f"batches are numbered by integers or slices, not by {type_name}"
            ) from None
        count = len(self.index.number)
        if not -count <= position < count:
            raise IndexError(f"{self._where}: batch {position} of {count}")
        return position % count

    def _follow(self, position: int) -> None:
        """Read ahead where batches are read one after another, the farther the longer they are."""
        if position == self._last:
            return
        self._run = self._run + 1 if position == self._last + 1 else 0
        self._last = position
        if self._run:
            self.read_ahead(range(position, min(position + 2 * self._run, len(self))))

    def _record(self, position: int) -> tuple[int, int, memoryview]:
        """A batch's shard, side information number and bytes."""
        if self._elsewhere:
            self._follow(position)
        shard = self.index.shard.item(position)
        side, data = self.shards.readers[shard].batch(self.index.position.item(position))
        return shard, side, data

    def _named(self, error: LabelcodecError, position: int) -> LabelcodecError:
        """The same error with the name of the batch in front."""
        path = self.shards.readers[self.index.shard.item(position)].path
        return type(error)(f"{path}: batch {self.index.number.item(position)}: {error}")

    def _with_coder(
        self, i: SupportsIndex, decode: Callable[[BatchCoder, memoryview, int, int, int], T]
    ) -> T:
        """What a method of `BatchCoder` makes of batch i: its bytes, samples, number and epoch."""
        index, position = self.index, self._position(i)
        if not self._coders and (missing := self.missing_codec()) is not None:
            raise UnsupportedError(missing)
        shard, side, data = self._record(position)
        samples, number = index.samples.item(position), index.number.item(position)
        epoch = index.epoch.item(position)
        try:
            if self._used:
                return decode(self._coder(shard, side), data, samples, number, epoch)
            with LOADING:
                result = decode(self._coder(shard, side), data, samples, number, epoch)
                self._used = True
                return result
        except LabelcodecError as error:
            raise self._named(error, position) from None

    def _coder(self, shard: int, side: int) -> BatchCoder:
        if (coder := self._coders.get((shard, side))) is not None:
            return coder
        with LOADING:
            if (shard, side) not in self._coders:
                record = self.shards.readers[shard]
                self._coders[shard, side] = BatchCoder.from_side_information(
                    _header(record), record.side(side), "side information"
                )
            return self._coders[shard, side]


def open(
    paths: LocationLike | Sequence[LocationLike],
    *,
    storage_options: Mapping[str, Any] | None = None,
    cache: Cache | None = None,
) -> Reader:
    """Open a label set, here or elsewhere (docs/remote.md).

    Args:
        paths: a container, a glob pattern, or a list of shards of one label set. A container is a
            path, a URL (https://, hf://, s3:// or another one of fsspec), a `RemoteFile`, an fsspec
            file system with a path, what `fsspec.open` returns, or a binary file object.
        storage_options: options of the fsspec file system of URLs, such as a token.
        cache: of URLs: 'file' downloads each file before it is read, 'blocks' keeps what was read
            on disk; by default nothing is kept, but for small files of the Hub.

    Returns:
        A `Reader`, which is a context manager.

    Raises:
        FileNotFoundError: no file matches, or the list is empty.
        RemoteError: a file elsewhere cannot be reached.
        MissingExtraError: a package for files elsewhere is not installed.
        LabelcodecError: as in `Reader`.

    Warns:
        LabelcodecWarning: by the names `NAME-RANK-of-WORLD.slc` of a list or of what a pattern
            matches, shards of the set are missing.
    """
    files = files_of(paths, storage_options, cache)
    if names_several(paths) and (missing := missing_of(files)):
        warnings.warn(
            f"{files[0]}: {missing}; only the labels of the others are read",
            LabelcodecWarning,
            stacklevel=2,
        )
    return Reader(files)


def _header(shard: RecordReader) -> Header:
    return Header.from_map(shard.header, str(shard.path))
