"""What a codec that computes with full logits checks of labels before it stores and reads them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from labelcodec.batch import Labels
from labelcodec.codecs.components import Stream
from labelcodec.codecs.float_bits import all_finite, check_type
from labelcodec.errors import CorruptError, DataError

MAX_LOGIT = np.float32(1e15)  # sums of their squares must fit float32


def check_full_logits(labels: Labels, codec: str) -> None:
    """Check that dense labels are finite logits of their declared precision, up to 1e15.

    Args:
        labels: full labels.
        codec: name of the codec, for error messages.

    Raises:
        DataError: probabilities, values of another type, or logits that are not finite or above
            1e15 in magnitude.
    """
    if labels.space != "logits":
        raise DataError(f"the {codec} codec needs logits, these are probabilities")
    check_type(labels)
    if labels.precision == "float16" and all_finite(labels.value):
        return
    good = np.abs(labels.value) <= MAX_LOGIT
    if not good.all():
        sample, c = np.argwhere(~good)[0]
        raise DataError(
            f"sample {sample} has a logit of {labels.value[sample, c]:g}, allowed are finite "
            f"ones up to {MAX_LOGIT:g}; use the dense codec"
        )


def check_stored_logits(
    blank: Labels, streams: Mapping[Stream, memoryview], needed: tuple[Stream, ...], codec: str
) -> None:
    """Check that a batch can hold full logits before it is decoded.

    Args:
        blank: labels without values, as the header describes them.
        streams: the streams of the batch.
        needed: the streams that hold labels.
        codec: name of the codec, for error messages.

    Raises:
        CorruptError: probabilities, a tail, or a stream that is missing.
    """
    if blank.space != "logits" or blank.tail is not None:
        raise CorruptError(f"{codec} labels as {blank.space} with tail {blank.tail}")
    for stream in needed:
        if stream not in streams:
            raise CorruptError(f"the {stream.component} stream is missing")
