"""Relabelling: a teacher labels an image folder, directly into a container."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from labelcodec.augmentation.spec import AugmentationSpec, pack_sizes
from labelcodec.batch import Precision
from labelcodec.binding.class_map import as_class_map
from labelcodec.binding.folder import ClassMapLike
from labelcodec.images import ImageListing, list_images
from labelcodec.pipeline.distributed import process
from labelcodec.pipeline.ensemble import load_teachers, weight_files
from labelcodec.pipeline.label_check import setup_notes
from labelcodec.pipeline.preparation import prepare
from labelcodec.pipeline.preprocessing import USUAL, Preprocessing
from labelcodec.pipeline.relabelling_run import RelabelReport, relabel_listing
from labelcodec.progress import Progress, named


def relabel(
    images: Path | str | ImageListing,
    target: Path | str,
    teacher: nn.Module | str | Sequence[nn.Module | str],
    *,
    weights: Path | str | Sequence[Path | str] | None = None,
    shares: Sequence[float] | None = None,
    weights_key: str | None = None,
    output: str | int | None = None,
    classes: int | None = None,
    class_map: ClassMapLike | None = None,
    epochs: int = 300,
    keep: float = 1.0,
    codec: str = "dense",
    batch_size: int = 128,
    image_size: int | tuple[int, int] | None = None,
    interpolation: str | None = None,
    normalisation: Mapping[str, Any] | None = None,
    usual: Preprocessing = USUAL,
    autocast: str | None = None,
    precision: Precision = "float16",
    seed: int = 0,
    workers: int = 0,
    device: str | None = None,
    skip_bad: bool = False,
    resume: bool = False,
    force: bool = False,
    progress: Progress | None = None,
    note: Callable[[str], None] = warnings.warn,
    **augmentation: Any,
) -> RelabelReport:
    """Label an image folder with a teacher, directly into a container.

    Image order and augmentation are drawn from the seed, so the file stores neither. Under torchrun
    every process labels its share of the batches and writes its own shard.

    Example:
        >>> relabel("images", "labels.slc", "resnet56", weights="w.safetensors", image_size=32)

    Args:
        images: an image folder or another source, see `list_images`.
        target: the container; with several processes each writes `NAME-RANK-of-WORLD.slc`, in a
            folder that all of them see.
        teacher: a model name as in `labelcodec.pipeline.models.build`, or a trained torch module
            that maps (B, 3, H, W) images to (B, C) logits. Of several, the labels are the mean of
            the logits.
        weights: file of the teacher's weights, or one for each of several; None for modules and
            models that include them.
        shares: weight of each of several teachers in the mean; None for equal ones.
        weights_key: where in that file the weights are, such as 'state_dict_ema'; None for the
            usual places.
        output: key or position of the logits, for a teacher that returns a dict, a tuple or an
            object; None for the usual ones, such as 'logits' and the first.
        classes: C of the teacher; default: the number of classes of the folder or the class map.
        class_map: the teacher's classes, see `as_class_map`, where they are not the sorted class
            folders. It is stored in the header.
        epochs: T, number of epochs the student will train for.
        keep: share of the batches to label, above 0 and up to 1.
        codec: a codec spec.
        batch_size: images per batch.
        image_size: height and width of the teacher's input, in pixels. None takes that of the
            teacher's own configuration, which timm's and torchvision's models have, or else of
            `usual`. The same holds for the next two.
        interpolation: 'bilinear' or 'bicubic' resizing of crops.
        normalisation: {'mean': [r, g, b], 'std': [r, g, b]} of inputs in 0..1.
        usual: settings for teachers without a configuration: 224 pixels, bilinear, inputs in 0..1.
            (The command's normalisation is that of ImageNet.)
        autocast: 'float16' or 'bfloat16' for mixed-precision inference; None for float32.
        precision: dtype to which logits are rounded: 'float16', 'bfloat16' or 'float32'.
        seed: seed of image order and augmentation, 0..2^64 - 1.
        workers: processes that load images.
        device: 'cpu', 'cuda', ...; default: a GPU if there is one.
        skip_bad: leave images out that cannot be read, and say which; the labels then are those of
            the other images, whatever the folder holds besides.
        resume: continue an interrupted run, if there is one; the resulting files are the same.
        force: replace existing files.
        progress: called with images measured and total images, then with batches labelled and
            total batches of this process.
        note: called in the first process with notes for the user.
        **augmentation: parameters of `AugmentationSpec`: scale, ratio, flip, mix, alpha, cutout,
            operations, magnitude, deviation.

    Raises:
        ConfigError: an invalid parameter, codec spec or model name.
        MismatchError: the teacher's weights do not fit, a file exists, or it belongs to another
            run.
        LabelcodecError: an image cannot be read, or the codec cannot store the labels.
    """
    listing = list_images(images, progress=named(progress, "images listed"))
    mapped = None if class_map is None else as_class_map(class_map)
    with process(device) as this_process:
        loaded_teacher = load_teachers(
            [teacher] if isinstance(teacher, (str, nn.Module)) else teacher,
            weight_files(weights),
            shares,
            classes or max(len(listing.classes), 0 if mapped is None else mapped.classes),
            this_process.device,
            weights_key=weights_key,
            output=output,
            normalisation=None,
            autocast=autocast,
            precision=precision,
        )
        report_progress = progress if this_process.first else None
        stated = Preprocessing.stated(image_size, interpolation, normalisation)
        ready = prepare(
            loaded_teacher, listing, stated, usual, skip_bad=skip_bad, progress=report_progress
        )
        listing = ready.listing
        for line in setup_notes(ready, mapped=mapped is not None):
            if this_process.first:
                note(line)
        spec = AugmentationSpec(
            seed,
            len(listing),
            batch_size,
            ready.image_size,
            pack_sizes(ready.sizes),
            **augmentation,
        )
        return relabel_listing(
            ready.teacher,
            listing,
            Path(target),
            spec,
            this_process,
            class_map=mapped,
            epochs=epochs,
            keep=keep,
            codec=codec,
            interpolation=ready.interpolation,
            workers=workers,
            resume=resume,
            force=force,
            keep_names=bool(ready.left_out),
            progress=named(report_progress, "labels"),
            note=note,
        )
