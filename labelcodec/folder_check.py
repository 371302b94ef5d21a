"""Checks that an image folder is the one the labels were made from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from labelcodec.batch import LabelBatch
from labelcodec.binding.agreement import Measured, measure, sampled
from labelcodec.binding.class_map import folder_classes
from labelcodec.binding.folder import class_of_image, classes_digest
from labelcodec.binding.names import matched, spellings, stem_digest
from labelcodec.binding.pixels import DIGESTED, PixelSample, pixel_sample
from labelcodec.errors import MismatchError
from labelcodec.header import Header
from labelcodec.images import ImageListing, content_digest, fingerprint
from labelcodec.images.folder import ImageFolder
from labelcodec.positions import in_order
from labelcodec.reader import Reader
from labelcodec.wording import counted

OTHER_PICTURES = 10.0  # grey levels by which the cells of one picture never differ when saved again


@dataclass(frozen=True, eq=False)
class BoundFolder:
    """An image folder in the order that the labels refer to.

    Attributes:
        listing: the images that have labels, in order of image index.
        bound: whether names or content say that it is the folder; else only the number of images.
        notes: remarks for the user, one sentence each.
    """

    listing: ImageListing
    bound: bool
    notes: tuple[str, ...] = ()


def bind_folder(
    reader: Reader,
    listing: ImageListing,
    *,
    class_names: Sequence[str] | None = None,
    allow_changed_images: bool = False,
) -> BoundFolder:
    """Check that labels were made from an image folder.

    Names in another Unicode spelling are the same names. Images that were saved again without loss
    are the same images, whatever their file format.

    Args:
        reader: the labels.
        listing: the image folder.
        class_names: names of the classes, if the labels do not record them.
        allow_changed_images: accept images of the same names with other pixels.

    Raises:
        MismatchError: they were not; the message names the first difference: the number of
            classes or images, a file name (only that names differ if the labels store none), or
            the files' content.
        OSError: an image file cannot be read.
    """
    header, where = reader.header, f"{listing.root}: not the folder of {reader.paths[0]}"
    _check_counts(header, listing, class_names, where)
    names = reader.names or ()

    def by_pixels(folder: ImageListing) -> BoundFolder:
        own = class_of_image(folder, header.class_names or class_names, header.classes)
        return _by_pixels(header, folder, own, where, allow_changed_images)

    if header.fingerprint is None:
        if not names and header.pixels is None:
            return BoundFolder(listing, False, _surplus(header, listing))
        folder = matched(names, listing, str(reader.paths[0])) if names else listing
        rest = len(listing) - len(folder)
        bound = BoundFolder(folder, True) if header.pixels is None else by_pixels(folder)
        notes = (*(_unlabelled(listing, rest) if rest else ()), *bound.notes)
        return replace(bound, notes=notes)
    if not listing.is_named:
        return by_pixels(listing)
    own_names = names if fingerprint(names) == header.fingerprint else ()
    unlabelled: tuple[str, ...] = ()
    if header.images is not None and header.images != len(listing):
        if not own_names or len(own_names) > len(listing):
            raise MismatchError(
                f"{where}: it has {counted(len(listing), 'image')}, the labels {header.images}"
            )
        rest = len(listing) - len(own_names)
        unlabelled = _unlabelled(listing, rest)
        listing = matched(own_names, listing, str(reader.paths[0]))
    for folder, spelled in spellings(listing):
        if fingerprint(spelled) == header.fingerprint:
            if header.content in (None, content_digest(folder)):
                return BoundFolder(folder, True, unlabelled)
            what = f"{where}: its images have the same names, but other content"
            return _saved_again(header.pixels, folder, what, allow_changed_images)
    stems = stem_digest(own_names) if own_names else header.stems
    for folder, _ in spellings(listing):
        if stem_digest(folder.paths) == stems:
            what = f"{where}: its files have other extensions, and other content"
            return _saved_again(header.pixels, folder, what, allow_changed_images)
    if header.image_classes is not None and not isinstance(listing.store, ImageFolder):
        return by_pixels(listing)
    raise MismatchError(f"{where}: {_other_names(own_names, listing)}")


def check_images(index: NDArray[np.int64], listing: ImageListing) -> None:
    """Check that the folder holds all images of a batch.

    Args:
        index: (B,) int64 positions of the batch's images in the listing.
        listing: the image folder.

    Raises:
        MismatchError: a position is outside the listing.
    """
    if (last := int(index.max())) >= len(listing):
        raise MismatchError(
            f"image {last}, but {listing.root} has {counted(len(listing), 'image')}"
        )


def measured_of(
    reader: Reader,
    class_of_image: NDArray[np.int64],
    read: Callable[[int], LabelBatch] | None = None,
) -> Measured:
    """Agreement of a sample of a label set's batches with the classes of their images.

    Args:
        reader: the label set.
        class_of_image: (N,) int64 label class of each image, as in `agreement.measure`.
        read: gives the batch at a position; by default the reader.
    """
    positions = in_order(list(sampled(reader.index.samples.tolist())))
    header = reader.header
    batches = map(read or reader.__getitem__, positions)
    return measure(batches, class_of_image, header.classes, header.image_size)


def _check_counts(
    header: Header, listing: ImageListing, class_names: Sequence[str] | None, where: str
) -> None:
    """Check the classes, and that there are images enough."""
    names = header.class_names or class_names
    folder_classes(listing.classes, names, header.classes, where)
    if header.images is not None and header.images > len(listing):
        raise MismatchError(
            f"{where}: it has {counted(len(listing), 'image')}, the labels {header.images}"
        )


def _unlabelled(listing: ImageListing, rest: int) -> tuple[str]:
    verb = "has" if rest == 1 else "have"
    return (f"{listing.root}: {rest} of its {counted(len(listing), 'image')} {verb} no labels",)


def _surplus(header: Header, listing: ImageListing) -> tuple[str, ...]:
    """A note on a folder that has more images than unbound labels refer to."""
    if header.images in (None, len(listing)):
        return ()
    return (
        f"{listing.root}: has {counted(len(listing), 'image')}, the labels refer to "
        f"{header.images} and do "
        "not say which: one image too many gives every image behind it the label of another",
    )


def _by_pixels(
    header: Header,
    folder: ImageListing,
    label_class: NDArray[np.int64],
    where: str,
    allow: bool,
) -> BoundFolder:
    """Check images whose names say nothing: how many, their classes, and the pixels of some."""
    if header.images not in (None, len(folder)):
        raise MismatchError(
            f"{where}: it has {counted(len(folder), 'image')}, the labels {header.images}"
        )
    if header.image_classes not in (None, classes_digest(label_class)):
        raise MismatchError(
            f"{where}: its images have other classes, or are in another order; images "
            "without names are known by their order"
        )
    if header.content == content_digest(folder):
        return BoundFolder(folder, True)
    problem = f"{where}: it has no names that the labels know, and other content"
    if header.pixels is None and not allow:
        raise MismatchError(
            f"{problem}, and the labels keep no pixels to compare: add them to the file with "
            "`labelcodec annotate` and the folder that the labels were made from, or pass "
            "`allow_changed_images=True` if these are the same pictures in the same order"
        )
    bound = _saved_again(header.pixels, folder, problem, allow)
    note = (
        f"{folder.root}: known by the classes of its images and the pixels of "
        f"{min(len(folder), DIGESTED)}, in their order, not by their names"
    )
    return replace(bound, notes=(*bound.notes, note)) if allow else replace(bound, notes=(note,))


def _saved_again(
    recorded: PixelSample | None, folder: ImageListing, problem: str, allow: bool
) -> BoundFolder:
    """The folder, if its pixels are the recorded ones or changed images are allowed."""
    if recorded is None:
        if allow:
            note = f"{folder.root}: the labels keep no pixels to compare the changed images with"
            return BoundFolder(folder, True, (note,))
        raise MismatchError(
            f"{problem}: another folder, a damaged copy, or images that were encoded again. If "
            "they are the same pictures, pass `allow_changed_images=True`"
        )
    sample = pixel_sample(folder)
    if sample.digest == recorded.digest:
        note = f"{folder.root}: the images were saved again without loss"
        return BoundFolder(folder, True, (note,))
    difference = recorded.difference(sample)
    measured = f"the colours of the pictures differ by up to {difference:.1f} of 255 grey levels"
    if allow:
        return BoundFolder(folder, True, (f"{folder.root}: images were changed: {measured}",))
    likely = (
        "they are other pictures"
        if difference > OTHER_PICTURES
        else "if they are the same pictures, saved again, pass `allow_changed_images=True`"
    )
    raise MismatchError(f"{problem}: {measured}; {likely}")


def _other_names(names: Sequence[str], listing: ImageListing) -> str:
    """How the names of a folder's images differ from those of the labels."""
    if not names:
        return "as many files, but other file names; the labels keep no names to tell which"
    if len(names) != len(listing):
        return f"it has {counted(len(listing), 'image')}, the labels {len(names)}"
    first = next(i for i, name in enumerate(names) if name != listing.paths[i])
    return f"it has {listing.paths[first]} where the labels have {names[first]}"
