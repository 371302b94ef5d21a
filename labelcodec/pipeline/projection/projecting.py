"""The stage `project`: replace the labels of images by a function of them (codec `projector`)."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from labelcodec.analysis.fidelity import Accumulator, Fidelity
from labelcodec.batch import LabelBatch, Labels
from labelcodec.binding.agreement import Agreement, measure
from labelcodec.codecs import registry
from labelcodec.codecs.batch_coder import BatchCoder
from labelcodec.codecs.components import join
from labelcodec.codecs.projector.codec import Projector, ProjectorCoder
from labelcodec.codecs.projector.compact import ProjectorLabels
from labelcodec.codecs.projector.encoder_facts import EncoderFacts
from labelcodec.codecs.projector.reached import TEMPERATURES, Reached
from labelcodec.codecs.projector.tables import ProjectorTables
from labelcodec.container.partial_reader import StoredBatch
from labelcodec.errors import ConfigError, DataError, ShapeError
from labelcodec.header import Header
from labelcodec.images import ImageListing
from labelcodec.pipeline.distributed import Process, process
from labelcodec.pipeline.preprocessing import Preprocessing, own_preprocessing, resolved
from labelcodec.pipeline.projection.adapting import AdaptSettings, adapt
from labelcodec.pipeline.projection.encoder import Encoder, load_encoder
from labelcodec.pipeline.projection.labelling import Adapted, ProjectorLabeller
from labelcodec.pipeline.projection.targets import RecordedTargets, Targets
from labelcodec.pipeline.projection.text_embeddings import text_embeddings
from labelcodec.progress import Progress
from labelcodec.reader import open as open_labels
from labelcodec.remote import LocationLike
from labelcodec.replay.dataset import ReplayDataset
from labelcodec.transcode.recode_container import recoded_header
from labelcodec.wording import counted
from labelcodec.writer import Writer, with_codec

HELD_OUT = 0.1  # share of the batches that are measured on and not trained on
MEASURED = 32  # held-out batches, at most


@dataclass(frozen=True)
class ProjectReport:
    """Result of `project`.

    Attributes:
        file: the container.
        batches: number of batches in it.
        labels: number of labels in it.
        bytes: size of the container.
        fidelity: distances to the target's labels on held-out batches.
        agreement: how many held-out labels name the class of their image's folder first.
        target_agreement: the same of the labels that they were trained to.
        chosen: encoder and fidelity as the file records them.
    """

    file: Path
    batches: int
    labels: int
    bytes: int
    fidelity: Fidelity
    agreement: Agreement
    target_agreement: Agreement
    chosen: Mapping[str, Any]


@dataclass(frozen=True)
class BatchList:
    """Numbers, epochs and samples of the batches that a file is to have."""

    numbers: Sequence[int]
    epochs: Sequence[int]
    samples: Sequence[int]


def project(
    source: LocationLike | Sequence[LocationLike],
    target: Path | str,
    images: Path | str | ImageListing,
    encoder: nn.Module | str,
    *,
    encoder_weights: Path | str | None = None,
    encoder_classes: int = 1000,
    features: str | None = None,
    encoder_size: int | tuple[int, int] | None = None,
    encoder_normalisation: Mapping[str, Any] | None = None,
    codec: str = "projector",
    settings: AdaptSettings | None = None,
    workers: int = 0,
    device: str | None = None,
    force: bool = False,
    progress: Progress | None = None,
    note: Callable[[str], None] = warnings.warn,
) -> ProjectReport:
    """Replace the labels of a container by a function of its images.

    Low-rank updates of the encoder's layers and a head are trained to the labels. The new file
    holds these and no labels.

    Example:
        >>> project("labels.slc", "tiny.slc", "images", "torchvision/resnet18",
        ...         encoder_weights="resnet18.pth")

    Args:
        source: a container with a seeded augmentation, of any codec, as in `labelcodec.open`.
        target: the container to write.
        images: the images that the labels were made from, see `list_images`.
        encoder: a trained network: a name as in `models.build`, or a module. It is needed again to
            read the labels, and recorded by name and digest.
        encoder_weights: file of its weights; None for a module or a function that includes them.
        encoder_classes: number of classes that the network is built with.
        features: name of the layer whose input is the features; '' for the network's output; None
            for its classifier.
        encoder_size: height and width of its input; default: that of its own configuration, or else
            of the labels' images.
        encoder_normalisation: {'mean', 'std'} of its inputs in 0..1; default: as `encoder_size`.
        codec: spec of the projector codec: ranks and precision.
        settings: settings of the training; None for the usual ones.
        workers: processes that load images.
        device: 'cpu', 'cuda', ...; default: a GPU if there is one.
        force: replace an existing file.
        progress: called with what is done of each stage and all of it: labels for the head, steps
            of the training, batches measured.
        note: called with notes for the user.

    Raises:
        ConfigError: an invalid parameter, codec spec or name.
        DataError: stored augmentations, too few batches, or labels that are all the same.
        MismatchError: images or weights do not fit, or the target exists.
    """
    parsed = parsed_codec(codec)
    with process(device) as this_process, open_labels(source) as reader:
        on = alone(this_process)
        check_seeded_source(reader.header, str(reader.paths[0]))
        dataset = ReplayDataset(source, images, uint8=True, note=note)
        batches = BatchList(
            reader.index.number.tolist(),
            reader.index.epoch.tolist(),
            reader.index.samples.tolist(),
        )
        loaded, facts = encoder_for(
            encoder,
            encoder_weights,
            encoder_classes,
            features,
            Preprocessing.stated(encoder_size, None, encoder_normalisation),
            Preprocessing(dataset.size, "bilinear", dataset.normalisation),
            on,
            note,
        )
        header = recoded_header(reader.header, str(reader.paths[0]))
        return project_targets(
            RecordedTargets(dataset, workers),
            Path(target),
            replace(header, k=None, tail=None, space="logits"),
            batches,
            loaded,
            facts,
            parsed,
            settings or AdaptSettings(),
            on,
            folders=dataset.listing.classes,
            names=reader.names,
            force=force,
            progress=progress,
        )


def project_targets(
    targets: Targets,
    target: Path,
    header: Header,
    batches: BatchList,
    encoder: Encoder,
    facts: EncoderFacts,
    codec: Projector,
    settings: AdaptSettings,
    device: torch.device,
    *,
    folders: Sequence[str],
    names: Sequence[str] | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> ProjectReport:
    """Train a projector to targets, and write its container.

    Args:
        targets: the labels, by position in `batches`.
        target: the container.
        header: its header; the codec's keys are filled in.
        batches: its batches.
        encoder: the encoder.
        facts: its input.
        codec: ranks and precision.
        settings: the training's settings.
        device: the device to train on.
        folders: names of the class folders, which name the classes if the header does not.
        names: image names to store.
        force: replace an existing file.
        progress: as in `project`.

    Raises:
        LabelcodecError: as in `project`.
    """
    training, held_out = _split(len(targets), settings.seed)
    if isinstance(settings.head_init, str) and settings.head_init == "text":
        own = folders if len(folders) == header.classes else None
        embeddings = text_embeddings(encoder, header.class_names or own)
        settings = replace(settings, head_init=embeddings)
    with Writer(target, header, codec, force=force, names=names) as writer:
        tables = adapt(
            encoder,
            facts,
            codec,
            targets,
            training,
            held_out,
            settings,
            device,
            progress,
        )
        tables = replace(tables, probe=Adapted(encoder, tables).probe().numpy())
        computed = _computed(encoder, tables, targets, held_out, device, progress)
        fidelity, agreement, target_agreement = _measured(computed, targets, header)
        tables = replace(tables, reached=_reached(fidelity))
        writer.record_agreement(agreement)
        coder = BatchCoder.trained(with_codec(header, codec), ProjectorCoder(tables))
        writer.adopt(coder.side_information())
        nothing = memoryview(join({}))  # what a batch stores of its labels
        for number, epoch, samples in zip(
            batches.numbers, batches.epochs, batches.samples, strict=True
        ):
            writer.add_encoded(StoredBatch(nothing, samples, number, epoch))
    return ProjectReport(
        target,
        len(batches.numbers),
        sum(batches.samples),
        target.stat().st_size,
        fidelity,
        agreement,
        target_agreement,
        ProjectorCoder(tables).chosen(),
    )


def encoder_for(
    encoder: nn.Module | str,
    weights: Path | str | None,
    classes: int,
    features: str | None,
    stated: Preprocessing,
    usual: Preprocessing,
    device: torch.device,
    note: Callable[[str], None],
) -> tuple[Encoder, EncoderFacts]:
    """Load an encoder and settle its preprocessing.

    Args:
        encoder: a name or a module, as in `load_encoder`.
        weights: file of its weights.
        classes: number of classes that it is built with.
        features: as in `load_encoder`.
        stated: what the caller says of its inputs.
        usual: the inputs of an encoder without a configuration.
        device: device to run on.
        note: called with notes for the user.

    Raises:
        LabelcodecError: as in `load_encoder`.
    """
    path = None if weights is None else Path(weights)
    try:
        loaded = load_encoder(encoder, path, classes, features, device)
    except ShapeError as error:
        error.add_note(f"the encoder was built with {classes} classes, see `encoder_classes`")
        raise
    own = replace(own_preprocessing(loaded.model, loaded.name), interpolation=None)
    inputs, notes = resolved(stated, own, usual, loaded.name)
    for line in notes:
        note(line)
    height, width = inputs.image_size or (224, 224)
    norm = inputs.normalisation or {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}
    mean, std = (tuple(map(float, norm[key])) for key in ("mean", "std"))
    return loaded, EncoderFacts(
        loaded.name,
        loaded.sha256,
        loaded.classes,
        loaded.features,
        height,
        width,
        (mean[0], mean[1], mean[2]),
        (std[0], std[1], std[2]),
    )


def check_seeded_source(header: Header, where: str) -> None:
    """Check that the augmentation of a label set is seeded.

    Raises:
        DataError: it is stored, which would be most of the bytes.
    """
    if header.recipe is None:
        raise DataError(
            f"{where}: its batches store their augmentation, of which a projector file has none; "
            "label the images with a seeded one (`labelcodec relabel`), or project a teacher: pass "
            "`teacher`"
        )


def alone(this_process: Process) -> torch.device:
    """The device of a job that runs in one process.

    Raises:
        ConfigError: there are several processes.
    """
    if this_process.world > 1:
        raise ConfigError("a projector is trained by one process: start it without torchrun")
    return this_process.device


def parsed_codec(spec: str) -> Projector:
    """The projector codec of a spec.

    Raises:
        ConfigError: another codec, or an invalid spec.
    """
    codec = registry.parse(spec)
    if not isinstance(codec, Projector):
        raise ConfigError(f"`codec` is {spec!r}, expected one such as 'projector:rank=8'")
    return codec


def _split(batches: int, seed: int) -> tuple[list[int], list[int]]:
    """Positions of the training batches and of the held-out ones.

    Raises:
        DataError: fewer than two batches.
    """
    if batches < 2:
        raise DataError(
            f"{counted(batches, 'batch')}: training needs at least one, and one to measure on"
        )
    order = np.random.default_rng([seed, batches]).permutation(batches).tolist()
    count = min(max(round(HELD_OUT * batches), 1), MEASURED)
    return sorted(order[count:]), sorted(order[:count])


def _computed(
    encoder: Encoder,
    tables: ProjectorTables,
    targets: Targets,
    held_out: Sequence[int],
    device: torch.device,
    progress: Progress | None,
) -> Iterator[tuple[LabelBatch, Labels]]:
    """Held-out batches with the labels that the stored tables give, and the target's."""
    stored = ProjectorTables.from_parts(tables.to_parts(), len(tables.head.bias))
    labeller = ProjectorLabeller(encoder)
    for done, batch in enumerate(targets.batches(held_out, device), 1):
        none = np.zeros((len(batch), 0), np.int32)
        logits = labeller(ProjectorLabels(stored, none), batch.images).cpu().numpy()
        own = Labels(logits.shape[1], logits, precision="float32")
        aimed = Labels(logits.shape[1], batch.labels.logits().cpu().numpy(), precision="float32")
        if progress is not None:
            progress(done, len(held_out), "measuring")
        yield replace(batch.recorded, labels=own), aimed


def _measured(
    computed: Iterator[tuple[LabelBatch, Labels]], targets: Targets, header: Header
) -> tuple[Fidelity, Agreement, Agreement]:
    distances, own, aims = Accumulator(), [], []
    for batch, aimed in computed:
        distances.add(aimed, batch.labels)
        own.append(batch)
        aims.append(replace(batch, labels=aimed))
    agreement, of_target = (
        measure(batches, targets.class_of_image, header.classes, header.image_size).agreement
        for batches in (own, aims)
    )
    return distances.result(), agreement, of_target


def _reached(fidelity: Fidelity) -> Reached:
    kl, tv = (tuple(values[tau] for tau in TEMPERATURES) for values in (fidelity.kl, fidelity.tv))
    return Reached(fidelity.labels, kl, tv, fidelity.top1_agreement)
