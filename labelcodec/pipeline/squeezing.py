"""Squeeze: a pass over the training images collects statistics of a teacher's BatchNorm layers."""

from __future__ import annotations

import glob
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.utils.data import DataLoader

from labelcodec.augmentation.seeded import draw
from labelcodec.augmentation.spec import AugmentationSpec, pack_sizes
from labelcodec.binding.class_map import as_class_map
from labelcodec.binding.folder import ClassMapLike, class_names, class_of_image, subset_notes
from labelcodec.errors import ConfigError, MismatchError
from labelcodec.files.atomic import refuse_existing
from labelcodec.images import ImageListing, content_digest, fingerprint, list_images
from labelcodec.pipeline import checkpoint
from labelcodec.pipeline.class_statistics import (
    ClassStatistics,
    LayerStatistics,
    Moments,
    MovingMoments,
)
from labelcodec.pipeline.distributed import Process, check_shared, process
from labelcodec.pipeline.forward import forward_teacher
from labelcodec.pipeline.norm_layers import LayerInputs, norm_layers
from labelcodec.pipeline.preparation import prepare
from labelcodec.pipeline.preprocessing import USUAL, Preprocessing
from labelcodec.pipeline.pruning import check_epochs
from labelcodec.pipeline.seeded_batches import SeededBatches
from labelcodec.pipeline.teacher import Teacher, load_teacher
from labelcodec.progress import Progress, named
from labelcodec.replay.loading import iterate_loader, start_worker
from labelcodec.replay.normalisation import normalise
from labelcodec.threads import worker_count
from labelcodec.wording import counted

SAVE_EVERY = 60.0  # seconds between the files that an interrupted run goes on from


@dataclass(frozen=True)
class SqueezeReport:
    """Result of a squeeze run.

    Attributes:
        file: the file of statistics.
        layers: number of BatchNorm layers.
        classes: C.
        images: number of images passed, with every epoch counted.
        bytes: size of the file.
        model_bytes: size of the teacher's parameters and buffers.
    """

    file: Path
    layers: int
    classes: int
    images: int
    bytes: int
    model_bytes: int


