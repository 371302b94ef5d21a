"""Prediction of the size of a label set before the teacher is run."""

from labelcodec.planner.prediction import Prediction, pareto, predict
from labelcodec.planner.setting import Setting

__all__ = ["Prediction", "Setting", "pareto", "predict"]
