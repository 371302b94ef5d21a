"""Labels of a projector file: its tables, the encoder that its user names, and the images."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn

from labelcodec.batch import CompactLabels
from labelcodec.codecs.projector.compact import ProjectorLabels
from labelcodec.codecs.projector.tables import ProjectorTables
from labelcodec.errors import DataError, MismatchError, ShapeError
from labelcodec.pipeline.projection.encoder import Encoder, load_encoder
from labelcodec.pipeline.projection.inputs import encoder_inputs, probe_image
from labelcodec.pipeline.teacher import AUTOCAST
from labelcodec.reader import Reader

PROBE_TOLERANCE = 0.02  # of 1 + the largest magnitude of the probe's logits


class ProjectorLabeller:
    """Computes the labels of projector files, on the encoder's device.

    Args:
        encoder: the encoder.
        autocast: 'float16' or 'bfloat16' for mixed precision; None for float32.
    """

    def __init__(self, encoder: Encoder, autocast: str | None = None) -> None:
        self.encoder, self.autocast = encoder, autocast
        self._adapted: dict[str, Adapted] = {}

    @torch.no_grad()
    def __call__(self, compact: CompactLabels, images: torch.Tensor) -> torch.Tensor:
        """As `Labeller`; the first labels of each file check that it is its encoder.

        Raises:
            MismatchError: another encoder than the file's.
            DataError: labels that are not finite.
        """
        assert isinstance(compact, ProjectorLabels)
        adapted = self.adapted(compact.tables)
        images = images.to(adapted.device)
        device = images.device.type
        dtype = AUTOCAST.get(self.autocast or "", torch.float32)
        with torch.autocast(device, dtype, enabled=self.autocast is not None):
            logits = adapted.logits(images)
        if not logits.isfinite().all():
            raise DataError(f"the encoder {self.encoder.name} gave features that are not finite")
        return logits

    def adapted(self, tables: ProjectorTables) -> Adapted:
        """The encoder with the updates of a file.

        Raises:
            MismatchError: another encoder than the file's.
        """
        if tables.digest not in self._adapted:
            _check_digest(self.encoder, tables)
            adapted = Adapted(self.encoder, tables)
            adapted.check_probe()
            self._adapted[tables.digest] = adapted
        return self._adapted[tables.digest]


class Adapted:
    """An encoder with the updates and the head of a file.

    Args:
        encoder: the encoder.
        tables: the file's tables.

    Raises:
        MismatchError: tables for another network.
    """

    def __init__(self, encoder: Encoder, tables: ProjectorTables) -> None:
        self.encoder, self.tables = encoder, tables
        device = next(encoder.model.parameters()).device
        self.device = device
        self._weights = _updated(encoder, tables, device)
        self._head = torch.from_numpy(tables.head.weight()).to(device)
        self._bias = torch.from_numpy(tables.head.bias).to(device)

    def logits(self, images: torch.Tensor) -> torch.Tensor:
        """(B, C) float32 logits of (B, 3, H, W) images in 0..1.

        Raises:
            MismatchError: the encoder has another number of features.
        """
        features = self.encoder(encoder_inputs(images, self.tables.encoder), self._weights)
        if features.shape[1] != self._head.shape[1]:
            raise MismatchError(
                f"the encoder {self.encoder.name} gives {features.shape[1]} features, the labels "
                f"were made with {self._head.shape[1]}"
            )
        with torch.autocast(features.device.type, enabled=False):
            return features.float() @ self._head.T + self._bias

    @torch.no_grad()
    def probe(self) -> torch.Tensor:
        """The first logits of the probe image (SPEC, PJ-10), on the CPU."""
        image = probe_image(self.tables.encoder, self.device)
        return self.logits(image)[0, : len(self.tables.probe)].cpu()

    def check_probe(self) -> None:
        """Check that the network computes what it did when the labels were made.

        Raises:
            MismatchError: it does not, although its weights are the same.
        """
        stored = torch.from_numpy(self.tables.probe)
        allowed = PROBE_TOLERANCE * (1 + float(stored.abs().max()))
        difference = float((self.probe() - stored).abs().max())
        if not difference <= allowed:
            raise MismatchError(
                f"the encoder {self.encoder.name} has the weights of {self.tables.encoder.name!r}, "
                f"with which the labels were made, but computes other features: the logits of the "
                f"probe image differ by {difference:.3g}; use the same code, in the version that "
                "the labels were made with"
            )


def load_labeller(
    reader: Reader,
    encoder: nn.Module | str | None,
    weights: Path | None,
    device: torch.device,
    autocast: str | None,
) -> ProjectorLabeller | None:
    """The labeller of a label set, as `replay.labelling.labeller_for`; None without batches."""
    if encoder is None:
        reader.check_labels_held()
    if encoder is None or not len(reader):
        return None
    compact = reader[0].labels.compact
    assert isinstance(compact, ProjectorLabels)
    facts = compact.tables.encoder
    try:
        loaded = load_encoder(encoder, weights, facts.classes, facts.features, device)
    except ShapeError as error:
        error.add_note(f"the labels were made with the encoder {facts.name!r} of that many classes")
        raise
    labeller = ProjectorLabeller(loaded, autocast)
    try:
        labeller.adapted(compact.tables)
    except MismatchError as error:
        raise MismatchError(f"{reader.paths[0]}: {error}") from None
    return labeller


def _check_digest(encoder: Encoder, tables: ProjectorTables) -> None:
    facts = tables.encoder
    if encoder.sha256 != facts.sha256:
        raise MismatchError(
            f"the labels were made with the encoder {facts.name!r}, whose weights have SHA-256 "
            f"{facts.sha256}; those of {encoder.name} have {encoder.sha256}. Pass that encoder as "
            "`encoder` and its weights as `encoder_weights`"
        )


def _updated(
    encoder: Encoder, tables: ProjectorTables, device: torch.device
) -> Mapping[str, torch.Tensor]:
    """The weights that the file updates, by their names in the network."""
    own = dict(encoder.model.named_parameters())
    weights = {}
    for layer in tables.layers:
        weight = own.get(f"{layer.name}.weight")
        outputs, inner = layer.up.entries.shape[1], layer.down.entries.shape[1]
        if weight is None or len(weight) != outputs or weight[0].numel() != inner:
            shape = "none" if weight is None else tuple(weight.shape)
            raise MismatchError(
                f"the labels update a weight of {outputs} x {inner} in the layer {layer.name!r} of "
                f"the encoder, which has {shape}"
            )
        update = torch.from_numpy(layer.values()).to(device)
        weights[f"{layer.name}.weight"] = weight + update.view_as(weight)
    return weights
