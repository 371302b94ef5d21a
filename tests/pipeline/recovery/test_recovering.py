"""Whole runs: their images, interrupted or not, and what is refused."""

from __future__ import annotations

import errno
import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from labelcodec.errors import ConfigError, DataError, MismatchError
from labelcodec.images import list_images
from labelcodec.pipeline.class_statistics import load_statistics
from labelcodec.pipeline.recovery.distilled_folder import ImageFormat
from labelcodec.pipeline.recovery.recovering import recover
from labelcodec.pipeline.recovery.settings import METHODS
from labelcodec.pipeline.squeezing import squeeze
from tests.pipeline import scene
from tests.pipeline.recovery.networks import Network

INPUTS = {"image_size": scene.SIDE, "normalisation": scene.NORMALISATION, "device": "cpu"}
SHORT = {"ipc": 2, "iterations": 6, "device": "cpu"}
ACROSS = {**SHORT, **INPUTS, "method": "sre2l", "classes": scene.CLASSES, "batch_size": 5}


@pytest.fixture(scope="module")
def statistics(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("statistics")
    folder = scene.images(root / "images")
    squeeze(folder, root / "stats.safetensors", Network(), batch_size=scene.BATCH, **INPUTS)
    return root / "stats.safetensors"


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_by_class_the_statistics_of_each_class_are_approached(statistics, tmp_path) -> None:
    short, long = (
        recover(
            statistics, tmp_path / str(steps), Network(), ipc=6, iterations=steps, alpha=1.0,
            learning_rate=0.1, device="cpu", scale=None,
        )
        for steps in (1, 150)
    )  # fmt: skip
    assert long.loss.norm < short.loss.norm / 4
    listing = list_images(tmp_path / "150")
    assert listing.classes == tuple(f"class{own:02}" for own in range(scene.CLASSES))
    assert (long.classes, long.images) == (scene.CLASSES, 6 * scene.CLASSES)
    assert np.bincount(listing.class_index).tolist() == [6] * scene.CLASSES
    assert long.bytes == sum((tmp_path / "150" / path).stat().st_size for path in listing.paths)


@pytest.mark.parametrize("method", METHODS)
def test_the_images_depend_on_the_seed_alone(statistics, tmp_path, method: str) -> None:
    options = {**SHORT, "batch_size": 5, "method": method}
    for name, seed in (("first", 3), ("again", 3), ("other", 4)):
        recover(statistics, tmp_path / name, Network(), seed=seed, **options)
    assert contents(tmp_path / "first") == contents(tmp_path / "again")
    assert contents(tmp_path / "first").keys() == contents(tmp_path / "other").keys()
    assert contents(tmp_path / "first") != contents(tmp_path / "other")


def test_images_of_a_class_do_not_depend_on_the_range(statistics, tmp_path) -> None:
    notes = []
    recover(statistics, tmp_path / "all", Network(), **SHORT)
    recover(
        statistics, tmp_path / "some", Network(), **SHORT, class_range=(2, 4), note=notes.append
    )
    whole, some = contents(tmp_path / "all"), contents(tmp_path / "some")
    images = {name for name in some if name.endswith(".jpg")}
    assert images == {f"class{own:02}/{i:05}.jpg" for own in (2, 3) for i in range(2)}
    assert all(whole[name] == some[name] for name in images)
    names = (tmp_path / "some/classes.txt").read_text().splitlines()
    assert names == [f"class{own:02}" for own in range(scene.CLASSES)]
    assert "classes.txt" in notes[-1]
    assert not (tmp_path / "all/classes.txt").exists()


@pytest.mark.parametrize("kill", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_is_killed_goes_on_with_the_batch_in_hand(statistics, tmp_path, kill) -> None:
    recover(statistics, tmp_path / "whole", Network(), **SHORT)
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        halfway = scene.after(15, lambda: os.kill(os.getpid(), kill))
        recover(statistics, tmp_path / "run", Network(), **SHORT, progress=halfway)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == kill
    left = contents(tmp_path / "run")
    assert sum(name.endswith(".jpg") for name in left) == 4  # two classes of two images
    with pytest.raises(MismatchError, match=r"no image in this class folder"):
        list_images(tmp_path / "run")  # nobody takes it for complete
    with pytest.raises(MismatchError, match="pass `resume=True`"):
        recover(statistics, tmp_path / "run", Network(), **SHORT)
    with pytest.raises(MismatchError, match=r"another run: 'settings.seed' is 0 there and 1 now"):
        recover(statistics, tmp_path / "run", Network(), **SHORT, seed=1, resume=True)
    steps = []
    recover(
        statistics, tmp_path / "run", Network(), **SHORT, resume=True,
        progress=lambda *step: steps.append(step),
    )  # fmt: skip
    assert steps[-1][:2] == (4 * 6, 4 * 6)
    assert contents(tmp_path / "run") == contents(tmp_path / "whole")
    steps.clear()
    recover(
        statistics, tmp_path / "run", Network(), **SHORT, resume=True,
        progress=lambda *step: steps.append(step),
    )  # fmt: skip
    assert not steps  # it was complete


def test_a_run_killed_between_its_last_writes_is_completed(statistics, tmp_path) -> None:
    recover(statistics, tmp_path / "run", Network(), **SHORT)
    (tmp_path / "run/.recovering").mkdir()  # killed before it was removed
    recover(statistics, tmp_path / "run", Network(), **SHORT, resume=True)
    assert len(list_images(tmp_path / "run")) == 12
    (tmp_path / "new/.recovering").mkdir(parents=True)  # killed before it was described
    recover(statistics, tmp_path / "new", Network(), **SHORT)
    assert contents(tmp_path / "new") == contents(tmp_path / "run")


def test_a_full_disk_loses_nothing(statistics, tmp_path, monkeypatch) -> None:
    recover(statistics, tmp_path / "whole", Network(), **SHORT)
    write, left = ImageFormat.write, iter(range(5))

    def fills(self, path, image) -> None:
        if next(left, None) is None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        write(self, path, image)

    with monkeypatch.context() as patch:
        patch.setattr(ImageFormat, "write", fills)
        with pytest.raises(OSError, match="No space left") as caught:
            recover(statistics, tmp_path / "run", Network(), **SHORT)
    assert "keeps 2 of 6 batches" in caught.value.__notes__[0]
    recover(statistics, tmp_path / "run", Network(), **SHORT, resume=True)
    assert contents(tmp_path / "run") == contents(tmp_path / "whole")


def test_an_error_on_the_way_says_what_is_kept(statistics, tmp_path) -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        recover(
            statistics, tmp_path / "run", Network(), **SHORT,
            progress=scene.after(8, lambda: 1 // 0),
        )  # fmt: skip
    assert "keeps 1 of 6 batches" in caught.value.__notes__[0]


def test_other_threads_are_told_on_resuming(statistics, tmp_path, monkeypatch) -> None:
    with pytest.raises(ZeroDivisionError):
        recover(
            statistics, tmp_path / "run", Network(), **SHORT,
            progress=scene.after(8, lambda: 1 // 0),
        )  # fmt: skip
    torch.set_num_threads(2)
    notes = []
    recover(statistics, tmp_path / "run", Network(), **SHORT, resume=True, note=notes.append)
    assert "was begun with 1 threads and goes on with 2" in notes[0]


def test_input_is_checked_before_the_folder_is_begun(statistics, tmp_path) -> None:
    images = scene.images(tmp_path / "images")
    real = {**ACROSS, "init": "images", "images": images}
    with pytest.raises(MismatchError, match=r"class 'class04', and 4 are needed") as caught:
        recover(statistics, tmp_path / "run", Network(), **SHORT | {"ipc": 4}, init="images",
                images=images)  # fmt: skip
    assert not getattr(caught.value, "__notes__", [])
    (images / "class01/001.png").write_bytes(b"broken")
    with pytest.raises(MismatchError, match=r"001.png: cannot read .* `skip_bad=True`"):
        recover(None, tmp_path / "run", Network(), **real)
    notes = []
    with pytest.raises(MismatchError, match="has no BatchNorm layers"):
        recover(None, tmp_path / "run", Nothing(), **ACROSS)
    assert not (tmp_path / "run").exists()
    recover(None, tmp_path / "run", Network(), **real, skip_bad=True, note=notes.append)
    assert "left out 1 image" in notes[0]


def test_a_run_without_a_finished_batch_gives_way_to_another(statistics, tmp_path) -> None:
    with pytest.raises(DataError) as caught:
        recover(statistics, tmp_path / "run", Network(), **SHORT, alpha=1e39)
    assert not getattr(caught.value, "__notes__", [])  # nothing is kept
    recover(statistics, tmp_path / "run", Network(), **SHORT)
    assert len(list_images(tmp_path / "run")) == 12


def test_two_runs_do_not_write_one_folder(statistics, tmp_path) -> None:
    refused = []

    def again(*step: object) -> None:
        if not refused:
            with pytest.raises(MismatchError, match="another process is writing it") as caught:
                recover(statistics, tmp_path / "run", Network(), **SHORT, resume=True)
            refused.append(caught.value)

    recover(statistics, tmp_path / "run", Network(), **SHORT, progress=again)
    assert refused
    assert len(list_images(tmp_path / "run")) == 12


def test_the_loss_is_that_of_all_batches_whoever_ran_them(statistics, tmp_path) -> None:
    whole = recover(statistics, tmp_path / "whole", Network(), **SHORT)
    with pytest.raises(ZeroDivisionError):
        recover(
            statistics, tmp_path / "run", Network(), **SHORT,
            progress=scene.after(15, lambda: 1 // 0),
        )  # fmt: skip
    for _ in range(2):  # the second time it is complete
        report = recover(statistics, tmp_path / "run", Network(), **SHORT, resume=True)
        assert report.loss == whole.loss


def test_classes_that_contradict_the_statistics_are_refused(statistics, tmp_path) -> None:
    names = [f"class{own:02}" for own in range(scene.CLASSES)]
    recover(statistics, tmp_path / "same", Network(), **SHORT, class_map=names)
    with pytest.raises(MismatchError, match="class 0 is 'class00' there and 'class05' in the"):
        recover(statistics, tmp_path / "run", Network(), **SHORT, class_map=names[::-1])
    with pytest.raises(MismatchError, match=r"statistics of 6 classes, not of 5"):
        recover(statistics, tmp_path / "run", Network(), **SHORT, classes=5)


def test_recipe_says_what_was_done(statistics, tmp_path) -> None:
    recover(statistics, tmp_path / "run", Network(), **SHORT, png=True)
    recipe = json.loads((tmp_path / "run/recipe.json").read_text())
    run = recipe["run"]
    assert run["settings"]["iterations"] == 6
    assert run["statistics"] == load_statistics(statistics).digest
    assert run["normalisation"] == scene.NORMALISATION
    assert run["image_size"] == [scene.SIDE, scene.SIDE]
    assert len(run["teacher"]["sha256"]) == 64
    assert [job["classes"] for job in recipe["jobs"]] == [[own] for own in range(6)]
    assert all(job["loss"]["norm"] > 0 for job in recipe["jobs"])
    assert str(tmp_path) not in json.dumps(recipe)


def test_real_images_without_iterations_are_copied(statistics, tmp_path) -> None:
    recover(
        None, tmp_path / "run", Network(), ipc=2, iterations=0, init="images", png=True,
        images=statistics.parent / "images", **INPUTS,
    )  # fmt: skip
    for own in range(scene.CLASSES):
        source = (statistics.parent / f"images/class{own:02}").iterdir()
        known = {np.asarray(Image.open(path)).tobytes() for path in source}
        copies = list((tmp_path / f"run/class{own:02}").iterdir())
        assert len(copies) == 2
        assert {np.asarray(Image.open(path)).tobytes() for path in copies} <= known


def test_classes_without_names_are_numbered_so_that_text_is_in_order(tmp_path) -> None:
    model = Network(classes=12)
    options = {**ACROSS, "classes": 12, "iterations": 0}
    recover(None, tmp_path / "run", model, **options)
    assert list_images(tmp_path / "run").classes == tuple(f"{own:02}" for own in range(12))


@pytest.mark.parametrize("method", ["classwise", "lpld"])
def test_classes_that_share_a_pass_are_recovered_alike(statistics, tmp_path, method) -> None:
    options = {**SHORT, "png": True, "method": method, "iterations": 3}
    recover(statistics, tmp_path / "alone", Network(), **options)
    recover(statistics, tmp_path / "together", Network(), **options, group=4)
    alone, together = (
        {name: content for name, content in contents(tmp_path / kind).items() if "png" in name}
        for kind in ("alone", "together")
    )
    assert alone.keys() == together.keys()
    for name in alone:
        left, right = (
            np.asarray(Image.open(tmp_path / kind / name)).astype(int)
            for kind in ("alone", "together")
        )
        assert (abs(left - right) <= 1).mean() > 0.99


def test_classwise_batches_match_the_statistics_of_the_network(statistics, tmp_path) -> None:
    """Row 2 of the paper's Table VII: its images differ from those of LPLD by the targets alone."""
    start = {**SHORT, "png": True}
    for name, options in {"class": {}, "network": {"method": "classwise"}}.items():
        recover(statistics, tmp_path / name, Network(), **start, **options)
        recover(
            statistics, tmp_path / f"{name}-first", Network(), **{**start, "iterations": 0},
            **options,
        )  # fmt: skip
    images = {
        name: {key: value for key, value in contents(tmp_path / name).items() if "png" in key}
        for name in ("class", "network", "class-first", "network-first")
    }
    assert images["class-first"] == images["network-first"]
    assert images["class"] != images["network"]


def test_a_contact_sheet_shows_a_row_per_class(statistics, tmp_path) -> None:
    recover(
        statistics, tmp_path / "run", Network(), **SHORT, png=True, preview=tmp_path / "sheet.png"
    )
    with Image.open(tmp_path / "sheet.png") as sheet:
        factor = 64 // scene.SIDE
        cell = scene.SIDE * factor + 2
        assert sheet.size == (2 * cell + 2, 6 * cell + 2)
        with Image.open(tmp_path / "run/class02/00001.png") as image:
            expected = np.asarray(image).repeat(factor, 0).repeat(factor, 1)
        top, left = 2 * cell + 2, cell + 2
        shown = np.asarray(sheet)[top : top + cell - 2, left : left + cell - 2]
        assert (shown == expected).all()


def test_jpeg_quality_changes_the_size(statistics, tmp_path) -> None:
    sizes = [
        recover(statistics, tmp_path / str(q), Network(), **SHORT, quality=q).bytes for q in (5, 95)
    ]
    assert sizes[0] < sizes[1]
    assert ImageFormat(png=True).suffix == ".png"


class Nothing(nn.Module):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.flatten(1)[:, : scene.CLASSES]


@pytest.mark.parametrize(
    ("model", "options", "error", "message"),
    [
        (Nothing(), {}, MismatchError, "has no BatchNorm layers"),
        (Network(), {"method": "lpld"}, ConfigError, "pass the file that `squeeze` writes"),
        (Network(), {"classes": None}, ConfigError, "pass `classes`"),
        (Network(), {"class_range": (4, 9)}, ConfigError, "classes are 0:6"),
        (Network(), {"init": "patches"}, ConfigError, "needs real `images`"),
        (Network(), {"images": "x"}, ConfigError, "takes no real `images`"),
        (Network(), {"quality": 0}, ConfigError, "`quality`"),
        (Network(), {"preview": "sheet.gif"}, ConfigError, "ends in .png"),
        (Network(), {"learning_rate": -1.0}, ConfigError, "`learning_rate`"),
        (Network(), {"class_map": ["a/b", *"cdefg"]}, ConfigError, "cannot name a folder"),
        (Network(), {"class_map": [".a", *"cdefg"]}, ConfigError, "cannot name a folder"),
        (Network(7), {}, MismatchError, "7"),
    ],
)
def test_what_cannot_be_recovered_is_refused(tmp_path, model, options, error, message) -> None:
    with pytest.raises(error, match=message):
        recover(None, tmp_path / "run", model, **{**ACROSS, **options})
    assert not list(tmp_path.rglob("*.jpg"))


def test_statistics_of_another_model_are_refused(statistics, tmp_path) -> None:
    other = Network()
    with torch.no_grad():
        other.conv.weight += 1
    with pytest.raises(MismatchError, match="statistics of other weights"):
        recover(statistics, tmp_path / "run", other, **SHORT)


def test_statistics_of_other_inputs_are_refused(statistics, tmp_path) -> None:
    other = {"mean": [0.1, 0.2, 0.3], "std": [1, 1, 1]}
    with pytest.raises(MismatchError, match="leave `normalisation` out, or squeeze again"):
        recover(statistics, tmp_path / "run", Network(), **SHORT, normalisation=other)
    with pytest.raises(MismatchError, match="image size"):
        recover(statistics, tmp_path / "run", Network(), **SHORT, image_size=9)


def test_classes_that_were_not_squeezed_are_left_out_and_told(tmp_path) -> None:
    folder = scene.images(tmp_path / "images", count=12, classes=4)
    stats = tmp_path / "stats.safetensors"
    names = [f"class{own:02}" for own in range(scene.CLASSES)]
    squeeze(folder, stats, Network(), class_map=names, note=lambda line: None, **INPUTS)
    notes = []
    report = recover(stats, tmp_path / "run", Network(), **SHORT, note=notes.append)
    assert report.classes == 4
    assert "2 classes without images" in notes[0]
    assert "'class04'" in notes[0]


def test_classes_of_a_single_image_are_told(tmp_path) -> None:
    folder = scene.images(tmp_path / "images", count=8)  # two classes have two images
    stats, notes = tmp_path / "stats.safetensors", []
    squeeze(folder, stats, Network(), note=lambda line: None, **INPUTS)
    recover(stats, tmp_path / "run", Network(), **SHORT, note=notes.append)
    assert "4 classes with the statistics of a single image, such as 'class02'" in notes[0]


def test_a_loss_that_is_not_finite_ends_the_run(statistics, tmp_path) -> None:
    with pytest.raises(DataError, match="the loss is not finite; lower `learning_rate`"):
        recover(statistics, tmp_path / "run", Network(), **SHORT, alpha=1e39)


def test_a_batch_that_does_not_fit_names_micro_batches(statistics, tmp_path, monkeypatch) -> None:
    class Large(Network):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            if len(images) > 1:
                raise RuntimeError("DefaultCPUAllocator: can't allocate memory: 4 bytes")
            return super().forward(images)

    with pytest.raises(MismatchError, match=r"a batch of 2 images .* pass `micro_batch`"):
        recover(statistics, tmp_path / "run", Large(), **SHORT)
    recover(statistics, tmp_path / "small", Large(), **SHORT, micro_batch=1)


def test_the_teacher_can_be_trained_afterwards(statistics, tmp_path) -> None:
    model = Network()
    recover(statistics, tmp_path / "run", model, **SHORT)
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_a_file_and_a_foreign_folder_are_not_written_to(statistics, tmp_path) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/mine").write_text("mine")
    for name in ("file", "folder"):
        for resume in (False, True):
            with pytest.raises(MismatchError, match=r"is a file|exists already|not left of a run"):
                recover(statistics, tmp_path / name, Network(), **SHORT, resume=resume)
    assert contents(tmp_path) == {"file": b"mine", "folder/mine": b"mine"}
