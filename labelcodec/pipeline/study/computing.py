"""The computation of each kind of stage, by the functions of the pipeline."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from labelcodec.analysis.rates import sre2l_file_bytes, theoretical_rate
from labelcodec.errors import MismatchError
from labelcodec.images import list_images
from labelcodec.pipeline.evaluate_runs import evaluate
from labelcodec.pipeline.image_diversity.measurement import diversity
from labelcodec.pipeline.recovery.distilled_folder import CLASSES
from labelcodec.pipeline.recovery.recovering import recover
from labelcodec.pipeline.relabelling import relabel
from labelcodec.pipeline.squeezing import squeeze
from labelcodec.pipeline.study.as_probabilities import as_probabilities
from labelcodec.pipeline.study.sources import training_images
from labelcodec.pipeline.study.stages import (
    DIVERSITY,
    IMAGES,
    LABELS,
    RUNS,
    SCORES,
    STATISTICS,
    Stage,
)
from labelcodec.pipeline.study.tables import Settings, TeacherTable
from labelcodec.pipeline.training import train
from labelcodec.progress import Progress
from labelcodec.reader import Reader
from labelcodec.reader import open as open_containers
from labelcodec.replay.image_source import ImageCache
from labelcodec.transcode.recode_container import recode

STATISTICS_FILE, IMAGES_FOLDER, LABELS_FILE = "statistics.safetensors", "images", "labels.slc"
PIXELS_FILE = "pixels"


@dataclass(frozen=True)
class Work:
    """A stage to compute.

    Attributes:
        stage: the stage.
        folder: its folder, which exists.
        inputs: folder of each of its inputs.
        settings: settings of a cell that it belongs to.
        device: 'cpu', 'cuda', ...; None for a GPU if there is one.
        workers: processes that load images.
        progress: called with the progress of the stage.
        note: called with notes for the user.
    """

    stage: Stage
    folder: Path
    inputs: Mapping[str, Path]
    settings: Settings
    device: str | None
    workers: int
    progress: Progress | None
    note: Callable[[str], None]

    @property
    def images(self) -> str:
        """The folder of the images that are labelled: recovered ones, or the training images."""
        if IMAGES in self.inputs:
            return str(self.inputs[IMAGES] / IMAGES_FOLDER)
        return str(self.settings.data.train)

    @property
    def common(self) -> dict[str, Any]:
        """Arguments that all functions of the pipeline take."""
        return {"device": self.device, "progress": self.progress, "note": self.note}


def compute(work: Work) -> dict[str, Any]:
    """Compute a stage, or what an interrupted run left of it to compute; its figures."""
    return _COMPUTED_BY[work.stage.kind](work)


def _statistics(work: Work) -> dict[str, Any]:
    table, squeezing = work.settings.teacher, asdict(work.settings.squeeze)
    report = squeeze(
        str(work.settings.data.train), work.folder / STATISTICS_FILE, str(table.model),
        weights=table.weights, weights_key=table.weights_key, classes=table.classes,
        class_map=table.class_map, **preprocessing(table), **squeezing, workers=work.workers,
        resume=True, force=True, **work.common,
    )  # fmt: skip
    return {"statistics_bytes": report.bytes, "layers": report.layers}


def _images(work: Work) -> dict[str, Any]:
    table, settings = work.settings.teacher, work.settings
    assert settings.recover is not None
    statistics = work.inputs.get(STATISTICS)
    report = recover(
        None if statistics is None else statistics / STATISTICS_FILE,
        work.folder / IMAGES_FOLDER, str(table.model), weights=table.weights,
        weights_key=table.weights_key, output=table.output,
        images=None if settings.recover.init == "noise" else settings.data.train,
        classes=table.classes,
        class_map=table.class_map or (
            None if statistics is not None else training_images(settings).classes
        ),
        **preprocessing(table), **asdict(settings.recover), resume=True, **work.common,
    )  # fmt: skip
    loss = {"cross_entropy": None, "norm": None} if report.loss is None else asdict(report.loss)
    means = {f"recovery_{name}": value for name, value in loss.items()}
    return {"images": report.images, "images_bytes": report.bytes, **means}


def _labels(work: Work) -> dict[str, Any]:
    target, table, depends = work.folder / LABELS_FILE, work.settings.teacher, work.stage.depends
    if LABELS not in work.inputs:
        classes = Path(work.images) / CLASSES  # where recovery left classes out
        relabelling = asdict(replace(work.settings.relabel, epochs=work.settings.epochs))
        del relabelling["space"]
        relabel(
            work.images, target, str(table.model), weights=table.weights,
            weights_key=table.weights_key, output=table.output, classes=table.classes,
            class_map=classes if classes.is_file() else table.class_map,
            **preprocessing(table), **relabelling, workers=work.workers, resume=True,
            **work.common,
        )  # fmt: skip
    elif not target.exists():
        source = work.inputs[LABELS] / LABELS_FILE
        if "space" in depends:
            as_probabilities(source, target, work.progress)
        else:
            recode(source, target, depends["codec"], resume=True, progress=work.progress)
    with open_containers(target) as reader:
        return label_facts(reader)


def _run(work: Work) -> dict[str, Any]:
    recovered = work.inputs.get(IMAGES)  # few enough to be kept decoded for all students
    report = train(
        work.inputs[LABELS] / LABELS_FILE, work.images, work.settings.train, work.folder,
        cache=None if recovered is None else _pixels(recovered),
        seed=work.stage.depends["seed"], workers=work.workers or None, resume=True, **work.common,
    )  # fmt: skip
    return {"epochs": report.epochs, "agreement": asdict(report.agreement)}


def _pixels(recovered: Path) -> Path:
    """The cache of recovered images; one that was copied with other times is made anew."""
    path = recovered / PIXELS_FILE
    if path.exists():
        try:
            ImageCache(path, list_images(recovered / IMAGES_FOLDER))
        except MismatchError:
            path.unlink(missing_ok=True)
    return path


def _scores(work: Work) -> dict[str, Any]:
    scores = evaluate(
        str(work.settings.data.test), work.inputs[RUNS], resize=work.settings.data.resize,
        workers=work.workers, **work.common,
    )  # fmt: skip
    return {"top1": scores.top1, "top5": scores.top5, "loss": scores.loss}


def _diversity(work: Work) -> dict[str, Any]:
    table, teacher = work.settings.diversity, work.settings.teacher
    assert table is not None
    own = table if table.model is not None else teacher
    prepared = preprocessing(teacher) if own is teacher else {}
    report = diversity(
        work.images, str(work.settings.data.train), features=str(own.model), weights=own.weights,
        weights_key=own.weights_key, classes=teacher.classes if own is teacher else None,
        **prepared,
        bandwidth=table.bandwidth, workers=work.workers, **work.common,
    )  # fmt: skip
    assert report.mmd is not None
    return {"similarity": report.similarities[0].mean, "mmd": report.mmd.squared}


_COMPUTED_BY: dict[str, Callable[[Work], dict[str, Any]]] = {
    STATISTICS: _statistics,
    IMAGES: _images,
    LABELS: _labels,
    RUNS: _run,
    SCORES: _scores,
    DIVERSITY: _diversity,
}


def preprocessing(table: TeacherTable) -> dict[str, Any]:
    """Arguments that say how the teacher's inputs are made; None where its own settings do."""
    normalisation = None
    if table.mean is not None and table.std is not None:
        normalisation = {"mean": list(table.mean), "std": list(table.std)}
    return {
        "image_size": table.image_size,
        "interpolation": table.interpolation,
        "normalisation": normalisation,
    }


def label_facts(reader: Reader) -> dict[str, Any]:
    """Size of a label set, and its rates as arXiv 2604.18135 defines them.

    The actual rate compares it with the files that SRe2L writes of all T epochs.
    """
    header, labels = reader.header, int(reader.index.samples.sum())
    size = reader.size
    assert header.images and header.epochs and header.recipe is not None
    full, rest = divmod(header.images, header.recipe.batch)
    epoch = full * sre2l_file_bytes(header.recipe.batch, header.classes, header.mix)
    epoch += sre2l_file_bytes(rest, header.classes, header.mix) if rest else 0
    return {
        "labels": labels,
        "labels_bytes": size,
        "bytes_per_label": size / labels,
        "actual_rate": header.epochs * epoch / size,
        "theoretical_rate": theoretical_rate(header, labels),
    }
