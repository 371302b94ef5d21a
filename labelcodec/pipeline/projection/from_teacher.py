"""Projecting a teacher: its labels are trained to, and never written."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from labelcodec.augmentation.spec import AugmentationSpec, pack_sizes
from labelcodec.binding.agreement import sampled
from labelcodec.binding.class_map import as_class_map, folder_classes
from labelcodec.binding.folder import ClassMapLike, class_names
from labelcodec.image_names import cheap
from labelcodec.images import ImageListing, list_images
from labelcodec.pipeline.distributed import process
from labelcodec.pipeline.ensemble import load_teachers, weight_files
from labelcodec.pipeline.label_check import check_labels, setup_notes
from labelcodec.pipeline.preparation import prepare
from labelcodec.pipeline.preprocessing import USUAL, Preprocessing
from labelcodec.pipeline.projection.adapting import AdaptSettings
from labelcodec.pipeline.projection.projecting import (
    BatchList,
    ProjectReport,
    alone,
    encoder_for,
    parsed_codec,
    project_targets,
)
from labelcodec.pipeline.projection.targets import TaughtTargets
from labelcodec.pipeline.pruning import kept_batches
from labelcodec.pipeline.relabelling_run import relabel_header
from labelcodec.pipeline.seeded_batches import SeededBatches
from labelcodec.progress import Progress


def project_teacher(
    images: Path | str | ImageListing,
    target: Path | str,
    teacher: nn.Module | str | Sequence[nn.Module | str],
    encoder: nn.Module | str,
    *,
    weights: Path | str | Sequence[Path | str] | None = None,
    shares: Sequence[float] | None = None,
    weights_key: str | None = None,
    output: str | int | None = None,
    classes: int | None = None,
    class_map: ClassMapLike | None = None,
    encoder_weights: Path | str | None = None,
    encoder_classes: int = 1000,
    features: str | None = None,
    encoder_size: int | tuple[int, int] | None = None,
    encoder_normalisation: Mapping[str, Any] | None = None,
    codec: str = "projector",
    settings: AdaptSettings | None = None,
    epochs: int = 300,
    keep: float = 1.0,
    batch_size: int = 128,
    image_size: int | tuple[int, int] | None = None,
    interpolation: str | None = None,
    normalisation: Mapping[str, Any] | None = None,
    usual: Preprocessing = USUAL,
    autocast: str | None = None,
    seed: int = 0,
    workers: int = 0,
    device: str | None = None,
    skip_bad: bool = False,
    force: bool = False,
    progress: Progress | None = None,
    note: Callable[[str], None] = warnings.warn,
    **augmentation: Any,
) -> ProjectReport:
    """Label an image folder by a function of the images that is trained to teachers.

    The teachers label only the batches that are trained to or measured on; no label is written.

    Example:
        >>> project_teacher("images", "tiny.slc", "resnet56", "timm/vit_tiny_patch16_224",
        ...                 weights="w.safetensors", encoder_weights="vit.safetensors")

    Args:
        images: an image folder or another source, see `list_images`.
        target: the container to write.
        teacher: a teacher or several, as in `relabel`.
        encoder: the encoder, as in `project`.
        weights: file of the teacher's weights, or one for each, as in `relabel`.
        shares: weight of each teacher in the mean.
        weights_key: where the weights are in their file, as in `relabel`.
        output: key or position of the teacher's logits, as in `relabel`.
        classes: C of the teacher; default: the number of classes of the folder or the class map.
        class_map: the teacher's classes, as in `relabel`.
        encoder_weights: as in `project`, as are the next five.
        encoder_classes: number of classes that the encoder is built with.
        features: layer whose input is the features.
        encoder_size: height and width of the encoder's input.
        encoder_normalisation: {'mean', 'std'} of the encoder's inputs in 0..1.
        codec: spec of the projector codec.
        settings: settings of the training; None for the usual ones.
        epochs: T, number of epochs the student will train for.
        keep: share of the batches that the file is to have, above 0 and up to 1.
        batch_size: images per batch.
        image_size: height and width of the teacher's input, as in `relabel`.
        interpolation: 'bilinear' or 'bicubic' resizing of crops, as in `relabel`.
        normalisation: {'mean', 'std'} of the teacher's inputs, as in `relabel`.
        usual: settings for teachers without a configuration.
        autocast: 'float16' or 'bfloat16' for mixed precision of the teacher; None for float32.
        seed: seed of image order and augmentation, 0..2^64 - 1.
        workers: processes that load images.
        device: 'cpu', 'cuda', ...; default: a GPU if there is one.
        skip_bad: leave images out that cannot be read, and say which.
        force: replace an existing file.
        progress: called with images measured, then as in `project`.
        note: called with notes for the user.
        **augmentation: parameters of `AugmentationSpec`, as in `relabel`.

    Raises:
        LabelcodecError: as in `relabel` and `project`.
    """
    parsed = parsed_codec(codec)
    listing = list_images(images)
    mapped = None if class_map is None else as_class_map(class_map)
    with process(device) as this_process:
        on = alone(this_process)
        loaded_teacher = load_teachers(
            [teacher] if isinstance(teacher, (str, nn.Module)) else teacher,
            weight_files(weights),
            shares,
            classes or max(len(listing.classes), 0 if mapped is None else mapped.classes),
            on,
            weights_key=weights_key,
            output=output,
            normalisation=None,
            autocast=autocast,
            precision="float32",
        )
        stated = Preprocessing.stated(image_size, interpolation, normalisation)
        ready = prepare(
            loaded_teacher, listing, stated, usual, skip_bad=skip_bad, progress=progress
        )
        listing, root = ready.listing, str(ready.listing.root)
        for line in setup_notes(ready, mapped=mapped is not None):
            note(line)
        recipe = AugmentationSpec(
            seed,
            len(listing),
            batch_size,
            ready.image_size,
            pack_sizes(ready.sizes),
            **augmentation,
        )
        encoder_inputs = Preprocessing.stated(encoder_size, None, encoder_normalisation)
        seen = Preprocessing(ready.image_size, "bilinear", ready.teacher.normalisation)
        loaded, facts = encoder_for(
            encoder, encoder_weights, encoder_classes, features, encoder_inputs, seen, on, note
        )
        numbers = kept_batches(recipe, epochs, keep)
        places = [recipe.place(number) for number in numbers]
        samples = [recipe.samples(place) for _, place in places]
        count = ready.teacher.classes
        names = class_names(listing.classes, mapped, count, sum(samples), root)
        own = folder_classes(listing.classes, names, count, root, "the teacher")
        class_of_image = own[listing.class_index]
        header = relabel_header(
            ready.teacher, listing, class_of_image, recipe, names, ready.interpolation, epochs
        )
        drawn = SeededBatches(listing, recipe, ready.interpolation)
        targets = TaughtTargets(ready.teacher, drawn, numbers, class_of_image, workers)
        first = [batch.recorded for batch in targets.batches(sampled(samples), on)]
        for line in check_labels(first, class_of_image, ready.image_size, root)[1]:
            note(line)
        is_cheap = listing.is_named and cheap(listing.paths, sum(samples))
        return project_targets(
            targets,
            Path(target),
            header,
            BatchList(numbers, [epoch for epoch, _ in places], samples),
            loaded,
            facts,
            parsed,
            settings or AdaptSettings(),
            on,
            folders=listing.classes,
            names=listing.paths if ready.left_out or is_cheap else None,
            force=force,
            progress=progress,
        )
