"""The pipeline from a teacher to a student: squeeze, recover, relabel, train, evaluate.

    squeeze("images", "stats.safetensors", "resnet56", weights="w.safetensors", image_size=32)
    recover("stats.safetensors", "distilled", "resnet56", weights="w.safetensors", ipc=10)
    relabel("distilled", "labels.slc", "resnet56", weights="w.safetensors", image_size=32)
    project("labels.slc", "tiny.slc", "distilled", "torchvision/resnet18", encoder_weights="r.pth")
    train("labels.slc", "distilled", "cifar10", "run", validate="validation")
    evaluate("validation", "run").top1
    folders = {"data.train": "images", "data.test": "validation"}
    study = load_study("ablation-cifar10", {"teacher.weights": "resnet20.safetensors", **folders})
    run_study(study, "out")
    diversity("images", features="resnet56", weights="w.safetensors", image_size=32)

Each function takes plain arguments: folders, a model or its name, a recipe or its name, and an
optional `progress` function (see `labelcodec.progress`). They need torch, which is imported on
first use of one of these names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from labelcodec.lazy import lazy_attributes

if TYPE_CHECKING:
    from labelcodec.pipeline.callbacks import TrainingCallback
    from labelcodec.pipeline.evaluate_runs import evaluate
    from labelcodec.pipeline.evaluation import Scores
    from labelcodec.pipeline.image_diversity.measurement import DiversityReport, diversity
    from labelcodec.pipeline.projection.adapting import AdaptSettings
    from labelcodec.pipeline.projection.from_teacher import project_teacher
    from labelcodec.pipeline.projection.materialising import materialise
    from labelcodec.pipeline.projection.projecting import ProjectReport, project
    from labelcodec.pipeline.recovery.recovering import RecoverReport, recover
    from labelcodec.pipeline.relabelling import relabel
    from labelcodec.pipeline.relabelling_run import RelabelReport
    from labelcodec.pipeline.squeezing import SqueezeReport, squeeze
    from labelcodec.pipeline.stage_recipe import recipe_names, stage_settings
    from labelcodec.pipeline.study.running import StudyReport, run_study
    from labelcodec.pipeline.study.study_file import Study, load_study, study_names
    from labelcodec.pipeline.training import TrainReport, train
    from labelcodec.pipeline.training_recipe import TrainingRecipe, load_recipe

__all__ = [
    "AdaptSettings",
    "DiversityReport",
    "ProjectReport",
    "RecoverReport",
    "RelabelReport",
    "Scores",
    "SqueezeReport",
    "Study",
    "StudyReport",
    "TrainReport",
    "TrainingCallback",
    "TrainingRecipe",
    "diversity",
    "evaluate",
    "load_recipe",
    "load_study",
    "materialise",
    "project",
    "project_teacher",
    "recipe_names",
    "recover",
    "relabel",
    "run_study",
    "squeeze",
    "stage_settings",
    "study_names",
    "train",
]

_MODULES = {
    "DiversityReport": "image_diversity.measurement",
    "RecoverReport": "recovery.recovering",
    "RelabelReport": "relabelling",
    "Scores": "evaluation",
    "SqueezeReport": "squeezing",
    "Study": "study.study_file",
    "StudyReport": "study.running",
    "TrainReport": "training",
    "TrainingCallback": "callbacks",
    "TrainingRecipe": "training_recipe",
    "diversity": "image_diversity.measurement",
    "evaluate": "evaluate_runs",
    "load_recipe": "training_recipe",
    "load_study": "study.study_file",
    "materialise": "projection.materialising",
    "ProjectReport": "projection.projecting",
    "project": "projection.projecting",
    "project_teacher": "projection.from_teacher",
    "AdaptSettings": "projection.adapting",
    "recipe_names": "stage_recipe",
    "recover": "recovery.recovering",
    "relabel": "relabelling",
    "run_study": "study.running",
    "squeeze": "squeezing",
    "study_names": "study.study_file",
    "stage_settings": "stage_recipe",
    "train": "training",
}


def __getattr__(name: str) -> Any:
    return lazy_attributes(__name__, _MODULES, name)


def __dir__() -> list[str]:
    return sorted(__all__)
