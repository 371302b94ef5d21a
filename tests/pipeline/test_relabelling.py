from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import msgpack
import pytest
import torch

import labelcodec
from labelcodec.augmentation.seeded import draw
from labelcodec.errors import ConfigError, LabelcodecError, MismatchError
from labelcodec.images import list_images
from labelcodec.pipeline.distributed import Process
from labelcodec.pipeline.relabelling import relabel
from labelcodec.replay.dataset import ReplayDataset
from tests.codecs.content import same
from tests.pipeline import scene


class Stop(Exception):
    pass


def stop() -> None:
    raise Stop


def run(world: Path, target: Path, **more):
    return scene.relabel(world / "images", world / "teacher.safetensors", target, **more)


def test_labels_are_what_the_teacher_says_of_the_replayed_images(world) -> None:
    dataset = ReplayDataset(world / "labels.slc", world / "images")
    asked = scene.teacher(world / "teacher.safetensors").model
    assert [len(one) for one in dataset] == [4, 4, 4, 4, 4, 2] * 2
    for one in dataset:
        with torch.no_grad():
            expected = asked(one.images).half().float()
        assert torch.equal(one.labels.logits(), expected)


def test_the_header_says_how(world) -> None:
    with labelcodec.open(world / "labels.slc") as reader:
        header = reader.header
    assert (header.classes, header.images, header.epochs) == (6, 22, 2)
    assert (header.image_size, header.mix, header.interpolation) == ((8, 8), "cutmix", "bilinear")
    assert header.normalisation == scene.NORMALISATION
    assert header.teacher["name"] == scene.SMALL
    assert len(header.teacher["sha256"]) == 64
    assert header.recipe == scene.drawn(world / "images")


@pytest.mark.parametrize("workers", [0, 2])
def test_progress_and_report(world, tmp_path, workers) -> None:
    seen: list[tuple[int, int]] = []
    report = run(
        world, tmp_path / "deep/a.slc", workers=workers, progress=lambda *step: seen.append(step)
    )
    assert seen[-1:] == [(12, 12, "fitting dense to a sample")]  # of all the batches
    assert seen[:-1] == [(i + 1, 12) for i in range(12)]
    assert (report.batches, report.labels, report.files) == (12, 44, (tmp_path / "deep/a.slc",))
    assert report.bytes == (tmp_path / "deep/a.slc").stat().st_size
    assert (tmp_path / "deep/a.slc").read_bytes() == (world / "labels.slc").read_bytes()


@pytest.mark.parametrize("codec", ["dense", "topk:k=2", "transform:bytes=8"])
@pytest.mark.parametrize("calls", [3, 14])
def test_resumed_is_uninterrupted(world, tmp_path, monkeypatch, codec, calls) -> None:
    """Stopped while tables are fitted, or while batches are written."""
    for patch in scene.fit_to(12):
        monkeypatch.setattr(*patch)
    changes = {"epochs": 4, "codec": codec}
    run(world, tmp_path / "whole.slc", **changes)
    with pytest.raises(Stop):
        run(world, tmp_path / "a.slc", progress=scene.after(calls, stop), **changes)
    assert not (tmp_path / "a.slc").exists()
    with pytest.raises(MismatchError, match="resume=True"):
        run(world, tmp_path / "a.slc", **changes)
    seen: list[tuple[int, int]] = []
    resumed = {"resume": True, "progress": lambda *step: seen.append(step)}
    run(world, tmp_path / "a.slc", **resumed, **changes)
    assert (tmp_path / "a.slc").read_bytes() == (tmp_path / "whole.slc").read_bytes()
    assert [step for step in seen if len(step) == 2] == [(i, 24) for i in range(calls, 25)]
    assert {path.name for path in tmp_path.iterdir()} == {"a.slc", "whole.slc"}
    seen.clear()
    run(world, tmp_path / "a.slc", **resumed, **changes)
    assert seen == []


@pytest.mark.parametrize("calls", [3, 14])
def test_a_run_that_had_another_number_of_threads(world, tmp_path, monkeypatch, calls) -> None:
    """It goes on and says so, also where all is labelled that tables are fitted to."""
    for patch in scene.fit_to(12):
        monkeypatch.setattr(*patch)
    told: list[str] = []
    with pytest.raises(Stop):
        run(world, tmp_path / "a.slc", progress=scene.after(calls, stop), epochs=4)
    torch.set_num_threads(2)
    for stops in (2, 99, 99):
        with suppress(Stop):
            run(
                world, tmp_path / "a.slc", progress=scene.after(stops, stop), epochs=4,
                resume=True, note=told.append,
            )  # fmt: skip
    assert len(told) == 2  # and none of what is finished
    said = f"{tmp_path / 'a.slc'}: torch had threads=1 and has threads=2 now; the run continues"
    assert all(line.startswith(said) for line in told)
    assert labelcodec.open(tmp_path / "a.slc").header.source is None


