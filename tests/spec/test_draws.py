"""The draws of SPEC, section 12: the library, the reference decoder and draws.json agree."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelcodec.augmentation.philox import Purpose, philox
from labelcodec.augmentation.seeded import draw
from labelcodec.augmentation.spec import AugmentationSpec, pack_sizes
from spec.reference_decoder import Invalid, recipe
from spec.vector_cases import draws
from spec.vector_cases.content import arrays_of, dense_batch
from tests.spec.golden import VECTORS, assert_same
from tests.spec.test_specification import section, table

STORED = json.loads((VECTORS / "v1.0" / "draws.json").read_text())


def test_the_library_draws_them() -> None:
    assert json.loads(json.dumps(draws.draws())) == STORED


def words(case: dict[str, Any]) -> recipe.Words:
    return recipe.Words(case["seed"], case["epoch"], case["batch"])


REFERENCE = {
    "philox": lambda c: recipe.philox(c["counter"], c["seed"]) == c["words"],
    "permutation": lambda c: (
        recipe.permutation(words(c), c["purpose"], c["count"]) == c["numbers"]
    ),
    "power": lambda c: (
        recipe.power(float.fromhex(c["base"]), c["whole"], c["bits"]).hex() == c["result"]
    ),
    "crop": lambda c: (
        recipe.crop(words(c), c["sample"], c["size"], c["scale"], c["ratio"]) == c["box"]
    ),
    "ratio": lambda c: recipe.mix_ratio(words(c), c["alpha"]).hex() == c["ratio"],
    "box": lambda c: (
        recipe.mix_box(words(c), float.fromhex(c["ratio"]), c["size"]) == c["box"]
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", STORED)
def test_the_reference_decoder_draws_them(kind: str) -> None:
    assert STORED.keys() == REFERENCE.keys()
    for case in STORED[kind]:
        assert REFERENCE[kind](case), case


def test_known_answers_in_the_text() -> None:
    """Clause R-5: those that Random123 publishes."""
    rows = table(section("12.2"), "counter", "key", "words")
    assert len(rows) == 3
    for row in rows:
        counter, key, expected = ([int(word, 16) for word in cell.split()] for cell in row)
        seed = key[0] | key[1] << 32
        assert philox(np.array([counter], np.uint32), seed)[0].tolist() == expected
        assert recipe.philox(counter, seed) == expected


def test_purposes_in_the_text() -> None:
    rows = table(section("12.2"), "purpose", "words are drawn for", "index")
    assert [int(row[0]) for row in rows] == list(Purpose)


def test_keys_in_the_text() -> None:
    keys = re.findall(r"^\| `(\w+)` \|", section("12.1"), re.M)
    assert keys == list(recipe.KEYS)
    full = AugmentationSpec(1, 5, 2, (8, 8), (8, 8), cutout=0.5, operations=1)
    assert set(full.to_map()) == set(keys)


ratios = st.floats(0.01, 100)
shares = st.floats(0.01, 1)
sizes = st.tuples(st.integers(1, 400), st.integers(1, 400))


@st.composite
def recipes(draw_: st.DrawFn) -> AugmentationSpec:
    images = draw_(st.integers(1, 30))
    each = draw_(st.lists(sizes, min_size=images, max_size=images))
    scale, ratio = (sorted(draw_(st.tuples(one, one))) for one in (shares, ratios))
    return AugmentationSpec(
        draw_(st.integers(0, 2**64 - 1)),
        images,
        draw_(st.integers(1, 12)),
        draw_(sizes),
        pack_sizes(np.array(each)),
        draw_(st.none() | st.just((scale[0], scale[1]))),
        (ratio[0], ratio[1]),
        draw_(st.none() | st.floats(0, 1)),
        draw_(st.sampled_from([None, "cutmix", "mixup"])),
        draw_(st.floats(0.1, 4)),
        draw_(st.none() | shares),
        draw_(st.integers(0, 3)),
        draw_(st.floats(0, 10)),
        draw_(st.floats(0, 10)),
    )


@given(recipes(), st.data())
@settings(max_examples=60, deadline=None)
def test_both_draw_the_same_batches(made: AugmentationSpec, data: st.DataObject) -> None:
    """Clauses R-5 to R-19, on recipes nobody chose."""
    number = data.draw(st.integers(0, made.batches * 3) | st.integers(0, (made.batches << 32) - 1))
    index, augmentation = draw(made, number)
    value = np.zeros((len(index), 2), np.float16)
    batch = dense_batch(value, number=number, augmentation=augmentation)
    found = arrays_of(replace(batch, image_index=index, epoch=made.place(number)[0]))
    for name in ("number", "label_value"):
        del found[name]
    header = {"recipe": made.to_map()}
    assert_same(recipe.draw(recipe.read_recipe(header), number), found)


GOOD = AugmentationSpec(1, 5, 2, (8, 8), (8, 8)).to_map()


@pytest.mark.parametrize(
    ("change", "clause"),
    [
        ({"generator": "pcg"}, "R-1"),
        ({"later": 1}, "R-1"),
        ({"seed": 2**64}, "R-2"),
        ({"seed": None}, "R-2"),
        ({"alpha": 0.01}, "R-2"),
        ({"scale": [1, 0.5]}, "R-2"),
        ({"mix": "fmix"}, "R-2"),
        ({"sizes": [8, 0]}, "R-3"),
        ({"sizes": [8, 8, 8]}, "R-3"),
    ],
)
def test_recipes_that_break_a_clause(change: dict[str, Any], clause: str) -> None:
    with pytest.raises(Invalid, match=clause):
        recipe.read_recipe({"recipe": GOOD | change})
    with pytest.raises(Invalid, match="R-4"):
        recipe.read_recipe({"recipe": GOOD, "images": 6})
