"""Digests of what a study is given: image folders and files of weights."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from labelcodec.errors import ConfigError, MismatchError
from labelcodec.files.regular import open_regular
from labelcodec.images import content_digest, fingerprint, list_images
from labelcodec.pipeline.models import is_file
from labelcodec.pipeline.study.tables import Settings, TeacherTable


@dataclass(frozen=True)
class FolderFacts:
    """What is known of an image folder.

    Attributes:
        digest: SHA-256 (hex) of its names and contents, see `images.content_digest`.
        classes: names of its classes, sorted.
    """

    digest: str
    classes: tuple[str, ...]


@cache
def folder_facts(path: str) -> FolderFacts:
    """Digest and classes of an image folder.

    Raises:
        MismatchError: there is no such folder, or a class has no image.
    """
    listing = list_images(path)
    content = fingerprint(listing.paths) + content_digest(listing)
    return FolderFacts(hashlib.sha256(content.encode()).hexdigest(), listing.classes)


@cache
def file_digest(path: str) -> str:
    """SHA-256 (hex) of a file.

    Raises:
        MismatchError: there is no such file.
    """
    try:
        with open(open_regular(Path(path), MismatchError, "a file"), "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise MismatchError(f"{path}: no such file") from None


def look_again() -> None:
    """Forget folders and files that were looked at: they may have changed since."""
    folder_facts.cache_clear()
    file_digest.cache_clear()


def training_images(settings: Settings) -> FolderFacts:
    """The training images.

    Raises:
        ConfigError: the study does not name them.
        MismatchError: there is no such folder.
    """
    return folder_facts(_named(settings.data.train, "data.train"))


def test_images(settings: Settings) -> FolderFacts:
    """The test images; errors as in `training_images`."""
    return folder_facts(_named(settings.data.test, "data.test"))


def teacher_facts(teacher: TeacherTable) -> dict[str, Any]:
    """The teacher, with digests in place of paths.

    Raises:
        ConfigError: the study does not name it.
        MismatchError: a file is missing.
    """
    name = _named(teacher.model, "teacher.model")
    return _with_digests({**asdict(teacher), "model": name}, ("weights", "class_map"))


def features_facts(settings: Settings) -> dict[str, Any]:
    """The model that images are compared by, likewise."""
    assert settings.diversity is not None
    table = settings.diversity
    if table.model is None:
        if table.weights is not None:
            raise ConfigError("the study says diversity.weights without diversity.model")
        return {"bandwidth": table.bandwidth, "teacher": teacher_facts(settings.teacher)}
    return _with_digests(asdict(table), ("weights",))


def _with_digests(facts: Mapping[str, Any], files: tuple[str, ...]) -> dict[str, Any]:
    digests = {name: file_digest(facts[name]) for name in files if facts[name] is not None}
    if is_file(facts["model"]):
        digests["model"] = file_digest(facts["model"])
    return {**facts, **digests}


def _named(value: str | None, name: str) -> str:
    if value is None:
        raise ConfigError(f"the study does not say {name}; set it in its file, or pass it")
    return value
