"""Image orders: drawn again from the seed, and never believed unchecked."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from labelcodec.errors import DumpError
from labelcodec.formats import open_dump
from labelcodec.formats.image_order import SeedOrder, by_batch, read_lists
from labelcodec.formats.lpqld import epochs_of
from labelcodec.formats.order_check import Agreement
from tests.formats.builders import Recipe, epoch_dump, loader_order

DATA = Path(__file__).parents[2] / ".." / "shared" / "data" / "in1k-sre2l"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="../shared/data/in1k-sre2l is absent")


@pytest.mark.parametrize("seed", [42, 7])
def test_seeded_order_is_random_samplers(seed):
    drawn = loader_order(37, 6, seed)
    order = SeedOrder(seed, 37, 10, 4)
    for epoch in (5, 0, 3, 1, 5):
        batches = [order.indices(4 * epoch + batch) for batch in range(4)]
        assert [len(batch) for batch in batches] == [10, 10, 10, 7]
        assert np.concatenate(batches).tolist() == drawn[epoch]


@pytest.mark.data
@needs_data
def test_seeded_order_is_what_a_real_dump_recorded():
    recorded = json.loads((DATA / "image_order.json").read_text())
    order = SeedOrder(42, 1000, 128, 8)
    for epoch, images in enumerate(recorded):
        assert order.permutation(epoch).tolist() == images


@pytest.mark.data
@needs_data
def test_real_dump_without_its_order_file(tmp_path):
    for epoch in range(3):
        (tmp_path / f"epoch_{epoch}").symlink_to((DATA / f"epoch_{epoch}").resolve())
    dump = open_dump(tmp_path)
    assert "loader seed 42; checked: " in dump.info.image_order
    assert (dump.read(17).image_index == open_dump(DATA).read(17).image_index).all()
    with pytest.raises(DumpError, match="not that of loader seed 41"):
        open_dump(tmp_path, loader_seed=41)


@pytest.mark.parametrize("mix", [None, "cutmix"])
def test_right_seed_is_accepted(tmp_path, mix):
    root = epoch_dump(tmp_path / "a", loader_order(40, 3), 16, Recipe(mix=mix))
    dump = open_dump(root)
    assert "loader seed 42; checked: 80 of 80" not in dump.info.image_order
    assert "loader seed 42; checked: 120 of 120" in dump.info.image_order
    other = epoch_dump(tmp_path / "b", loader_order(40, 3, seed=5), 16, Recipe(mix=mix))
    assert "loader seed 5; checked" in open_dump(other, loader_seed=5).info.image_order


@pytest.mark.parametrize("seed", [None, 5, 42])
def test_wrong_seed_is_refused(tmp_path, seed):
    root = epoch_dump(tmp_path / "dump", loader_order(40, 3, seed=6), 16)
    with pytest.raises(DumpError, match=r"not that of loader seed.*Pass `image_order=FILE`, or"):
        open_dump(root, loader_seed=seed)


def test_one_epoch_cannot_be_checked(tmp_path):
    root = epoch_dump(tmp_path / "dump", loader_order(40, 1), 16)
    with pytest.raises(DumpError, match=r"cannot be checked. Pass `image_order=FILE`"):
        open_dump(root)
    dump = open_dump(root, loader_seed=42)
    assert "not checkable: one epoch" in dump.info.image_order
    assert dump.read(0).image_index.tolist() == loader_order(40, 1)[0][:16]


def test_labels_that_are_all_alike_prove_nothing(tmp_path):
    same_class = Recipe(classes=1)
    root = epoch_dump(tmp_path / "dump", loader_order(40, 3), 16, same_class)
    with pytest.raises(DumpError, match="by chance it would be 120"):
        open_dump(root)


def test_large_dumps_are_checked_from_a_few_batches(tmp_path, monkeypatch):
    read = []
    from labelcodec.formats import epoch_folders

    real = epoch_folders.load
    monkeypatch.setattr(epoch_folders, "load", lambda file: read.append(file) or real(file))
    root = epoch_dump(tmp_path / "dump", loader_order(4000, 2), 40, Recipe(classes=40, mix=None))
    open_dump(root)
    assert len(read) == 2 + 2 * 32  # sqrt(400 * 4000) / 40 batches of each epoch


@pytest.mark.parametrize(
    ("pairs", "agreeing", "chance", "holds"),
    [(1000, 400, 1.0, True), (1000, 3, 1.0, False), (1000, 550, 500.0, False), (5, 0, 0.1, False)],
)
def test_criterion(pairs, agreeing, chance, holds):
    assert Agreement(pairs, agreeing, chance).holds is holds


def test_a_new_epoch_starts_where_an_image_repeats():
    lists = [[0, 1], [2, 3], [1, 0], [4, 2], [5, 5], [5, 1]]
    order = by_batch([np.array(one) for one in lists])
    assert epochs_of(order).tolist() == [0, 0, 1, 1, 1, 2]


@pytest.mark.parametrize(
    "entry", [[0, True, 2], [True, False], [], [0.5], [[1], [2]], "abc", 3, {"0": 1}, [1 << 70]]
)
def test_only_integers_are_image_indices(tmp_path, entry):
    file = tmp_path / "order.json"
    file.write_text(json.dumps([[0, 1], entry]))
    with pytest.raises(DumpError, match="entry 1 is not a list of image indices"):
        read_lists(file)


def test_a_list_that_cannot_be_read(tmp_path):
    with pytest.raises(DumpError, match=f"{tmp_path.name}: is a folder"):
        read_lists(tmp_path)
