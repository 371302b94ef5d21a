"""The image orders of SPEC, section 13: the library, the reference decoder and draws.json agree."""

from __future__ import annotations

import json
import re
from itertools import islice
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelcodec.augmentation.sampler_order import MAX_WORDS, SamplerOrder
from labelcodec.header import FREE_IMAGES, IMAGES_PER_LABEL
from spec.reference_decoder import Invalid, order, read
from spec.vector_cases.order import PLAIN, draws, ordered, stored
from tests.spec.golden import VECTORS
from tests.spec.test_specification import section

STORED = json.loads((VECTORS / "v1.1" / "draws.json").read_text())


def test_the_library_draws_them() -> None:
    assert json.loads(json.dumps(draws())) == STORED


def test_the_reference_decoder_draws_them() -> None:
    for case in STORED["epoch permutation"]:
        key = (case[name] for name in ("seed", "images", "permutations", "epoch"))
        assert order.epoch_permutation(*key) == case["numbers"], case


def test_words_in_the_text() -> None:
    """Clause O-2: the generator's first words."""
    listed = re.search(r"With seed 42 the words are ([\d, ]+)\.\.\.", section("13.2"))
    assert listed
    expected = [int(word) for word in listed[1].replace(" ", "").strip(",").split(",")]
    assert list(islice(order.words(42), len(expected))) == expected
    assert np.random.RandomState(42)._bit_generator.random_raw(4).tolist() == expected  # type: ignore[attr-defined]


def test_keys_and_limits_in_the_text() -> None:
    keys = re.findall(r"^\| `(\w+)` \|", section("13.1"), re.M)
    assert keys == list(PLAIN.to_map()) == ["generator", *order.LIMITS]
    assert "at most 2^28" in section("13.3") and MAX_WORDS == 1 << 28
    assert "2^20 plus 16 times" in section("12.10")
    assert (FREE_IMAGES, IMAGES_PER_LABEL) == (1 << 20, 16)


@given(st.integers(0, 2**64 - 1), st.integers(1, 40), st.integers(1, 9), st.data())
@settings(max_examples=60, deadline=None)
def test_both_draw_the_same_batches(
    seed: int, images: int, batch: int, data: st.DataObject
) -> None:
    batches = data.draw(st.integers(1, -(-images // batch)))
    drawn = SamplerOrder(seed, images, batch, batches, data.draw(st.integers(1, 2)))
    epoch, place = data.draw(st.integers(0, 30)), data.draw(st.integers(0, batches - 1))
    index = drawn.image_index(epoch * batches + place, epoch)
    assert index is not None
    other = order.draw_images(drawn.to_map(), epoch * batches + place, epoch, len(index))
    assert np.array_equal(index, other)


@pytest.mark.parametrize(
    ("change", "clause"),
    [
        ({"later": 1}, "R-1"),
        ({"seed": 2**64}, "O-1"),
        ({"seed": None}, "O-1"),
        ({"batches": 6}, "O-1"),
        ({"permutations": 3}, "O-1"),
    ],
)
def test_recipes_that_break_a_clause(change: dict[str, Any], clause: str) -> None:
    with pytest.raises(Invalid, match=clause):
        order.read_order({"recipe": PLAIN.to_map() | change})
    with pytest.raises(Invalid, match="O-1"):
        order.read_order({"recipe": PLAIN.to_map(), "images": 6})


@pytest.mark.parametrize(
    ("number", "epoch", "samples", "clause"),
    [(4, 1, 3, "O-5"), (5, 0, 5, "O-5"), (5 * 2**30, 2**30, 5, "O-5"), (0, 0, 4, "O-6")],
)
def test_batches_that_break_a_clause(number: int, epoch: int, samples: int, clause: str) -> None:
    with pytest.raises(Invalid, match=clause):
        order.draw_images(PLAIN.to_map(), number, epoch, samples)


def test_too_many_images(tmp_path: Any) -> None:
    """Clause R-22."""
    large = SamplerOrder(42, FREE_IMAGES + 16 * 5 + 1, 5, 1, 2)
    path = tmp_path / "a.slc"
    stored(path, large, ordered(PLAIN, 0))
    with pytest.raises(Invalid, match="R-22"):
        read(path)
