"""Predicted size of the labels of a cell."""

from __future__ import annotations

from labelcodec.errors import ConfigError
from labelcodec.pipeline.study.sources import training_images
from labelcodec.pipeline.study.tables import Settings
from labelcodec.planner.prediction import AUGMENTATION, predict
from labelcodec.planner.setting import Setting


def predicted_bytes(settings: Settings) -> int | None:
    """Bytes of a cell's labels, by the planner's measurements of ImageNet-1K.

    The augmentation is drawn from a seed and takes none.

    Args:
        settings: settings of the cell.

    Returns:
        The size; None for probabilities, which are not measured, for labels of the training images
        themselves, and for codecs that cannot be predicted.
    """
    recover, relabel = settings.recover, settings.relabel
    if recover is None or relabel.space != "logits":
        return None
    classes = settings.teacher.classes or len(training_images(settings).classes)
    try:
        setting = Setting(classes, classes * recover.ipc, settings.epochs, relabel.batch_size)
        prediction = predict(settings.codec, setting, relabel.keep)
    except ConfigError:
        return None
    return prediction.bytes_total - prediction.of(AUGMENTATION)
