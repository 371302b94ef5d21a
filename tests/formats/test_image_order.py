"""Image orders: drawn again from the seed, and never believed unchecked."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from labelcodec.errors import DumpError
from labelcodec.formats import open_dump, write_dump
from labelcodec.formats.image_order import SeedOrder
from labelcodec.formats.order_check import LabelLikeness, LabelSample, check_order
from tests.formats.builders import (
    ORDER_SIDE,
    Recipe,
    changed,
    epoch_dump,
    image_folder,
    loader_order,
    read_all,
    same_dumps,
)

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
    with pytest.raises(DumpError, match="not that of loader seed 41 but that of loader seed 42"):
        open_dump(tmp_path, loader_seed=41)


@pytest.mark.parametrize("mix", [None, "cutmix"])
def test_right_seed_is_accepted(tmp_path, mix):
    root = epoch_dump(tmp_path / "a", loader_order(40, 3), 16, Recipe(mix=mix))
    dump = open_dump(root)
    assert "loader seed 42; checked: 40 of 40" in dump.info.image_order  # two epochs are enough
    other = epoch_dump(tmp_path / "b", loader_order(40, 3, seed=5), 16, Recipe(mix=mix))
    assert "loader seed 5; checked" in open_dump(other, loader_seed=5).info.image_order


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("of_label", [slice(0, 1), slice(None)])
def test_labels_that_are_not_finite_do_not_hide_the_others(tmp_path, value, of_label):
    def spoil(saved, _):
        saved[5][0, of_label] = value
        return saved

    orders = loader_order(40, 3)
    root = changed(epoch_dump(tmp_path, orders, 16), spoil, orders, 16)
    told = open_dump(root).info.image_order
    assert "loader seed 42; checked" in told
    assert float(re.search(r"similarity is \+([0-9.]+)", told)[1]) > 0.5


def test_the_check_goes_on_until_the_answer_is_clear(tmp_path):
    root = epoch_dump(tmp_path / "dump", loader_order(6, 12), 6, Recipe(mix=None))
    sentence = open_dump(root).info.image_order
    pairs = int(re.search(r"of (\d+) pairs", sentence)[1])
    assert "checked" in sentence
    assert pairs in (3 * 6, 6 * 6)  # three or four epochs, of twelve


def test_labels_that_rarely_agree_confirm_the_seed_over_many_epochs(tmp_path):
    """As CV-DD's: one image per class, one batch per epoch, images that CutMix mixes up."""
    orders = loader_order(10, 30)
    rng = np.random.default_rng(1)
    images = rng.normal(size=(10, 10))

    def weak(saved, indices):
        logits = 0.45 * images[indices] + rng.normal(size=(10, 10))
        return [*saved[:5], torch.from_numpy(logits).half()]

    root = changed(epoch_dump(tmp_path / "dump", orders, 10), weak, orders, 10)
    sentence = open_dump(root).info.image_order
    agreeing, pairs = map(int, re.search(r"(\d+) of (\d+) pairs", sentence).groups())
    assert "seed 42; checked" in sentence
    assert agreeing < pairs / 4 and pairs > 100
    with pytest.raises(DumpError, match="not that of loader seed 3 but that of loader seed 42"):
        open_dump(root, loader_seed=3)


def test_wrong_seed_is_refused(tmp_path):
    root = epoch_dump(tmp_path / "dump", loader_order(200, 8, seed=6), 50, Recipe(mix=None))
    with pytest.raises(
        DumpError, match=r"it is not that of loader seed 42.*Pass `image_order=FILE`"
    ):
        open_dump(root)


def test_seed_of_which_the_labels_say_nothing(tmp_path):
    root = epoch_dump(tmp_path / "dump", loader_order(24, 3, seed=6), 16)
    with pytest.raises(DumpError, match="do not tell whether it is that of loader seed 42"):
        open_dump(root)


def test_seed_that_the_user_passes_is_taken_with_a_doubt(tmp_path):
    few = epoch_dump(tmp_path / "few", loader_order(24, 3, seed=6), 16)
    sentence = open_dump(few, loader_seed=5).info.image_order
    assert "loader seed 5, as `loader_seed` says; the labels do not tell" in sentence
    many = epoch_dump(tmp_path / "many", loader_order(200, 8, seed=6), 50, Recipe(mix=None))
    dump = open_dump(many, loader_seed=5)
    assert "as `loader_seed` says; the labels CONTRADICT it" in dump.info.image_order
    assert dump.read(4).image_index.tolist() == loader_order(200, 8, seed=5)[1][:50]


def test_seed_is_refused_if_the_labels_have_the_order_of_the_usual_one(tmp_path):
    root = epoch_dump(tmp_path / "dump", loader_order(40, 3), 16)
    with pytest.raises(DumpError, match=r"seed 5 but that of loader seed 42: 40 of 40 pairs"):
        open_dump(root, loader_seed=5)


