"""Facts about a label set that nothing in its labels tells, added to the headers of its files."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from labelcodec.augmentation.crop.resampling import INTERPOLATIONS
from labelcodec.binding.agreement import warnings_of
from labelcodec.binding.folder import ClassMapLike, class_names, class_of_image, folder_fields
from labelcodec.binding.names import matched
from labelcodec.checks import check_normalisation
from labelcodec.container import RecordReader
from labelcodec.container.paths import shard_pattern, shards_beside
from labelcodec.container.rewriting import rewrite_header
from labelcodec.errors import ConfigError, LabelcodecWarning, MismatchError
from labelcodec.files.regular import real_path
from labelcodec.folder_check import measured_of
from labelcodec.header import REMARKS, Header
from labelcodec.images import ImageListing, list_images
from labelcodec.label_files import files_of
from labelcodec.reader import PathLike, Reader
from labelcodec.remote import Location, LocationLike


@dataclass(frozen=True)
class Facts:
    """How labels were made, as somebody says who knows; None where nobody does.

    Attributes:
        image_size: height, width of the teacher's input in pixels.
        interpolation: 'bilinear' or 'bicubic' resizing of crops.
        normalisation: {'mean': [r, g, b], 'std': [r, g, b]} of inputs in 0..1.
        teacher: name of the teacher.
        license: terms under which the labels may be used.
        note: free text.

    Raises:
        ConfigError: a size below 1, or an unknown interpolation.
        DataError: not a normalisation.
    """

    image_size: int | tuple[int, int] | None = None
    interpolation: str | None = None
    normalisation: Mapping[str, Any] | None = None
    teacher: str | None = None
    license: str | None = None
    note: str | None = None

    def __post_init__(self) -> None:
        check_normalisation(self.normalisation)
        if self.interpolation not in (None, *INTERPOLATIONS):
            known = " or ".join(map(repr, INTERPOLATIONS))
            raise ConfigError(f"interpolation is {self.interpolation!r}, expected {known}")
        size = self.image_size
        sides = size if isinstance(size, tuple) else (size,)
        if size is not None and not all(isinstance(side, int) and side > 0 for side in sides):
            raise ConfigError(f"`image_size` is {size!r}, expected pixels above 0")

    def added_to(self, header: Header, where: str, *, force: bool = False) -> Header:
        """The header with these facts.

        Args:
            header: a header.
            where: name of its file, for error messages.
            force: replace what the header says already.

        Raises:
            MismatchError: the header says otherwise, and `force` is not set.
        """
        changes = self._fields()
        if "teacher" in changes:
            changes["teacher"] = {**(header.teacher or {}), **changes["teacher"]}
        for name, change in changes.items():
            recorded, value = getattr(header, name), change
            if name == "teacher":
                recorded, value = ((teacher or {}).get("name") for teacher in (recorded, change))
            if recorded not in (None, value) and not force and name not in REMARKS:
                raise MismatchError(
                    f"{where}: says that {name.replace('_', ' ')} is {recorded}, not {value}; "
                    "pass `force=True` to replace it"
                )
        return replace(header, **changes)

    def _fields(self) -> dict[str, Any]:
        changes = {
            field.name: value
            for field in fields(self)
            if (value := getattr(self, field.name)) is not None
        }
        if isinstance(self.image_size, int):
            changes["image_size"] = (self.image_size, self.image_size)
        if self.normalisation is not None:
            changes["normalisation"] = {
                key: list(map(float, self.normalisation[key])) for key in ("mean", "std")
            }
        if self.teacher is not None:
            changes["teacher"] = {"name": self.teacher}
        return changes


@dataclass(frozen=True)
class AnnotationReport:
    """Result of `annotate`.

    Attributes:
        files: the files that have a new header; those that said it all already are left out.
        header: the header of the first file.
        notes: remarks for the user, one sentence each.
    """

    files: tuple[Path, ...]
    header: Header
    notes: tuple[str, ...]


def annotate(
    labels: LocationLike | Sequence[LocationLike],
    *,
    images: PathLike | ImageListing | None = None,
    class_map: ClassMapLike | None = None,
    image_size: int | tuple[int, int] | None = None,
    interpolation: str | None = None,
    normalisation: Mapping[str, Any] | None = None,
    teacher: str | None = None,
    license: str | None = None,
    note: str | None = None,
    force: bool = False,
) -> AnnotationReport:
    """Add facts to the headers of a label set; the batches stay as they are.

    Each file is replaced once its new version is complete. Shards are changed one after the other,
    when all are checked: after an interrupt, the same call changes the rest.

    Example:
        >>> annotate("labels.slc", image_size=224, license="CC-BY-4.0", images="images")

    Args:
        labels: a container, a glob pattern or a list of shards.
        images: the images that the labels refer to, see `list_images`. Their names and
            content are recorded, so that others are refused, and how often the teacher's top class
            is the folder's.
        class_map: the teacher's classes, see `as_class_map`, where they are not the sorted class
            folders.
        image_size: height and width of the teacher's input, in pixels.
        interpolation: 'bilinear' or 'bicubic' resizing of crops.
        normalisation: {'mean': [r, g, b], 'std': [r, g, b]} of inputs in 0..1.
        teacher: name of the teacher.
        license: terms under which the labels may be used.
        note: free text.
        force: replace what the headers say already. License and note are always replaced.

    Raises:
        ConfigError: there is nothing to add, or an invalid value.
        MismatchError: a header says otherwise, the folder is not that of the labels, or a shard
            `NAME-RANK-of-WORLD.slc` beside the files is not among them.
        LabelcodecError: a file is damaged.
        OSError: a file cannot be read or written.
    """
    facts = Facts(image_size, interpolation, normalisation, teacher, license, note)
    if facts == Facts() and images is None and class_map is None:
        raise ConfigError("there is nothing to add: pass a fact about the labels")
    listing = None if images is None else list_images(images)
    paths = _local(files_of(labels))
    _check_whole_sets(paths)
    notes: list[str] = []
    changes: list[tuple[Path, dict[str, Any]]] = []
    for path in paths:  # all are checked before the first is written
        with Reader([path]) as reader:
            header = facts.added_to(reader.header, str(path), force=force)
            names = _class_names(reader, listing, class_map, force=force)
            header = replace(header, class_names=names)
            if listing is not None:
                header, more = _bound(reader, header, listing, force=force)
                notes += more
            if header == reader.header:
                continue
            stored, before, after = (
                reader.shards.readers[0].header, reader.header.to_map(), header.to_map(),
            )  # fmt: skip
            new = {key: after[key] for key in after if before.get(key) != after[key]}
            Header.from_map(stored | new, str(path))  # check that it can be read
            changes.append((path, stored | new))
    for path, header_map in changes:
        with RecordReader(path) as records:
            rewrite_header(records, header_map)
    with Reader([paths[0]]) as reader:
        return AnnotationReport(tuple(path for path, _ in changes), reader.header, tuple(notes))


def _local(locations: Sequence[Location]) -> list[Path]:
    """The files, all of this machine.

    Raises:
        MismatchError: one is elsewhere.
    """
    for location in locations:
        if not isinstance(location, Path):
            raise MismatchError(
                f"{location}: is not on this machine; annotate a copy and publish that"
            )
    return [location for location in locations if isinstance(location, Path)]


def _check_whole_sets(paths: Sequence[Path]) -> None:
    """Refuse some of the shards `NAME-RANK-of-WORLD.slc`: shards of a set have equal headers.

    Raises:
        MismatchError: a shard of the same set is beside a file, and is not among the files.
    """
    present = {real_path(path) for path in paths}
    for path in paths:
        if (shards := shards_beside(path)) is None:
            continue
        world, siblings = shards
        others = [sibling for sibling in siblings if real_path(sibling) not in present]
        if others:
            raise MismatchError(
                f"{path}: is one of {world} shards of a label set, as is {others[0].name}; a set "
                f"whose headers differ cannot be opened: pass all shards, as "
                f"'{shard_pattern(path).name}'"
            )
        if len(siblings) < world:
            warnings.warn(
                f"{path}: {len(siblings)} of {world} shards of its label set are here; give the "
                "others the same facts, or they cannot be opened together",
                LabelcodecWarning,
                stacklevel=3,
            )


def _class_names(
    reader: Reader, listing: ImageListing | None, class_map: ClassMapLike | None, *, force: bool
) -> tuple[str, ...] | None:
    """The names of the classes, recorded or new."""
    header, where = reader.header, str(reader.paths[0])
    folders = None if listing is None else listing.classes
    root = where if listing is None else str(listing.root)
    labels = int(reader.index.samples.sum())
    names = class_names(folders, class_map, header.classes, labels, root)
    if names is None:
        return header.class_names
    if header.class_names not in (None, names) and not force:
        raise MismatchError(
            f"{where}: names its classes otherwise; pass `force=True` to replace the names"
        )
    return names


def _bound(
    reader: Reader, header: Header, listing: ImageListing, *, force: bool
) -> tuple[Header, tuple[str, ...]]:
    """The header bound to an image folder, and what to tell of the folder."""
    where = str(reader.paths[0])
    own = class_of_image(listing, header.class_names, header.classes)
    fields = folder_fields(listing, own)
    for name in ("images", "fingerprint", "content"):
        recorded = getattr(header, name)
        if fields[name] is not None and recorded not in (None, fields[name]) and not force:
            raise MismatchError(
                f"{where}: says that {name} is {recorded}, and {listing.root} has {fields[name]}; "
                "pass the folder that the labels were made from, or `force=True` if the file is "
                "wrong"
            )
    names = reader.names
    if names and matched(names, listing, where).paths != listing.paths:
        raise MismatchError(
            f"{where}: its labels are bound to images by name already, and {listing.root} has "
            "further images; pass a folder without them"
        )
    measured = measured_of(reader, own)
    notes = warnings_of(measured, header.agreement, str(listing.root))
    return replace(header, **fields, agreement=measured.agreement), notes
