"""The folder of recovered images: an image folder with `recipe.json`, complete or in progress.

While a run is in progress, the sub-folder `.recovering` holds `run.json`, what the run is, and one
JSON file per finished job. It has no images, so that no command takes the folder for complete.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from labelcodec.errors import MismatchError
from labelcodec.files.atomic import atomic_file
from labelcodec.files.locks import locked_file
from labelcodec.files.regular import read_regular
from labelcodec.mapdiff import difference
from labelcodec.pipeline.recovery.jobs import Job
from labelcodec.pipeline.recovery.synthesis import JobLoss
from labelcodec.version import __version__

RECIPE, PROGRESS, RUN, CLASSES = "recipe.json", ".recovering", "run.json", "classes.txt"
LOCK = "lock"


@dataclass(frozen=True)
class ImageFormat:
    """How images are written.

    Attributes:
        png: PNG, without loss, in place of JPEG.
        quality: JPEG quality, 1..100.
    """

    png: bool = False
    quality: int = 90

    @property
    def suffix(self) -> str:
        """Suffix of the files."""
        return ".png" if self.png else ".jpg"

    def write(self, path: Path, image: Image.Image) -> None:
        """Write an image atomically."""
        path.parent.mkdir(exist_ok=True)
        with atomic_file(path) as file:
            if self.png:
                image.save(file, "PNG", optimize=True)
            else:
                image.save(file, "JPEG", quality=self.quality, optimize=True)


@dataclass(frozen=True)
class DistilledFolder:
    """A folder of recovered images.

    Attributes:
        root: the folder.
        facts: what the images depend on, as plain values.
        names: folder name of each class.
        written_as: file format of the images.
    """

    root: Path
    facts: Mapping[str, Any]
    names: Mapping[int, str]
    written_as: ImageFormat

    @contextmanager
    def begun(self, resume: bool, threads: int, note: Callable[[str], None]) -> Iterator[bool]:
        """Create the folder, or check that it is of the same run, and hold its lock.

        Args:
            resume: continue an interrupted run, if there is one.
            threads: number of torch's threads, on which the last bits of results depend.
            note: called with notes for the user.

        Yields:
            Whether the run is complete already.

        Raises:
            MismatchError: the folder exists and `resume` is not set, or is of another run, or
                another process is writing it.
        """
        progress = self.root / PROGRESS
        if self.root.exists() and not self.root.is_dir():
            raise MismatchError(f"{self.root}: is a file; the images go into a folder")
        entries = {entry.name for entry in self.root.iterdir()} if self.root.exists() else set()
        if RECIPE in entries or (entries and PROGRESS not in entries):
            self._check_same(resume, self.root / RECIPE)
            shutil.rmtree(progress, ignore_errors=True)  # of a run killed while it removed it
            yield True
            return
        progress.mkdir(parents=True, exist_ok=True)
        with locked_file(progress / LOCK):
            # a run without a finished batch leaves nothing that is worth keeping
            if entries - {PROGRESS} or any(progress.glob("[0-9]*.json")):
                stored = self._check_same(resume, progress / RUN)
                if stored.get("threads") != threads:
                    note(
                        f"{self.root}: was begun with {stored.get('threads')} threads and goes on "
                        f"with {threads}; the images left will not be the same to the bit"
                    )
            else:
                _write(progress / RUN, {"run": self.facts, "threads": threads})
            yield False

    def _check_same(self, resume: bool, description: Path) -> dict[str, Any]:
        """The description of the run that the folder is of, which must be this one."""
        if not resume:
            raise MismatchError(
                f"{self.root}: exists already; name another folder, or pass `resume=True` to "
                "continue an interrupted run"
            )
        stored = _read(description)
        if mismatch := difference(stored.get("run", {}), self.facts):
            raise MismatchError(f"{self.root}: is of another run: {mismatch}")
        return stored

    def loss(self) -> JobLoss | None:
        """Mean over all jobs of a complete folder of their last losses; None without iterations."""
        losses = [job["loss"] for job in _read(self.root / RECIPE)["jobs"] if job["loss"]]
        if not losses:
            return None
        terms = {name: sum(each[name] for each in losses) / len(losses) for name in losses[0]}
        return JobLoss(**terms)

    def is_done(self, job: Job) -> bool:
        """Whether the images of a job are complete."""
        return self._result(job).is_file()

    def store(self, job: Job, levels: torch.Tensor, loss: JobLoss | None) -> None:
        """Write the images of a job, then the file that says so.

        Args:
            job: the job.
            levels: (B, 3, H, W) uint8 images.
            loss: last reading of the loss.
        """
        for own, position, image in zip(job.classes, job.positions, levels, strict=True):
            self.written_as.write(
                self._file(own, position), Image.fromarray(image.permute(1, 2, 0).numpy())
            )
        _write(self._result(job), {"loss": None if loss is None else asdict(loss)})

    def files(self, jobs: Sequence[Job]) -> list[Path]:
        """Paths of the images of all jobs."""
        return [
            self._file(own, position)
            for job in jobs
            for own, position in zip(job.classes, job.positions, strict=True)
        ]

    def finish(self, jobs: Sequence[Job], note: Callable[[str], None]) -> None:
        """Write `recipe.json`, and remove what marked the folder as incomplete.

        If the sorted class folders are not the teacher's classes in order, `classes.txt` is
        written, too: a class map for relabelling and training.
        """
        results = [
            {"classes": sorted(set(job.classes)), "images": len(job), **_read(self._result(job))}
            for job in jobs
        ]
        names = self.facts["class_names"]
        if sorted(self.names.values()) != list(names):
            with atomic_file(self.root / CLASSES) as file:
                file.write("".join(f"{name}\n" for name in names).encode())
            note(
                f"{self.root}: its folders are not all of the teacher's classes in order; pass "
                f"`class_map={self.root / CLASSES}` to relabel and train"
            )
        content = {"labelcodec": __version__, "run": self.facts, "jobs": results}
        _write(self.root / RECIPE, content)
        shutil.rmtree(self.root / PROGRESS)

    def _file(self, own: int, position: int) -> Path:
        return self.root / self.names[own] / f"{position:05d}{self.written_as.suffix}"

    def _result(self, job: Job) -> Path:
        return self.root / PROGRESS / f"{job.number:06d}.json"


def _write(path: Path, content: Mapping[str, Any]) -> None:
    with atomic_file(path) as file:
        file.write((json.dumps(content, indent=2) + "\n").encode())


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(read_regular(path, MismatchError, "the description of a run"))
        return dict(content)
    except FileNotFoundError:
        raise MismatchError(
            f"{path.parent}: is not left of a run, {path.name} is missing; name another folder"
        ) from None
    except (ValueError, TypeError, RecursionError) as error:
        raise MismatchError(f"{path}: not what a run writes: {error}") from None
