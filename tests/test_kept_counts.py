from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import labelcodec
from labelcodec import Augmentation, Header, LabelBatch, Labels
from labelcodec.errors import DataError, DumpError
from labelcodec.formats import write_dump
from labelcodec.kept_counts import by_count, join, pad
from tests.codecs.content import Recipe, batch, recipes, same


def three(tail: str, **others) -> Labels:
    """Labels of 6 classes with the probabilities 0.5, 0.3 and 0.1 or logits; the second has one."""
    value = np.float32([[0.5, 0.3, 0.1], [0.5, 9, 9]])
    labels = Labels(6, value, np.array([[4, 0, 2], [1, 1, 1]]), tail=tail, precision="float32")
    return pad(replace(labels, **others), np.array([3, 1]))


class TestPadding:
    def test_classes_are_the_smallest_that_are_left_out(self):
        labels = three("zero")
        assert labels.index.tolist() == [[4, 0, 2], [1, 0, 2]]
        assert labels.count.tolist() == [3, 1]
        assert "top-1 to top-3 logits" in repr(labels)

    @pytest.mark.parametrize(
        ("labels", "left_out"),
        [
            (three("zero"), -np.inf),
            (three("zero", space="probabilities"), 0),
            (three("uniform", space="probabilities"), np.float32(0.1)),
            (three("floor", floor=np.float32([-3, -2])), -2),
        ],
        ids=["zero logits", "zero", "uniform", "floor"],
    )
    def test_the_distribution_is_that_of_the_kept_classes(self, labels, left_out):
        """As if the second label had been stored alone, as a top-1 label."""
        assert labels.value[1].tolist() == [0.5, left_out, left_out]
        alone = replace(labels.rows(np.array([1])), count=None)
        alone = replace(alone, value=alone.value[:, :1], index=alone.index[:, :1])
        assert labels.dense()[1].tolist() == pytest.approx(alone.dense()[0].tolist())

    def test_all_keep_k(self):
        labels = three("zero")
        assert pad(labels, np.array([3, 3])).count is None

    def test_what_is_missing_is_summed_in_order_of_rank(self):
        """Clause T-23: of what is nearly 1, the order of the additions decides the last bits."""
        rng = np.random.default_rng(0)
        weight = np.exp(rng.normal(scale=8, size=(50, 40)))
        value = -np.sort(-weight / weight.sum(axis=1, keepdims=True)).astype(np.float32)
        labels = Labels(
            47,
            np.concatenate([value, value[:, -1:]], axis=1),
            np.tile(np.arange(41), (50, 1)),
            space="probabilities",
            precision="float32",
            tail="uniform",
        )
        padded = pad(labels, np.full(50, 40)).value[:, 40]
        for row, share in zip(value.tolist(), padded.tolist(), strict=True):
            total = 0.0
            for probability in row:
                total += probability
            assert share == np.float32((1 - total) / 7)

    def test_numbers_that_cannot_be(self):
        labels = three("zero")
        for count in ([3], [0, 3], [3, 4], [3.0, 1.0]):
            with pytest.raises(DataError, match="numbers of kept classes"):
                pad(labels, count)
        with pytest.raises(DataError, match="full labels keep all classes"):
            pad(Labels(3, np.zeros((2, 3), np.float16)), np.array([1, 2]))

    @settings(max_examples=60, deadline=None)
    @given(recipes().filter(lambda recipe: recipe.k), st.data())
    def test_groups(self, recipe, data):
        labels = replace(batch(recipe).labels, count=None)
        k = recipe.k
        count = data.draw(
            st.lists(st.integers(1, k), min_size=recipe.samples, max_size=recipe.samples)
        )
        labels = pad(labels, np.array(count))
        groups = by_count(labels)
        assert [group.k for _, group in groups] == sorted(set(count))
        assert np.sort(np.concatenate([rows for rows, _ in groups])).tolist() == list(
            range(recipe.samples)
        )
        assert same(join(groups, k), labels)


class TestStored:
    def recoded(self, tmp_path, labels, spec):
        header = Header(6, labels.space, labels.precision, labels.tail, labels.k)
        own = LabelBatch(0, 0, np.arange(len(labels)), Augmentation(), labels)
        with labelcodec.Writer(tmp_path / "a.slc", header, "topk") as writer:
            writer.add(own)
        labelcodec.recode(tmp_path / "a.slc", tmp_path / "b.slc", spec)
        with labelcodec.open(tmp_path / "b.slc") as reader:
            return reader[0].labels

    def test_fewer_classes(self, tmp_path):
        """Of each label the two largest, of one that has fewer, these."""
        labels = self.recoded(tmp_path, three("zero"), "topk:k=2")
        assert (labels.k, labels.count.tolist()) == (2, [2, 1])
        assert labels.index.tolist() == [[4, 0], [1, 0]]

    def test_classes_that_all_keep(self, tmp_path):
        labels = self.recoded(tmp_path, three("zero"), "topk:k=1")
        assert labels.count is None and labels.index.tolist() == [[4], [1]]

    def test_draws(self, tmp_path):
        """What is left out has no probability, and is not drawn."""
        labels = self.recoded(tmp_path, three("zero"), "sampled:n=6")
        assert labels.dense()[1].tolist() == [0, 1, 0, 0, 0, 0]

    def test_a_writer_draws_from_them(self, tmp_path):
        """Fewer draws than a label keeps classes."""
        header = Header(6, tail="zero", k=3, precision="float32")
        own = LabelBatch(0, 0, np.arange(2), Augmentation(), three("zero"))
        with labelcodec.Writer(tmp_path / "a.slc", header, "sampled:n=2") as writer:
            writer.add(own)
        with labelcodec.open(tmp_path / "a.slc") as reader:
            assert reader[0].labels.count is None
            assert reader[0].labels.dense()[1].tolist() == [0, 1, 0, 0, 0, 0]

    def test_padding_is_not_nonfinite(self, tmp_path):
        self.recoded(tmp_path, three("zero"), "topk")
        assert labelcodec.stats(tmp_path / "b.slc").nonfinite_labels == 0

    def test_accounting(self, tmp_path):
        """The entropy of the streams is near their size, as it is of labels of one k."""
        made = batch(Recipe(classes=40, samples=3000, k=12, tail="zero", varying=True))
        header = Header(40, tail="zero", k=12)
        with labelcodec.Writer(tmp_path / "a.slc", header, "topk") as writer:
            writer.add(made)
        stats = labelcodec.stats(tmp_path / "a.slc")
        for name in ("label index", "label values"):
            cost = stats.streams[name]
            assert cost.entropy_bytes == pytest.approx(cost.bytes, rel=0.06), name


def test_layouts_of_images_cannot_hold_them(tmp_path):
    own = LabelBatch(3, 0, np.arange(2), Augmentation(), three("zero"))
    for layout in ("sre2l", "lpqld"):
        with pytest.raises(DumpError, match=r"batch 3: its labels keep different .* layout "):
            write_dump([own], tmp_path / layout, layout, {})
        assert not (tmp_path / layout).exists()


@pytest.mark.parametrize("count", [[0, 1], [1, 4], [1], [1.0, 2.0]])
def test_numbers_that_cannot_be(tmp_path, count):
    labels = replace(three("zero"), count=np.array(count))
    with (
        labelcodec.Writer(tmp_path / "a.slc", Header(6, tail="zero", k=3), "topk") as writer,
        pytest.raises(DataError, match="kept classes"),
    ):
        writer.add(LabelBatch(0, 0, np.arange(2), Augmentation(), labels))
