"""Webdataset tars: samples are members of one name; `.cls` or `.json` say the class.

The name ends at the first dot of the file name.

A tar without these holds an image folder: the first folder of a member's path is its class.
"""

from __future__ import annotations

import json
import os
import re
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from labelcodec.errors import MismatchError
from labelcodec.files.os_errors import naming
from labelcodec.files.regular import open_regular
from labelcodec.images.classes import folder_names, named_listing, numbered
from labelcodec.images.folder import EXTENSIONS
from labelcodec.images.listing import ImageListing
from labelcodec.images.store import EncodedImages, file_stamp
from labelcodec.progress import Progress

JSON_FILE = "json"
LABEL_FILES = ("cls", "cls.txt", JSON_FILE)  # the first of them that a sample has says its class
JSON_KEYS = ("cls", "label", "class", "target", "class_id", "class_index")
MAX_LABEL = 1 << 20  # bytes of a file that says a class
BLOCK = 512  # bytes of a tar's block


@dataclass(frozen=True)
class Member:
    """A file in a tar: its bytes are those from `start` on.

    Attributes:
        shard: number of the tar.
        start: position in it.
        size: number of bytes.
    """

    shard: int
    start: int
    size: int


@dataclass
class Sample:
    """The members of one key.

    Attributes:
        key: path of the members without their extension.
        images: extension -> member, of images.
        labels: extension -> member, of what says the class.
    """

    key: str
    images: dict[str, Member] = field(default_factory=dict)
    labels: dict[str, Member] = field(default_factory=dict)


class TarImages(EncodedImages):
    """Images that are members of tars, which are read where they lie.

    Args:
        shards: the tars.
        names: (N,) name of each image's member.
        members: (N,) where it lies.
    """

    def __init__(
        self, shards: Sequence[Path], names: Sequence[str], members: Sequence[Member]
    ) -> None:
        self._shards, self._names = tuple(shards), tuple(names)
        places = [(member.shard, member.start, member.size) for member in members]
        self._places = np.array(places, np.int64).reshape(-1, 3)

    def where(self, item: int) -> str:
        """As in `ImageStore`."""
        return f"{self._shards[self._places[item, 0]]}: {self._names[item]}"

    def content_size(self, item: int) -> int:
        """As in `ImageStore`."""
        return int(self._places[item, 2])

    def content(self, item: int) -> bytes:
        """As in `ImageStore`."""
        shard, start, size = self._places[item].tolist()
        return read_part(self._shards[shard], start, size, self._names[item])

    def stamp(self, item: int) -> str:
        """As in `ImageStore`."""
        return file_stamp(self._shards[self._places[item, 0]])


def list_tars(root: Path, shards: Sequence[Path], progress: Progress | None = None) -> ImageListing:
    """List the images of tars.

    Args:
        root: what the user named.
        shards: the tars.
        progress: called with tars read and their number.

    Raises:
        MismatchError: a tar is truncated, compressed or damaged; a sample has no class or several
            images; two have one name; or there are none.
        OSError: a tar cannot be read.
    """
    samples: list[Sample] = []
    has_labels = _has_labels(shards[0])
    for number, shard in enumerate(shards):
        samples += _samples(number, shard, has_labels)
        if progress is not None:
            progress(number + 1, len(shards))
    if not samples:
        raise MismatchError(f"{root}: no images")
    images = [_image(sample, shards) for sample in samples]
    names = [
        f"{sample.key}.{extension}" for sample, (extension, _) in zip(samples, images, strict=True)
    ]
    store = TarImages(shards, names, [member for _, member in images])
    if not has_labels:
        return _folder_listing(root, store, names)
    labels = [_class_of(sample, shards) for sample in samples]
    classes: tuple[str, ...]
    if all(isinstance(label, int) for label in labels):
        index, classes = numbered([int(label) for label in labels], store, str(root))
    elif all(isinstance(label, str) for label in labels):
        classes = tuple(sorted(set(map(str, labels))))
        position = {name: i for i, name in enumerate(classes)}
        index = np.array([position[str(label)] for label in labels], np.int64)
    else:
        raise MismatchError(f"{root}: classes are numbers in some samples and names in others")
    folders = folder_names(classes)
    own = _distinct(names, [member.shard for _, member in images], shards)
    paths = [
        name if name.startswith(f"{folders[i]}/") else f"{folders[i]}/{name}"
        for i, name in zip(index.tolist(), own, strict=True)
    ]
    is_named = isinstance(labels[0], str)
    return named_listing(root, store, paths, index, classes, is_named=is_named)


def read_part(path: Path, start: int, size: int, name: str) -> bytes:
    """Bytes of a member of a tar.

    Raises:
        MismatchError: the tar has become shorter.
        OSError: it cannot be read.
    """
    with open(open_regular(path, MismatchError, "a tar"), "rb", 0) as file, naming(path):
        file.seek(start)
        content = file.read(size)
    if len(content) != size:
        raise MismatchError(f"{path}: truncated: {name} is cut off")
    return content


def _has_labels(shard: Path) -> bool:
    """Whether the samples of a tar say their class: a label file stands beside an image."""
    labelled, pictured = set(), set()
    for key, extension, _ in _members(0, shard):
        if extension.lower() in LABEL_FILES:
            labelled.add(key)
        elif f".{extension.rpartition('.')[2].lower()}" in EXTENSIONS:
            pictured.add(key)
    return bool(labelled & pictured)