def squeeze(
    images: Path | str | ImageListing,
    target: Path | str,
    teacher: nn.Module | str,
    *,
    weights: Path | str | None = None,
    weights_key: str | None = None,
    output: str | int | None = None,
    classes: int | None = None,
    class_map: ClassMapLike | None = None,
    epochs: int = 1,
    momentum: float | None = None,
    batch_size: int = 256,
    image_size: int | tuple[int, int] | None = None,
    interpolation: str | None = None,
    normalisation: Mapping[str, Any] | None = None,
    usual: Preprocessing = USUAL,
    scale: tuple[float, float] | None = (0.08, 1.0),
    flip: float = 0.5,
    seed: int = 0,
    workers: int = 0,
    device: str | None = None,
    skip_bad: bool = False,
    resume: bool = False,
    force: bool = False,
    progress: Progress | None = None,
    note: Callable[[str], None] = warnings.warn,
) -> SqueezeReport:
    """Collect the mean and variance of the inputs of a teacher's BatchNorm layers, by class.

    The teacher is frozen and in evaluation mode; its inputs are augmented as in training. Under
    torchrun every process takes a share of the batches, and their moments are merged exactly.

    Args:
        images: an image folder or another source, see `list_images`.
        target: the file of statistics to write, see `ClassStatistics`.
        teacher: a model name as in `labelcodec.pipeline.models.build`, or a torch module.
        weights: file of the teacher's weights.
        weights_key: where in that file the weights are, see `load_weights`.
        output: key or position of the logits among several outputs, see `logits_of`.
        classes: C of the teacher; default: the number of classes of the folder or the class map.
        class_map: the teacher's classes, where they are not the sorted class folders.
        epochs: passes over the images, each with other augmentations.
        momentum: weight of a batch in moving averages, as the paper's code takes them; None for
            exact moments. Moving averages are of one process.
        batch_size: images per batch.
        image_size: height and width of the teacher's input, in pixels; None takes that of the
            teacher's own configuration, or else of `usual`. The same holds for the next two.
        interpolation: 'bilinear' or 'bicubic' resizing of crops.
        normalisation: {'mean': [r, g, b], 'std': [r, g, b]} of inputs in 0..1.
        usual: settings for teachers without a configuration.
        scale: range of the share of an image's area that a random crop covers; None for no crops.
        flip: probability of a horizontal flip.
        seed: seed of image order and augmentation.
        workers: processes that load images.
        device: 'cpu', 'cuda', ...; default: a GPU if there is one.
        skip_bad: leave images out that cannot be read, and say which.
        resume: continue an interrupted run, if there is one; the resulting file is the same.
        force: replace an existing file.
        progress: called with images checked and total images, then with batches done and total
            batches of this process.
        note: called in the first process with notes for the user.

    Raises:
        ConfigError: an invalid parameter, or moving averages on several processes.
        MismatchError: the teacher has no BatchNorm layers or uses one twice, its weights do not
            fit, the file exists, or what is left of a run is of another one.
    """
    target = Path(target)
    left = target.parent.glob(f"{glob.escape(target.name)}.*-of-*.partial")
    was_complete = resume and any(left)  # the run was killed before it removed what is left
    refuse_existing(target, force or was_complete)
    if not target.parent.is_dir():
        raise MismatchError(f"{target.parent}: no such folder to write {target.name} in")
    if momentum is not None and not 0 < momentum <= 1:
        raise ConfigError(f"`momentum` is {momentum}, allowed is a number above 0 and up to 1")
    listing = list_images(images)
    mapped = None if class_map is None else as_class_map(class_map)
    with process(device) as this_process:
        if momentum is not None and this_process.world > 1:
            raise ConfigError("`momentum` depends on the order of batches: start one process")
        loaded = load_teacher(
            teacher,
            None if weights is None else Path(weights),
            classes or max(len(listing.classes), 0 if mapped is None else mapped.classes),
            this_process.device,
            weights_key=weights_key,
            output=output,
            normalisation=None,
            autocast=None,
            precision="float32",
        )
        shown = progress if this_process.first else None
        stated = Preprocessing.stated(image_size, interpolation, normalisation)
        ready = prepare(loaded, listing, stated, usual, skip_bad=skip_bad, progress=shown)
        loaded, listing = ready.teacher, ready.listing
        few = subset_notes(listing, loaded.classes, mapped=mapped is not None)
        for line in (*ready.left_out, *ready.notes, *few) if this_process.first else ():
            note(line)
        spec = AugmentationSpec(
            seed, len(listing), batch_size, ready.image_size, pack_sizes(ready.sizes),
            scale=scale, flip=flip, mix=None,
        )  # fmt: skip
        names = class_names(listing.classes, mapped, loaded.classes, 1 << 62, str(listing.root))
        run = _Run(
            loaded, listing, class_of_image(listing, names, loaded.classes), spec, epochs, momentum,
            ready.interpolation,
        )  # fmt: skip
        moments = run.collect(target, this_process, workers, resume, force, named(shown, "batches"))
        this_process.wait()
        if this_process.first:
            for line in _few(run):
                note(line)
            run.statistics(moments, names).save(target)
        this_process.wait()
        _partial(target, this_process.rank, this_process.world).unlink(missing_ok=True)
    model_bytes = sum(value.nbytes for value in loaded.model.state_dict().values())
    return SqueezeReport(
        target, len(moments), loaded.classes, epochs * len(listing), target.stat().st_size,
        model_bytes,
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Run:
    """What is passed through which teacher.

    Attributes:
        teacher: the teacher.
        listing: the images.
        own_class: (N,) int64 label class of each image.
        spec: seed and rules of the augmentation.
        epochs: passes over the images.
        momentum: as in `squeeze`.
        interpolation: 'bilinear' or 'bicubic'.
    """

    teacher: Teacher
    listing: ImageListing
    own_class: NDArray[np.int64]
    spec: AugmentationSpec
    epochs: int
    momentum: float | None
    interpolation: str

    @cached_property
    def facts(self) -> dict[str, Any]:
        """What the statistics depend on, as plain values."""
        normalisation = self.teacher.normalisation
        return {
            "teacher": dict(self.teacher.facts),
            "classes": self.teacher.classes,
            "normalisation": None if normalisation is None else dict(normalisation),
            "image_size": list(self.spec.size),
            "interpolation": self.interpolation,
            "scale": None if self.spec.scale is None else list(self.spec.scale),
            "flip": self.spec.flip,
            "seed": self.spec.seed,
            "batch": self.spec.batch,
            "epochs": self.epochs,
            "momentum": self.momentum,
            "images": len(self.listing),
            "fingerprint": fingerprint(self.listing.paths),
            "content": content_digest(self.listing),
        }

    @torch.inference_mode()
    def collect(
        self,
        target: Path,
        this_process: Process,
        workers: int,
        resume: bool,
        force: bool,
        progress: Progress | None,
    ) -> dict[str, Moments] | dict[str, MovingMoments]:
        """Moments of each layer over all batches of all processes, on the CPU."""
        who = f"the teacher {self.teacher.facts['name']}"
        inputs = LayerInputs(norm_layers(self.teacher.model, who), who)
        check_epochs(self.epochs, self.spec)
        count = self.epochs * self.spec.batches
        check_shared(count, this_process.world)
        own = range(this_process.rank, count, this_process.world)
        part_file = _partial(target, this_process.rank, this_process.world)
        facts = {**self.facts, "world": this_process.world}
        done, moments = self._resumed(part_file, facts, resume, force, this_process.device)
        loader = DataLoader(
            SeededBatches(self.listing, self.spec, self.interpolation),
            batch_size=None,
            sampler=own[done:],
            num_workers=worker_count(workers, len(own) - done),
            worker_init_fn=start_worker,
        )
        is_whole, saved = True, time.monotonic()
        try:
            for number, levels in iterate_loader(loader):
                is_whole = False  # some layers have added this batch, others not
                index, _ = draw(self.spec, number)
                of_image = torch.from_numpy(self.own_class[index]).to(this_process.device)
                with inputs.collected(partial(self._add, moments, of_image)):
                    images = levels.to(this_process.device)
                    inputs_of_batch = normalise(images, self.teacher.normalisation)
                    forward_teacher(
                        self.teacher.model, inputs_of_batch, self.teacher.classes, who,
                        self.teacher.output,
                    )  # fmt: skip
                done += 1
                is_whole = True
                if progress is not None:
                    progress(done, len(own))
                if time.monotonic() - saved > SAVE_EVERY:
                    _save(part_file, facts, done, moments)
                    saved = time.monotonic()
        except BaseException as error:
            if is_whole and done:
                _save(part_file, facts, done, moments)
            if part_file.exists():
                error.add_note(f"{part_file} keeps what was collected; continue with `resume=True`")
            raise
        _save(part_file, facts, done, moments)
        this_process.wait()
        return self._merged(target, facts, this_process.world)

    def _add(
        self,
        moments: dict[str, Any],
        of_image: torch.Tensor,
        name: str,
        values: torch.Tensor,
    ) -> None:
        """Add the input of a layer to its moments."""
        if name not in moments:
            moments[name] = self._empty(values.shape[1], values.device)
        moments[name].add(values, of_image)

    def _empty(self, channels: int, device: torch.device) -> Moments | MovingMoments:
        if self.momentum is None:
            return Moments.empty(self.teacher.classes, channels, device)
        return MovingMoments.empty(self.momentum, self.teacher.classes, channels, device)

    def _resumed(
        self,
        partial: Path,
        facts: Mapping[str, Any],
        resume: bool,
        force: bool,
        device: torch.device,
    ) -> tuple[int, dict[str, Any]]:
        """Batches that an interrupted run has done, and their moments."""
        if not partial.exists():
            return 0, {}
        if not resume:
            if force:
                return 0, {}
            raise MismatchError(
                f"{partial}: is left of an interrupted run; pass `resume=True` to continue it or "
                "`force=True` to start again"
            )
        state = checkpoint.load(partial, facts)
        return int(state["done"]), self._loaded(state, device)

    def _loaded(self, state: Mapping[str, Any], device: torch.device | str) -> dict[str, Any]:
        made = {}
        for name, tensors in state["moments"].items():
            parts = [each.to(device) for each in tensors]
            made[name] = (
                Moments(*parts) if self.momentum is None else MovingMoments(self.momentum, *parts)
            )
        return made

    def _merged(self, target: Path, facts: Mapping[str, Any], world: int) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        for rank in range(world):
            state = checkpoint.load(_partial(target, rank, world), facts)
            for name, moments in self._loaded(state, "cpu").items():
                if name in merged:
                    merged[name].merge(moments)
                else:
                    merged[name] = moments
        return merged

    def statistics(
        self,
        moments: Mapping[str, Moments | MovingMoments],
        names: Sequence[str] | None,
    ) -> ClassStatistics:
        """What is stored."""
        layers = {
            name: LayerStatistics(each.mean.float().numpy(), each.variance().float().numpy())
            for name, each in moments.items()
        }
        facts = self.facts | {"class_names": None if names is None else list(names)}
        return ClassStatistics(layers, self.epochs * self.images_of_class(), facts)

    def images_of_class(self) -> NDArray[np.int64]:
        """(C,) int64 number of images of each class."""
        return np.bincount(self.own_class, minlength=self.teacher.classes).astype(np.int64)


def _few(run: _Run) -> list[str]:
    """Notes on classes without images, or with a single one."""
    images = run.images_of_class()
    notes = []
    if (images == 0).any():
        notes.append(
            f"{run.listing.root}: has no images of {int((images == 0).sum())} of the teacher's "
            f"{counted(len(images), 'class')}; their statistics are 0, and no images of them are "
            "recovered"
        )
    if run.epochs == 1 and (images == 1).any():
        notes.append(
            f"{run.listing.root}: has one image of {counted(int((images == 1).sum()), 'class')}: "
            "their variance is that of the positions in one image, 0 in layers without positions"
        )
    return notes


def _partial(target: Path, rank: int, world: int) -> Path:
    """File that a process keeps its moments in until the run is complete."""
    return target.with_name(f"{target.name}.{rank}-of-{world}.partial")


def _save(partial: Path, facts: Mapping[str, Any], done: int, moments: Mapping[str, Any]) -> None:
    tensors = {name: [each.cpu() for each in made.tensors()] for name, made in moments.items()}
    checkpoint.save(partial, {"run": dict(facts), "done": done, "moments": tensors})
