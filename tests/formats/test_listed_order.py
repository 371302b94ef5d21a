"""Image orders that a file lists: checked against the labels, and read with care."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from labelcodec.errors import DumpError
from labelcodec.formats import open_dump
from labelcodec.formats.image_order import by_batch, read_lists
from labelcodec.formats.lpqld import epochs_of
from tests.formats.builders import (
    BATCH_SIDE,
    EPOCH_SIDE,
    Recipe,
    epoch_dump,
    flat_dump,
    loader_order,
)

DATA = Path(__file__).parents[2] / ".." / "shared" / "data" / "in1k-sre2l"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="../shared/data/in1k-sre2l is absent")


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
