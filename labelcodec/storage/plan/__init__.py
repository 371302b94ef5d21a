"""Predicting what labels will take before a teacher has run."""

from labelcodec.storage.plan.plot import plot
from labelcodec.storage.plan.predict import Prediction, pareto, predict
from labelcodec.storage.plan.setting import Setting

__all__ = ["Prediction", "Setting", "pareto", "plot", "predict"]
