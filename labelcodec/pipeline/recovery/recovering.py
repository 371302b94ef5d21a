"""Recovery of an image folder from a teacher."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from labelcodec.analysis.plot import check_png
from labelcodec.binding.folder import ClassMapLike
from labelcodec.errors import ConfigError
from labelcodec.images import list_images
from labelcodec.pipeline import threads
from labelcodec.pipeline.class_statistics import ClassStatistics, load_statistics
from labelcodec.pipeline.distributed import Process, process
from labelcodec.pipeline.ensemble import settle
from labelcodec.pipeline.norm_layers import LayerInputs, norm_layers
from labelcodec.pipeline.preprocessing import USUAL, Preprocessing
from labelcodec.pipeline.recovery.class_selection import class_names_of, selected_classes
from labelcodec.pipeline.recovery.contact_sheet import contact_sheet
from labelcodec.pipeline.recovery.distilled_folder import (
    DistilledFolder,
    ImageFormat,
)
from labelcodec.pipeline.recovery.initial_images import (
    RealImages,
    content_facts,
    initial_images,
)
from labelcodec.pipeline.recovery.jobs import Job, jobs_of
from labelcodec.pipeline.recovery.norm_targets import (
    NormTargets,
    class_targets,
    network_targets,
)
from labelcodec.pipeline.recovery.objective import Objective
from labelcodec.pipeline.recovery.pixels import levels, valid_range
from labelcodec.pipeline.recovery.settings import RecoverySettings
from labelcodec.pipeline.recovery.synthesis import JobLoss, frozen, synthesise
from labelcodec.pipeline.recovery.teacher_check import check_statistics, stated_preprocessing
from labelcodec.pipeline.teacher import Teacher, load_teacher
from labelcodec.progress import Progress, named
from labelcodec.readable_images import readable
from labelcodec.wording import counted


@dataclass(frozen=True)
class RecoverReport:
    """Result of a recovery.

    Attributes:
        folder: the image folder.
        classes: number of classes with images.
        images: number of images.
        bytes: size of the image files.
        loss: mean over all batches of their last losses; None without iterations.
    """

    folder: Path
    classes: int
    images: int
    bytes: int
    loss: JobLoss | None


def recover(
    statistics: Path | str | None,
    target: Path | str,
    teacher: nn.Module | str,
    *,
    weights: Path | str | None = None,
    weights_key: str | None = None,
    output: str | int | None = None,
    images: Path | str | None = None,
    classes: int | None = None,
    class_map: ClassMapLike | None = None,
    class_range: tuple[int, int] | None = None,
    image_size: int | tuple[int, int] | None = None,
    interpolation: str | None = None,
    normalisation: Mapping[str, Any] | None = None,
    usual: Preprocessing = USUAL,
    png: bool = False,
    quality: int = 90,
    preview: Path | str | None = None,
    device: str | None = None,
    skip_bad: bool = False,
    resume: bool = False,
    progress: Progress | None = None,
    note: Callable[[str], None] = warnings.warn,
    **settings: Any,
) -> RecoverReport:
    """Recover images from a teacher: synthesise what it takes for its training data.

    Batches are independent. Under torchrun the processes share them, and an interrupted run loses
    at most the batches in hand. On a CPU the images are the same on any number of processes of as
    many threads.

    Example:
        >>> recover("stats.safetensors", "distilled", "resnet56", weights="w.safetensors", ipc=10)

    Args:
        statistics: file that `squeeze` wrote, which 'lpld' needs; it also says how images are
            preprocessed and what the classes are called.
        target: the image folder to write, one sub-folder per class, with `recipe.json`.
        teacher: a model name as in `labelcodec.pipeline.models.build`, or a torch module.
        weights: file of the teacher's weights.
        weights_key: where in that file the weights are, see `load_weights`.
        output: key or position of the logits, see `logits_of`.
        images: folder of real images to begin with, for `init` 'patches' and 'images'.
        classes: C of the teacher, if neither statistics nor a class map say it.
        class_map: the teacher's classes, see `as_class_map`, if the statistics do not name them;
            names must agree. Without names the class folders are numbered.
        class_range: the first class to recover, and the one to stop before.
        image_size: height and width of the images in pixels, if the statistics do not say; None
            takes those of the teacher's own configuration, or else of `usual`. The same holds for
            the next two.
        interpolation: 'bilinear' or 'bicubic' resizing of real images.
        normalisation: {'mean': [r, g, b], 'std': [r, g, b]} of inputs in 0..1.
        usual: settings for teachers without a configuration.
        png: write PNG files, without loss, in place of JPEG.
        quality: JPEG quality, 1..100.
        preview: PNG file for a contact sheet of the images.
        device: 'cpu', 'cuda', ...; default: a GPU if there is one.
        skip_bad: leave real images out that cannot be read, and say which.
        resume: continue an interrupted run, if there is one; the images are the same.
        progress: called with iterations done and total iterations of this process, and the loss.
        note: called in the first process with notes for the user.
        **settings: fields of `RecoverySettings`: method, ipc, iterations, ...

    Raises:
        ConfigError: an invalid parameter, or one that is missing.
        MismatchError: teacher, statistics and settings do not belong together, the teacher has no
            BatchNorm layers, a batch does not fit into memory, or the folder is of another run.
        DataError: the loss is no longer finite.
    """
    rules = RecoverySettings(**settings)
    if preview is not None:
        check_png(Path(preview))
    if not 1 <= quality <= 100:
        raise ConfigError(f"`quality` is {quality}, allowed are 1..100")
    if (images is None) != (rules.init == "noise"):
        verb = "needs" if images is None else "takes no"
        raise ConfigError(f"`init` {rules.init} {verb} real `images`")
    if statistics is None and rules.needs_statistics:
        raise ConfigError(
            "`method` lpld matches the statistics of each class: pass the file that `squeeze` "
            "writes; the other methods need none"
        )
    collected = None if statistics is None else load_statistics(Path(statistics))
    listing = None if images is None else list_images(images)
    names = class_names_of(collected, class_map, classes, listing, str(statistics))
    with process(device) as this_process:
        loaded = load_teacher(
            teacher,
            None if weights is None else Path(weights),
            len(names),
            this_process.device,
            weights_key=weights_key,
            output=output,
            normalisation=None,
            autocast=None,
            precision="float32",
        )
        passed = Preprocessing.stated(image_size, interpolation, normalisation)
        told = this_process.told(note)
        if collected is not None:
            check_statistics(collected, loaded, str(statistics))
            passed = stated_preprocessing(collected, passed, str(statistics))
        loaded, preprocessing, own_notes = settle(loaded, passed, usual)
        for line in () if collected is not None else own_notes:
            told(line)
        size = preprocessing.image_size or (224, 224)
        resizing = preprocessing.interpolation or "bilinear"
        selected = selected_classes(
            names, collected if rules.needs_statistics else None, class_range, told
        )
        real = None
        if listing is not None:
            shown = progress if this_process.first else None
            listing, left_out = readable(listing, skip_bad, named(shown, "images checked"))
            for line in left_out:
                told(line)
            real = RealImages(listing, size, resizing, len(names), names)
            real.check(selected, rules.ipc if rules.init == "images" else 1)
        jobs = jobs_of(rules, selected)
        written_as = ImageFormat(png, quality)
        facts = {
            "settings": asdict(rules),
            "teacher": dict(loaded.facts),
            "statistics": None if collected is None else collected.digest,
            "normalisation": loaded.normalisation and dict(loaded.normalisation),
            "image_size": list(size),
            "class_names": list(names),
            "selected": list(selected),
            "format": asdict(written_as),
            "real": real and {**content_facts(real), "interpolation": resizing},
        }
        names_of_selected = {own: names[own] for own in selected}
        folder = DistilledFolder(Path(target), facts, names_of_selected, written_as)
        run = _Run(loaded, collected, rules, size, real, folder)
        run.all(jobs, this_process, resume, progress, told)
        if this_process.first and preview is not None:
            contact_sheet(folder.root, Path(preview))
    files = folder.files(jobs)
    size_bytes = sum(path.stat().st_size for path in files)
    return RecoverReport(folder.root, len(selected), len(files), size_bytes, folder.loss())


@dataclass(frozen=True, eq=False)
class _Run:
    """What is recovered from which teacher into which folder.

    Attributes:
        teacher: the teacher.
        statistics: statistics of the classes; None for methods that need none.
        settings: the settings.
        size: height, width of the images in pixels.
        real: real images to begin with; None for noise.
        folder: where the images go.
    """

    teacher: Teacher
    statistics: ClassStatistics | None
    settings: RecoverySettings
    size: tuple[int, int]
    real: RealImages | None
    folder: DistilledFolder

    def all(
        self,
        jobs: Sequence[Job],
        this_process: Process,
        resume: bool,
        progress: Progress | None,
        note: Callable[[str], None],
    ) -> None:
        """Run this process's share of the jobs that are not done, and complete the folder."""
        with frozen(self.teacher.model):
            objective, layers = self._probed()
            if not this_process.first:
                if not any(this_process.sums(0)):
                    self._shared(jobs, this_process, objective, layers, None)
                return
            with self.folder.begun(resume, threads.thread_count(), note) as is_complete:
                if any(this_process.sums(int(is_complete))):
                    return
                self._shared(jobs, this_process, objective, layers, progress)
                self.folder.finish(jobs, note)
                this_process.wait()

    def _probed(self) -> tuple[Objective | None, tuple[str, ...]]:
        """The objective, and the layers that a forward pass uses; none without iterations."""
        if not self.settings.iterations:
            return None, ()
        who = f"the teacher {self.teacher.facts['name']}"
        inputs = LayerInputs(norm_layers(self.teacher.model, who), who)
        objective = Objective(self.teacher, inputs, self.settings)
        return objective, objective.layers(
            torch.zeros(1, 3, *self.size, device=self.teacher.device)
        )

    def _shared(
        self,
        jobs: Sequence[Job],
        this_process: Process,
        objective: Objective | None,
        layers: Sequence[str],
        progress: Progress | None,
    ) -> None:
        """Run a share of the jobs that are left, and wait until all processes have done theirs."""
        left = [job for job in jobs if not self.folder.is_done(job)]
        this_process.wait()  # all have listed what is left before anyone adds to it
        own = left[this_process.rank :: this_process.world]
        try:
            for position, job in enumerate(own):
                self._one(job, objective, layers, self._reporter(progress, position, len(own), job))
        except BaseException as error:
            done = sum(map(self.folder.is_done, jobs))
            if done or isinstance(error, KeyboardInterrupt):
                error.add_note(
                    f"{self.folder.root} keeps {done} of {counted(len(jobs), 'batch')}; run the "
                    "same command with `resume=True` to continue"
                )
            raise
        this_process.wait()
        if not this_process.first:
            this_process.wait()  # the first one completes the folder

    def _one(
        self,
        job: Job,
        objective: Objective | None,
        layers: Sequence[str],
        report: Callable[[int, JobLoss | None], None],
    ) -> None:
        """Recover the images of a job, and write them."""
        loss, normalisation = None, self.teacher.normalisation
        images = initial_images(job, self.settings, self.teacher, self.size, self.real)
        if objective is None:
            report(1, None)
        else:
            images, loss = synthesise(
                images.contiguous(memory_format=torch.channels_last), job, objective,
                self._targets(job, layers), valid_range(normalisation, self.teacher.device),
                self.settings, report,
            )  # fmt: skip
        self.folder.store(job, levels(images, normalisation), loss)

    def _targets(self, job: Job, layers: Sequence[str]) -> NormTargets:
        device = self.teacher.device
        if self.settings.needs_statistics:
            assert self.statistics is not None
            return class_targets(self.statistics, job.groups, device)
        who = f"the teacher {self.teacher.facts['name']}"
        return network_targets(self.teacher.model, layers, who, device)

    def _title(self, job: Job) -> str:
        first, *others = (self.folder.names[own] for own in dict.fromkeys(job.classes))
        return f"{first} to {others[-1]}" if others else first

    def _reporter(
        self, progress: Progress | None, position: int, count: int, job: Job
    ) -> Callable[[int, JobLoss | None], None]:
        steps, title = max(self.settings.iterations, 1), self._title(job)

        def report(done: int, loss: JobLoss | None) -> None:
            if progress is not None:
                terms = ""
                if loss is not None:
                    terms = f": cross-entropy {loss.cross_entropy:.3g}, BN {loss.norm:.3g}"
                progress(position * steps + done, count * steps, title + terms)

        return report