def test_one_permutation_per_epoch(tmp_path):
    """As torch up to 1.10 drew them."""
    generator = torch.Generator().manual_seed(42)
    orders = [torch.randperm(40, generator=generator).tolist() for _ in range(3)]
    dump = open_dump(epoch_dump(tmp_path / "dump", orders, 16))
    assert "loader seed 42 with one permutation per epoch" in dump.info.image_order
    assert [batch.image_index.tolist() for batch in read_all(dump)[3:6]] == [
        orders[1][:16],
        orders[1][16:32],
        orders[1][32:],
    ]


@pytest.mark.parametrize(("named", "drawn"), [(1, 0), (1, 1), (2, 0), (2, 2), (7, 0)])
def test_epochs_that_start_elsewhere(tmp_path, named, drawn):
    """Named from `named`, drawn as the loader's epoch `drawn` and on."""
    orders = loader_order(40, drawn + 3)[drawn:]
    root = epoch_dump(tmp_path / "dump", orders, 16)
    for epoch in (2, 1, 0):
        (root / f"epoch_{epoch}").rename(root / f"epoch_{epoch + named}")
    dump = open_dump(root)
    batches = read_all(dump)
    assert batches[3].image_index.tolist() == orders[1][:16]
    assert (batches[0].epoch, batches[0].number) == (drawn, 3 * drawn)
    write_dump(batches, tmp_path / "back", "sre2l", dump.info.types)
    assert same_dumps(root, tmp_path / "back")
    assert not (tmp_path / "back" / ORDER_SIDE).exists()


def test_loader_that_drops_the_last_batch(tmp_path):
    orders = loader_order(40, 3)
    root = epoch_dump(tmp_path / "dump", orders, 16, drop_last=True)
    with pytest.raises(DumpError, match=r"images, 32, is a guess.*the image folder as `images`"):
        open_dump(root)
    images = image_folder(tmp_path / "images", 40)
    dump = open_dump(root, images=images)
    assert dump.info.images == 40
    assert dump.read(2).image_index.tolist() == orders[1][:16]


def test_one_epoch_cannot_be_checked(tmp_path):
    root = epoch_dump(tmp_path / "dump", loader_order(40, 1), 16)
    with pytest.raises(DumpError, match=r"cannot be checked\. Pass `image_order=FILE`"):
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
    assert len(read) == 3 + 2 * 32  # sqrt(400 * 4000) / 40 batches of each epoch


@pytest.mark.parametrize(
    ("pairs", "excess", "variance", "verdict"),
    [
        (1000, 300.0, 20.0, "holds"),
        (1000, 40.0, 60.0, "unclear"),
        (1000, 0.0, 20.0, "contradicted"),
        (20, -1.0, 2.0, "unclear"),
        (0, 0.0, 0.0, "unclear"),
        (1000, 0.0, 0.0, "unclear"),  # labels that are all alike
    ],
)
def test_criterion(pairs, excess, variance, verdict):
    agreement = LabelLikeness(pairs, 0, 0.0, excess, variance, largest=1.0)
    assert agreement.verdict == verdict


@pytest.mark.parametrize(
    ("pairs", "chance", "excess", "against"),
    [
        (1000, 100.0, 0.0, True),  # contradicted
        (150, 15.0, 0.0, True),
        (150, 15.0, -9.0, True),
        (150, 15.0, 9.0, False),
        (150, 140.0, 0.0, False),  # labels that are mostly alike
        (90, 9.0, 0.0, False),
        (1000, 100.0, 300.0, False),  # holds
    ],
)
def test_labels_that_are_no_more_alike_than_chance(pairs, chance, excess, against):
    agreement = LabelLikeness(pairs, 0, chance, excess, variance=20.0, largest=1.0)
    assert agreement.speaks_against == against


@pytest.mark.parametrize("k", [None, 5])
def test_wrong_orders_are_not_taken_for_right_ones(k):
    """Clusters of alike images, heavy tails, and few images: no wrong order holds."""
    rng = np.random.default_rng(0)
    for images in (4, 10, 60):
        means = rng.standard_t(2, size=(3, 12))[rng.integers(0, 3, images)]
        for _ in range(40):
            drawn = [rng.permutation(images) for _ in range(4)]
            claimed = [rng.permutation(images) for _ in range(4)]
            values = [means[order] + rng.normal(size=(images, 12)) for order in drawn]

            def read(i, values=values):
                if k is None:
                    return values[i], None
                index = np.argsort(-values[i], axis=1)[:, :k]
                return np.take_along_axis(values[i], index, axis=1), index

            sample = LabelSample([[i] for i in range(4)], images, images, read)
            assert check_order(claimed.__getitem__, sample).verdict != "holds"
            if images == 60:
                assert check_order(drawn.__getitem__, sample).verdict == "holds"
