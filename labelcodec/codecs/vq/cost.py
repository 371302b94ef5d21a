"""Cost model of the vq codec in its searched form, for labels that were not measured.

The table is that of benchmarks/vq_rates.py: streams and total variation on epochs that the tables
were not fitted to, tables for 1000 classes and 1000 images. A table's bytes are in proportion to
its entries. Labels of fewer classes are taken to have as large a total variation.
"""

from __future__ import annotations

from math import log2
from typing import NamedTuple

import numpy as np

from labelcodec.codecs.cost import LabelCost, LabelSetting
from labelcodec.codecs.fitting_sample import sample_limit
from labelcodec.codecs.transform.basis_tables import most_rank
from labelcodec.codecs.transform.fit.image_means_fit import LABELS_PER_IMAGE
from labelcodec.codecs.vq.codec import DEFAULT_BYTES, Vq
from labelcodec.codecs.vq.fit.design import CODEWORDS, LABELS_PER_CODEWORD, RANK
from labelcodec.codecs.vq.format import MAX_CODES
from labelcodec.errors import ConfigError


class VqRow(NamedTuple):
    """Measured labels at one number of codes.

    Attributes:
        codes: codes per label.
        streams: bytes per label of the LABEL_VALUES stream.
        tv4: mean total variation to the full labels at temperature 4.
    """

    codes: int
    streams: float
    tv4: float


MEASURED = (
    VqRow(4, 3.6605, 0.13853),
    VqRow(8, 7.7180, 0.13205),
    VqRow(17, 16.5230, 0.12367),
    VqRow(34, 33.2270, 0.11633),
)
# Bytes of an entry of each table, and of what comes with each class and each code.
BASIS, CODEWORD, MEANS = 0.55, 0.50, 0.62
PER_CLASS, PER_CODE = 1.4, 40.0


def cost(codec: Vq, setting: LabelSetting, labels: int) -> LabelCost:
    """Predict size and fidelity of a label set.

    Args:
        codec: configuration with a number of codes or a budget.
        setting: classes, images and precision of the labels.
        labels: number of labels in the file.

    Raises:
        ConfigError: a bound, another temperature or an autoencoder, which were not measured; or a
            budget below one code and the tables.
    """
    if codec.quality or codec.tau not in (None, 1) or codec.method != "search":
        raise ConfigError("vq: only codes=… and bytes=… can be predicted")
    if codec.codes is not None:
        return _at(codec.codes, setting, labels)
    budget = DEFAULT_BYTES if codec.bytes is None else codec.bytes
    for codes in range(min(int(2 * budget), MAX_CODES), 0, -1):
        predicted = _at(codes, setting, labels)
        if predicted.values + predicted.side / max(labels, 1) <= budget:
            return predicted
    raise ConfigError(
        f"vq: bytes={budget:g} is less than the tables of {labels} labels take; use transform"
    )


def _at(codes: int, setting: LabelSetting, labels: int) -> LabelCost:
    rank = min(RANK, most_rank(setting.classes))
    fitted = min(labels, sample_limit(setting.classes * setting.value_bytes, Vq.fit_labels))
    codewords = min(CODEWORDS, 2 ** int(log2(max(fitted / LABELS_PER_CODEWORD, 1))))
    entries = rank * (BASIS * setting.classes + CODEWORD * codes * codewords)
    if labels >= LABELS_PER_IMAGE * setting.images:
        entries += MEANS * rank * setting.images
    side = entries + PER_CLASS * setting.classes + PER_CODE * codes
    log_codes, streams, tv4 = np.array(
        [(np.log(row.codes), row.streams / row.codes, row.tv4) for row in MEASURED]
    ).T
    each = float(np.interp(np.log(codes), log_codes, streams)) * log2(codewords) / log2(CODEWORDS)
    measured = MEASURED[0].codes <= codes <= MEASURED[-1].codes
    fidelity = float(np.interp(np.log(codes), log_codes, tv4)) if measured else None
    return LabelCost(0, codes * each, side, fidelity)
