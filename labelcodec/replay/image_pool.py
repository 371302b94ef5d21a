"""All images of a label set, decoded once into the memory of a device or of the host."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from labelcodec.augmentation.source_images import SourceImages, starts
from labelcodec.errors import ConfigError, MismatchError
from labelcodec.images import ImageListing, image_sizes
from labelcodec.progress import Progress, named
from labelcodec.replay.free_memory import free_device_memory, free_host_memory
from labelcodec.replay.image_source import ImageCache
from labelcodec.replay.loading import ImageSource
from labelcodec.threads import thread_count

Place = Literal["device", "host"]
DEVICE_SHARE, HOST_SHARE = 0.5, 0.5  # of the free memory that images may take
AT_ONCE = 1 << 26  # bytes copied to the device at a time


def place_for(
    total: int, device: torch.device, *, on_host: bool = False, is_mapped: bool = False
) -> Place | None:
    """Where so many bytes of pixels fit.

    Args:
        total: bytes of all images.
        device: the training device.
        on_host: they have to stay in host memory, because the CPU changes them before training.
        is_mapped: they are in a cache file, whose pages serve the CPU as they are.

    Returns:
        'device'; 'host' for page-locked memory, from which batches are copied; None if neither
        has room beside what training needs. For the CPU only 'host' is possible.
    """
    is_cpu = device.type == "cpu"
    if is_cpu and is_mapped:
        return "host"
    if not is_cpu and not on_host and total <= DEVICE_SHARE * free_device_memory(device):
        return "device"
    return "host" if total <= HOST_SHARE * free_host_memory() else None


def no_room(total: int, device: torch.device) -> ConfigError:
    """The error that says how much memory images need."""
    on_device = (
        "" if device.type == "cpu" else f" {device} has {_size(free_device_memory(device))} free,"
    )
    return ConfigError(
        f"the images take {_size(total)} decoded, and at most half of the free memory is theirs:"
        f"{on_device} the host {_size(free_host_memory())}; load them with `workers`, and a "
        "`cache` on disk, instead"
    )


def decoded_bytes(listing: ImageListing, progress: Progress | None = None) -> int:
    """Bytes of all images as uint8 pixels, from the sizes in their headers."""
    return int(starts(_sizes(listing, progress))[-1])


def load_pool(
    listing: ImageListing,
    source: ImageSource,
    device: torch.device,
    place: Place,
    progress: Progress | None = None,
) -> SourceImages:
    """Decode all images into one tensor.

    Args:
        listing: the images.
        source: gives their pixels. The pages of an `ImageCache` serve as host memory themselves.
        device: the training device.
        place: 'device' or 'host'; host memory is page-locked if the device is a CUDA one.
        progress: called with images done and total images.

    Raises:
        ConfigError: the memory is not there after all.
        MismatchError: an image cannot be read, or its size is not the one its header said.
    """
    if place == "host" and device.type == "cpu" and isinstance(source, ImageCache):
        return source.source_images()
    size = _sizes(listing, progress)
    start = starts(size)
    total = int(start[-1])
    is_pinned = place == "host" and device.type == "cuda"
    where = device if place == "device" else torch.device("cpu")
    try:
        pixels = torch.empty(total, dtype=torch.uint8, device=where, pin_memory=is_pinned)
    except (RuntimeError, MemoryError):  # torch has an error of its own for each allocator
        raise no_room(total, device) from None
    with ThreadPoolExecutor(thread_count()) as executor:
        for first, stop in _groups(start):
            offset = int(start[first])
            span = pixels[offset : int(start[stop])]
            part = span if where.type == "cpu" else torch.empty_like(span, device="cpu")
            decode = partial(_decode_into, part.numpy(), source, listing, size, start - offset)
            for index in executor.map(decode, range(first, stop)):
                if progress is not None:
                    progress(index + 1, len(listing), "decoding images")
            if part is not span:
                span.copy_(part)
    return SourceImages(pixels, start[:-1], size)


def _decode_into(
    pixels: NDArray[np.uint8],
    source: ImageSource,
    listing: ImageListing,
    size: NDArray[np.int64],
    start: NDArray[np.int64],
    index: int,
) -> int:
    """Decode an image to its place; returns its index."""
    image = np.asarray(source.image(index))
    if image.shape != (*size[index], 3):
        raise MismatchError(
            f"{listing.paths[index]}: is {image.shape[0]} x {image.shape[1]} pixels, its header "
            f"said {size[index, 0]} x {size[index, 1]}; did the folder change?"
        )
    pixels[start[index] : start[index + 1]] = image.reshape(-1)
    return index


def _groups(start: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Ranges of images of up to `AT_ONCE` bytes, or of one larger image."""
    first = 0
    while first < len(start) - 1:
        stop = int(np.searchsorted(start, start[first] + AT_ONCE, side="right")) - 1
        stop = max(stop, first + 1)
        yield first, stop
        first = stop


def _sizes(listing: ImageListing, progress: Progress | None) -> NDArray[np.int64]:
    """(N, 2) int64 heights and widths."""
    report = named(progress, "image sizes")
    return image_sizes(listing, np.arange(len(listing)), report).astype(np.int64)


def _size(count: int) -> str:
    return f"{count / 1e9:.3g} GB" if count >= 10**8 else f"{count / 1e6:.3g} MB"