def test_a_program_is_warned_of_another_number_of_threads(world, tmp_path) -> None:
    with pytest.raises(Stop):
        run(world, tmp_path / "a.slc", progress=scene.after(3, stop))
    torch.set_num_threads(2)
    with pytest.warns(UserWarning, match=r"a\.slc: torch had threads=1 .* not to the same bits"):
        run(world, tmp_path / "a.slc", resume=True)


@pytest.mark.parametrize("calls", [3, 14])
def test_what_an_earlier_version_left_goes_on(world, tmp_path, monkeypatch, calls) -> None:
    """It did not write its threads down."""
    for patch in scene.fit_to(12):
        monkeypatch.setattr(*patch)
    run(world, tmp_path / "whole.slc", epochs=4)
    with monkeypatch.context() as patch, pytest.raises(Stop):
        patch.setattr("labelcodec.pipeline.fitting_cache.replace", lambda header, source: header)
        run(world, tmp_path / "a.slc", progress=scene.after(calls, stop), epochs=4)
    run(world, tmp_path / "a.slc", resume=True, epochs=4)
    assert (tmp_path / "a.slc").read_bytes() == (tmp_path / "whole.slc").read_bytes()


def test_what_is_left_of_a_run_is_told_and_can_be_thrown_away(world, tmp_path) -> None:
    """All was labelled for the tables when the run stopped, and they were not fitted."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("labelcodec.writer.Writer.adopt", lambda *_: stop())
        with pytest.raises(Stop) as caught:
            run(world, tmp_path / "a.slc")
    assert [path.name for path in tmp_path.iterdir()] == ["a.slc.fitting"]
    assert "a.slc.fitting keeps what was labelled" in caught.value.__notes__[0]
    with pytest.raises(MismatchError, match=r"a\.slc\.fitting: is left of an interrupted run"):
        run(world, tmp_path / "a.slc")
    other = r"a\.slc\.fitting: exists already and belongs to another"
    with pytest.raises(MismatchError, match=other) as refused:
        run(world, tmp_path / "a.slc", changes={"seed": 4}, resume=True)
    assert not hasattr(refused.value, "__notes__")  # to resume=True would not help
    run(world, tmp_path / "a.slc", changes={"seed": 4}, force=True)
    assert [path.name for path in tmp_path.iterdir()] == ["a.slc"]
    with labelcodec.open(tmp_path / "a.slc") as reader:
        assert reader.header.recipe.seed == 4


@pytest.mark.parametrize(
    "changes",
    [{"changes": {"seed": 4}}, {"epochs": 3}, {"codec": "topk:k=3"}, {"keep": 0.5}],
    ids=lambda changes: next(iter(changes)),
)
@pytest.mark.parametrize("finished", [False, True])
def test_another_run_cannot_be_resumed(world, tmp_path, monkeypatch, changes, finished) -> None:
    for patch in scene.fit_to(4):
        monkeypatch.setattr(*patch)
    if finished:
        run(world, tmp_path / "a.slc")
    else:
        with pytest.raises(Stop):
            run(world, tmp_path / "a.slc", progress=scene.after(11, stop))
    with pytest.raises(MismatchError, match=r"a\.slc"):
        run(world, tmp_path / "a.slc", resume=True, **changes)


def test_what_exists_is_kept(world, tmp_path) -> None:
    (tmp_path / "a.slc").write_bytes(b"precious")
    with pytest.raises(MismatchError, match="force=True"):
        run(world, tmp_path / "a.slc")
    assert (tmp_path / "a.slc").read_bytes() == b"precious"
    run(world, tmp_path / "a.slc", force=True)
    assert labelcodec.open(tmp_path / "a.slc").header.classes == 6


@pytest.mark.parametrize("codec", ["dense", "topk:k=3", "transform:bytes=12"])
def test_a_damaged_image_costs_no_labels(tmp_path, world, codec) -> None:
    """What was labelled before stays. Mended, the image is another one than the file speaks of."""
    images = scene.images(tmp_path / "images")
    recipe = scene.drawn(images)
    last = draw(recipe, 5)[0][0]  # an image of the last batch of its epoch
    name = images / list_images(images).paths[last]
    good = name.read_bytes()
    name.write_bytes(good[:60])
    given = images, world / "teacher.safetensors", tmp_path / "a.slc"
    with pytest.raises(MismatchError, match=name.name) as caught:
        scene.relabel(*given, codec=codec)
    assert "keeps the 5 batches" in caught.value.__notes__[0]
    seen: list[tuple[int, int]] = []
    with pytest.raises(MismatchError, match=name.name):
        scene.relabel(*given, codec=codec, resume=True, progress=lambda *step: seen.append(step))
    assert seen == []
    name.write_bytes(good)
    with pytest.raises(MismatchError, match=r"'content' is .* there and .* now"):
        scene.relabel(*given, codec=codec, resume=True)
    scene.relabel(*given, codec=codec, force=True)
    assert len(labelcodec.open(tmp_path / "a.slc")) == 12


def test_keep_leaves_out_incomplete_batches(world, tmp_path) -> None:
    report = run(world, tmp_path / "a.slc", keep=0.7)
    assert (report.batches, report.labels) == (7, 28)
    with (
        labelcodec.open(tmp_path / "a.slc") as pruned,
        labelcodec.open(world / "labels.slc") as whole,
    ):
        assert pruned.index.number.tolist() == [0, 1, 2, 3, 4, 6, 7]
        assert all(same(one, whole[one.number]) for one in pruned)


@pytest.mark.parametrize("rank", [0, 12])
def test_more_processes_than_batches(world, tmp_path, rank) -> None:
    """Each process says so, and none begins a file."""
    with pytest.raises(ConfigError, match=r"more processes \(13\) than batches \(12\)"):
        run(world, tmp_path / "a.slc", here=Process(rank, 13, torch.device("cpu")))
    assert not list(tmp_path.iterdir())


def test_augmentation_takes_no_room(world, tmp_path) -> None:
    """A small run: the recipe's bytes in the header are all there is of F."""
    report = run(world, tmp_path / "a.slc", epochs=110)
    with labelcodec.open(tmp_path / "a.slc") as reader:
        for i in (0, 5, 500):
            assert set(reader.component_bytes(i)) == {"label values", "framing and index"}
        header = reader.header
    packed = [len(msgpack.packb(replace(header, recipe=r).to_map())) for r in (header.recipe, None)]
    assert packed[0] - packed[1] <= 0.1 * report.labels


