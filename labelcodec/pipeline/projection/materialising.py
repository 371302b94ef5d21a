"""Storing the labels of a projector file with another codec."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from torch import nn

from labelcodec.batch import LabelBatch
from labelcodec.codecs.float_bits import rounded
from labelcodec.images import ImageListing
from labelcodec.parts import Part
from labelcodec.pipeline.distributed import process
from labelcodec.progress import Progress
from labelcodec.reader import PathLike
from labelcodec.reader import open as open_labels
from labelcodec.remote import LocationLike
from labelcodec.replay.dataset import ReplayDataset
from labelcodec.replay.labelling import labeller_for
from labelcodec.transcode.encode_batches import EncodeReport, shard_target, write
from labelcodec.transcode.recode_container import check_target, recoded_header
from labelcodec.transcode.reused_tables import required_codec


def materialise(
    source: LocationLike,
    target: PathLike,
    codec: str | None,
    images: Path | str | ImageListing,
    encoder: nn.Module | str,
    *,
    tables: Path | str | None = None,
    part: Part | None = None,
    encoder_weights: Path | str | None = None,
    autocast: str | None = None,
    device: str | None = None,
    force: bool = False,
    resume: bool = False,
    progress: Progress | None = None,
    note: Callable[[str], None] = warnings.warn,
) -> EncodeReport:
    """Compute labels that are a function of their images, and store them with another codec.

    Example:
        >>> materialise("tiny.slc", "top50.slc", "topk:k=50", "images", "torchvision/resnet18",
        ...             encoder_weights="resnet18.pth")

    Args:
        source: as in `labelcodec.open`.
        target: the container to write.
        codec: a codec spec; None takes that of `tables`.
        images: the images that the labels were made from, see `list_images`.
        encoder: the encoder that they were made with, as in `train`.
        tables: as in `recode`.
        part: as in `recode`.
        encoder_weights: file of its weights; None for one that includes them.
        autocast: 'float16' or 'bfloat16' for mixed precision; None for float32.
        device: 'cpu', 'cuda', ...; default: a GPU if there is one.
        force: replace an existing container.
        resume: continue an interrupted run.
        progress: as in `recode`.
        note: called with notes for the user.

    Raises:
        ConfigError: an invalid codec spec, or the source holds its labels.
        MismatchError: another encoder or other images than those of the labels, or the target
            exists.
    """
    target, part = shard_target(Path(target), part)
    parsed, reused = required_codec(codec, tables)
    with process(device) as this_process, open_labels(source) as reader:
        check_target(target, reader)
        weights = None if encoder_weights is None else Path(encoder_weights)
        labeller = labeller_for(reader, encoder, weights, this_process.device, autocast=autocast)
        dataset = ReplayDataset(source, images, uint8=True, labeller=labeller, note=note)
        report = write(
            _Computed(dataset),
            target,
            recoded_header(reader.header, str(reader.paths[0])),
            parsed,
            source_bytes=reader.size,
            lengths=reader.index.samples.tolist(),
            names=reader.names,
            tables=reused,
            part=part,
            threads=1,  # the encoder is on one device
            force=force,
            resume=resume,
            progress=progress,
        )
    passed = (report.header.source or {}).get("lossy", ())
    notes = [f"the labels have been through {spec}" for spec in passed]
    return replace(report, notes=(*notes, *report.notes))


@dataclass(frozen=True, eq=False)
class _Computed:
    """The batches of a label set with labels as values."""

    dataset: ReplayDataset

    def __len__(self) -> int:
        return len(self.dataset)

    def read(self, i: int) -> LabelBatch:
        """Batch i, with values rounded to their precision."""
        batch = self.dataset.label_batch(i)
        value = rounded(batch.labels.value, batch.labels.precision)
        return replace(batch, labels=replace(batch.labels, value=value))
