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
from labelcodec.formats.image_order import SeedOrder, by_batch, read_lists
from labelcodec.formats.lpqld import epochs_of
from labelcodec.formats.order_check import LabelLikeness, LabelSample, check_order
from tests.formats.builders import (
    BATCH_SIDE,
    EPOCH_SIDE,
    ORDER_SIDE,
    Recipe,
    changed,
    epoch_dump,
    flat_dump,
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


def other_order(epochs: int = 3, images: int = 40) -> list[list[int]]:
    return [np.random.default_rng(epoch).permutation(images).tolist() for epoch in range(epochs)]


class TestListed:
    """A list in the dump is checked, too: LPLD's trainer writes its own into any dump."""

    def test_list_that_the_labels_confirm(self, tmp_path):
        root = epoch_dump(tmp_path / "dump", other_order(), 16, side_file=EPOCH_SIDE)
        assert "; checked: 40 of 40" in open_dump(root).info.image_order

    def test_list_of_the_trainer(self, tmp_path):
        """Not the labels' order, which is that of seed 42."""
        root = epoch_dump(tmp_path / "dump", loader_order(40, 3), 16)
        lists = {str(epoch): images for epoch, images in enumerate(other_order())}
        (root / EPOCH_SIDE).write_text(json.dumps(lists))
        dump = open_dump(root)
        assert "seed 42, not from sampler_indices_epoch.json" in dump.info.image_order
        assert dump.read(0).image_index.tolist() == loader_order(40, 3)[0][:16]

    def test_list_that_the_labels_contradict(self, tmp_path):
        root = epoch_dump(tmp_path / "dump", other_order(8, 200), 50, Recipe(mix=None))
        rng = np.random.default_rng(99)
        lists = {str(epoch): rng.permutation(200).tolist() for epoch in range(8)}
        (root / EPOCH_SIDE).write_text(json.dumps(lists))
        with pytest.raises(DumpError, match="not the order of the labels"):
            open_dump(root)
        order = tmp_path / "mine.json"
        order.write_text(json.dumps(lists))
        assert "the labels CONTRADICT it" in open_dump(root, image_order=order).info.image_order

    @pytest.mark.parametrize("make", [epoch_dump, flat_dump])
    def test_list_that_pairs_labels_no_better_than_chance(self, tmp_path, make):
        """Too few images for a contradiction; the user's own word goes."""
        root = make(tmp_path / "dump", other_order(6), 16, Recipe(mix=None))
        flat = make is flat_dump
        lists = [np.random.default_rng(60 + epoch).permutation(40).tolist() for epoch in range(6)]
        if flat:
            lists = [order[at : at + 16] for order in lists for at in (0, 16, 32)]
        side = root / (BATCH_SIDE if flat else EPOCH_SIDE)
        side.write_text(json.dumps({str(key): images for key, images in enumerate(lists)}))
        with pytest.raises(DumpError, match=r"not the order of the labels.*`image_order"):
            open_dump(root)
        assert "the labels CONTRADICT it" in open_dump(root, image_order=side).info.image_order

    def test_file_that_is_not_the_seed_s(self, tmp_path):
        root = epoch_dump(tmp_path / "dump", loader_order(40, 3), 16)
        order = tmp_path / "order.json"
        order.write_text(json.dumps(other_order()))
        with pytest.raises(DumpError, match="The labels have the order of loader seed 42"):
            open_dump(root, image_order=order)

    def test_list_of_which_the_labels_say_nothing(self, tmp_path):
        root = epoch_dump(tmp_path / "dump", other_order(), 16, Recipe(classes=1), EPOCH_SIDE)
        assert "the labels do not tell" in open_dump(root).info.image_order

    def test_list_that_is_shorter_than_the_dump(self, tmp_path):
        root = epoch_dump(tmp_path / "dump", other_order(5), 16, side_file=EPOCH_SIDE)
        lists = json.loads((root / EPOCH_SIDE).read_text())
        (root / EPOCH_SIDE).write_text(json.dumps({key: lists[key] for key in "012"}))
        with pytest.raises(DumpError, match=r"has no images for it.*`epochs_range=0:3` to keep"):
            open_dump(root)
        assert open_dump(root, epochs_range=(0, 3)).info.epochs == 3

    def test_short_list_of_the_trainer(self, tmp_path):
        """It trained for fewer epochs than the dump has; the labels are in seed 42's order."""
        root = epoch_dump(tmp_path / "dump", loader_order(40, 3), 16)
        lists = {str(epoch): images for epoch, images in enumerate(other_order(2))}
        (root / EPOCH_SIDE).write_text(json.dumps(lists))
        dump = open_dump(root)
        assert "seed 42, not from sampler_indices_epoch.json" in dump.info.image_order
        assert "which has no images for all of its batches" in dump.info.image_order
        assert dump.info.epochs == 3
        order = tmp_path / "order.json"
        (root / EPOCH_SIDE).rename(order)
        with pytest.raises(DumpError, match="has no images for it"):
            open_dump(root, image_order=order)

    @pytest.mark.parametrize("by_name", [False, True])
    def test_epochs_from_one(self, tmp_path, by_name):
        """Lists are numbered from 0, or as the epochs are; a range does not change which."""
        orders = other_order(6)
        root = epoch_dump(tmp_path / "dump", orders, 16)
        for epoch in range(5, -1, -1):
            (root / f"epoch_{epoch}").rename(root / f"epoch_{epoch + 1}")
        lists = {epoch + by_name: images for epoch, images in enumerate(orders)}
        (root / EPOCH_SIDE).write_text(json.dumps(lists))
        assert open_dump(root).read(3).image_index.tolist() == orders[1][:16]
        dump = open_dump(root, epochs_range=(2, 5))
        assert dump.read(3).image_index.tolist() == orders[2][:16]

    @pytest.mark.parametrize(("by_name", "missing"), [(False, 7), (True, 0)])
    def test_epochs_from_one_with_a_surplus_list(self, tmp_path, by_name, missing):
        orders = other_order(7)
        kept = orders[1:] if by_name else orders[:-1]
        root = epoch_dump(tmp_path / "dump", kept, 16)
        for epoch in range(5, -1, -1):
            (root / f"epoch_{epoch}").rename(root / f"epoch_{epoch + 1}")
        (root / EPOCH_SIDE).write_text(json.dumps(dict(enumerate(orders))))
        with pytest.raises(DumpError, match=f"epoch_{missing} is missing.*epochs_range=1:7"):
            open_dump(root)
        dump = open_dump(root, epochs_range=(1, 7))
        assert dump.read(3).image_index.tolist() == kept[1][:16]

    def test_epochs_from_one_of_which_the_labels_say_nothing(self, tmp_path):
        root = epoch_dump(tmp_path / "dump", other_order(2), 16, Recipe(classes=1))
        for epoch in (1, 0):
            (root / f"epoch_{epoch}").rename(root / f"epoch_{epoch + 1}")
        (root / EPOCH_SIDE).write_text(json.dumps(dict(enumerate(other_order(3)))))
        with pytest.raises(DumpError, match="do not tell whether list 1 or list 0 is that of"):
            open_dump(root, epochs_range=(1, 3))

    def test_torch_file_with_lists(self, tmp_path):
        root = epoch_dump(tmp_path / "dump", other_order(), 16)
        order = tmp_path / "order.pt"
        content = {str(epoch): torch.tensor(images) for epoch, images in enumerate(other_order())}
        for saved in (content, list(content.values()), torch.tensor(other_order())):
            torch.save(saved, order)
            assert "checked" in open_dump(root, image_order=order).info.image_order
        for saved in (torch.zeros(3), torch.rand(3, 40), [torch.zeros(3, 2).int()], [[]], 3, {}):
            torch.save(saved, order)
            with pytest.raises(DumpError, match=r"order\.pt"):
                open_dump(root, image_order=order)

    def test_batches_of_the_flat_layout(self, tmp_path):
        """The third image order: one list per batch."""
        right = flat_dump(tmp_path / "right", other_order(), 16)
        assert "; checked: 40 of 40" in open_dump(right).info.image_order
        wrong = flat_dump(tmp_path / "wrong", other_order(8, 200), 50)
        lists = json.loads((wrong / BATCH_SIDE).read_text())
        for epoch in range(8):
            images = np.random.default_rng(99 + epoch).permutation(200).reshape(4, 50).tolist()
            lists.update({str(4 * epoch + batch): images[batch] for batch in range(4)})
        (wrong / BATCH_SIDE).write_text(json.dumps(lists))
        with pytest.raises(DumpError, match="not the order of the labels"):
            open_dump(wrong)


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