def test_names_are_stored_where_they_cost_little(world, tmp_path) -> None:
    run(world, tmp_path / "a.slc", epochs=110)
    assert labelcodec.open(world / "labels.slc").names is None
    assert labelcodec.open(tmp_path / "a.slc").names == list_images(world / "images").paths


@pytest.mark.parametrize(
    "changes",
    [
        {"mix": None, "flip": None},
        {"mix": "mixup", "alpha": 0.8},
        {"scale": None, "cutout": 0.5},
        {"operations": 2, "magnitude": 9.0},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_every_augmentation_replays(world, tmp_path, changes) -> None:
    run(world, tmp_path / "a.slc", changes=changes, epochs=1, interpolation="bicubic")
    dataset = ReplayDataset(tmp_path / "a.slc", world / "images")
    assert dataset.interpolation == "bicubic"
    asked = scene.teacher(world / "teacher.safetensors").model
    for one in dataset:
        with torch.no_grad():
            assert torch.equal(one.labels.logits(), asked(one.images).half().float())


def test_a_teacher_with_fewer_classes_than_the_folder(world, tmp_path) -> None:
    few = scene.teacher(scene.weights(tmp_path / "few.safetensors", 5), classes=5)
    with pytest.raises(MismatchError, match="has 6 classes, the teacher 5"):
        run(world, tmp_path / "a.slc", teacher=few)


def test_a_teacher_with_more_classes_than_the_folder(world, tmp_path) -> None:
    many = scene.teacher(scene.weights(tmp_path / "many.safetensors", 9), classes=9)
    run(world, tmp_path / "a.slc", teacher=many)
    assert labelcodec.open(tmp_path / "a.slc")[0].labels.dense().shape == (4, 9)


def test_errors_are_the_librarys(world, tmp_path) -> None:
    with pytest.raises(ConfigError, match="unknown codec 'zip'"):
        run(world, tmp_path / "a.slc", codec="zip")
    with pytest.raises(LabelcodecError, match=r"topk:k=7 keeps 7 classes"):
        run(world, tmp_path / "a.slc", codec="topk:k=7")
    assert not list(tmp_path.iterdir())


def test_images_that_cannot_be_read_are_told_first_or_left_out(world, tmp_path) -> None:
    images = scene.images(tmp_path / "images")
    bad = images / list_images(images).paths[3]
    good = bad.read_bytes()
    bad.write_bytes(good[: len(good) // 2])
    options = {"weights": world / "teacher.safetensors", "image_size": scene.SIDE, "epochs": 2,
               "batch_size": scene.BATCH, "device": "cpu"}  # fmt: skip
    out = tmp_path / "a.slc"
    with pytest.raises(MismatchError, match=rf"{bad.name}: cannot read.*`skip_bad=True`"):
        relabel(images, out, scene.SMALL, **options)
    assert not list(tmp_path.glob("a.slc*"))
    notes: list[str] = []
    relabel(images, out, scene.SMALL, skip_bad=True, note=notes.append, **options)
    assert f"left out 1 image that cannot be read: {list_images(images).paths[3]}" in notes[0]
    with labelcodec.open(out) as reader:
        assert reader.header.images == scene.IMAGES - 1
    with pytest.warns(UserWarning, match="1 of its 22 images has no labels"):
        dataset = ReplayDataset(out, images)  # whether the bad image is still there
    assert len(dataset.listing) == scene.IMAGES - 1 and len(dataset[0])
    bad.write_bytes(good)
    relabel(images, out, scene.SMALL, force=True, note=notes.append, **options)
    assert sum("left out" in line for line in notes) == 1