def _samples(number: int, shard: Path, has_labels: bool) -> list[Sample]:
    """The samples of a tar, in its order."""
    samples: dict[str, Sample] = {}
    for first, rest, member in _members(number, shard):
        key, extension = first, rest
        is_image = f".{rest.rpartition('.')[2].lower()}" in EXTENSIONS
        if is_image and not has_labels:  # a file of a folder may have dots in its name
            key, _, extension = f"{first}.{rest}".rpartition(".")
        sample = samples.setdefault(key, Sample(key))
        kind = sample.images if is_image else sample.labels
        if extension in kind:
            raise MismatchError(f"{shard}: holds {key}.{extension} twice")
        if is_image or extension.lower() in LABEL_FILES:
            kind[extension] = member
    return [sample for sample in samples.values() if sample.images]


def _members(number: int, shard: Path) -> Iterator[tuple[str, str, Member]]:
    """Key, extension and place of each file in a tar, but for hidden files."""
    with open(open_regular(shard, MismatchError, "a tar"), "rb") as file:
        size, end = file.seek(0, os.SEEK_END), 0
        file.seek(0)
        try:
            with tarfile.open(fileobj=file, mode="r:") as archive:
                for info in archive:
                    end = info.offset_data + -(-info.size // BLOCK) * BLOCK * info.isreg()
                    if info.isdir():
                        continue
                    if not info.isreg() or info.issparse():
                        raise MismatchError(
                            f"{shard}: {info.name} is a link or a device; only files are read"
                        )
                    if info.offset_data + info.size > size:
                        raise MismatchError(f"{shard}: truncated: {info.name} is cut off")
                    folder, slash, name = info.name.removeprefix("./").rpartition("/")
                    stem, _, extension = name.partition(".")
                    if stem:
                        yield (
                            f"{folder}{slash}{stem}",
                            extension,
                            Member(number, info.offset_data, info.size),
                        )
        except (tarfile.TarError, EOFError, ValueError) as error:
            raise MismatchError(
                f"{shard}: not a tar, or a compressed one ({error}); unpack what is compressed"
            ) from None
        file.seek(end)
        if file.read(BLOCK) != bytes(BLOCK):
            raise MismatchError(
                f"{shard}: truncated or damaged: no member and no end of the archive at byte {end}"
            )


def _image(sample: Sample, shards: Sequence[Path]) -> tuple[str, Member]:
    """Extension and place of a sample's image: the only one, or the only one with one dot."""
    plain = {name: member for name, member in sample.images.items() if "." not in name}
    images = plain or sample.images
    if len(images) > 1:
        shard = shards[next(iter(images.values())).shard]
        raise MismatchError(f"{shard}: {sample.key} has several images: {', '.join(images)}")
    return next(iter(images.items()))


def _class_of(sample: Sample, shards: Sequence[Path]) -> int | str:
    """The class that a sample says: a number, or a name."""
    by_name = {extension.lower(): member for extension, member in sample.labels.items()}
    extension = next((name for name in LABEL_FILES if name in by_name), None)
    if extension is None:
        shard = shards[next(iter(sample.images.values())).shard]
        raise MismatchError(f"{shard}: {sample.key} has no class: neither .cls nor .json")
    member, name = by_name[extension], f"{sample.key}.{extension}"
    where = f"{shards[member.shard]}: {name}"
    if member.size > MAX_LABEL:
        raise MismatchError(f"{where}: {member.size} bytes, which no class takes")
    content = read_part(shards[member.shard], member.start, member.size, name)
    try:
        text = content.decode()
        value = _of_json(json.loads(text)) if extension == JSON_FILE else text.strip()
    except (ValueError, RecursionError):
        raise MismatchError(f"{where}: is no text of a class") from None
    if isinstance(value, str) and re.fullmatch(r"[+-]?[0-9]{1,18}", value):
        return int(value)
    if type(value) is int or (isinstance(value, str) and value):
        return value
    raise MismatchError(
        f"{where}: does not say a class; expected a number or a name"
        + (f", under one of {', '.join(JSON_KEYS)}" if extension == JSON_FILE else "")
    )


def _of_json(value: object) -> object:
    if not isinstance(value, Mapping):
        return value
    return next((value[key] for key in JSON_KEYS if key in value), None)


def _distinct(names: Sequence[str], shard_of: Sequence[int], shards: Sequence[Path]) -> list[str]:
    """The names; where shards number their samples anew, with the shard's name as a folder."""
    if len(set(names)) == len(names):
        return list(names)
    return [f"{shards[shard].stem}/{name}" for name, shard in zip(names, shard_of, strict=True)]


def _folder_listing(root: Path, store: TarImages, names: Sequence[str]) -> ImageListing:
    """The images of an image folder that was put into tars; a folder around it is left out."""
    parts = [name.split("/") for name in names]
    if len({part[0] for part in parts}) == 1 and min(map(len, parts)) > 2:
        parts = [part[1:] for part in parts]
    bare = next((i for i, part in enumerate(parts) if len(part) < 2), None)
    if bare is not None:
        raise MismatchError(
            f"{store.where(bare)}: nothing says its class; expected a .cls or .json of the same "
            "name, or a folder around it"
        )
    classes = tuple(sorted({part[0] for part in parts}))
    position = {name: i for i, name in enumerate(classes)}
    index = np.array([position[part[0]] for part in parts], np.int64)
    return named_listing(root, store, ["/".join(part) for part in parts], index, classes)
