"""Whole batches there and back, bit for bit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelcodec.codecs import registry
from labelcodec.codecs.batch_coder import BatchCoder, component_bytes
from labelcodec.codecs.components import IMAGE_INDEX, STREAMS, join, split
from labelcodec.errors import CorruptError, DataError
from labelcodec.sequences.stream import LOSS_MASK, SEQUENCES, TOKENS
from labelcodec.writer import prepare, with_codec
from tests.backends import BACKENDS, backend
from tests.codecs.content import Recipe, batch, recipes, same


def fitted(recipe: Recipe, spec: str, samples: list) -> BatchCoder:
    """Tables as the writer has them."""
    codec = registry.parse(spec)
    header = with_codec(recipe.header(), codec)
    return BatchCoder.fit(header, [prepare(sample, codec, True) for sample in samples])


def coder_of(recipe: Recipe, spec: str, samples: list) -> BatchCoder:
    """Tables as a reader loads them."""
    coder = fitted(recipe, spec, samples)
    return BatchCoder.from_side_information(
        coder.header, coder.side_information(), "side information"
    )


def there_and_back(recipe: Recipe, spec: str, others: list) -> None:
    """Through tables of other batches and through its own, in both twins."""
    original = batch(recipe, 3, 2)
    prepared = prepare(original, registry.parse(spec), True)
    if spec in ("dense", "topk"):
        assert same(prepared, original)
    for samples in (others, [original]):
        writer = fitted(recipe, spec, samples)
        reader = BatchCoder.from_side_information(
            writer.header, writer.side_information(), "side information"
        )
        data = writer.encode(prepared)
        for name in BACKENDS:
            with backend(name):
                assert reader.encode(prepared) == data
                for found in (
                    reader.decode(memoryview(data), len(original), 3, 2),
                    reader.decode_counted(memoryview(data), len(original), 3, 2)[0],
                ):
                    assert same(found, prepared)
        assert sum(component_bytes(memoryview(data)).values()) < len(data)


def others_of(recipe: Recipe, count: int) -> list:
    return [batch(replace(recipe, style="normal"), number) for number in range(count)]


@settings(max_examples=30, deadline=None)
@given(recipes(k=None, tail=None), st.integers(0, 2))
def test_dense(recipe, count):
    there_and_back(recipe, "dense", others_of(recipe, count))


@settings(max_examples=40, deadline=None)
@given(recipes().filter(lambda recipe: recipe.k), st.integers(0, 2))
def test_topk_as_it_is(recipe, count):
    there_and_back(recipe, "topk", others_of(recipe, count))


@settings(max_examples=25, deadline=None)
@given(recipes(k=None, tail=None), st.integers(1, 40), st.sampled_from(["zero", "floor"]))
def test_topk_of_full_labels(recipe, k, tail):
    spec = f"topk:k={min(k, recipe.classes)},tail={tail}"
    there_and_back(recipe, spec, others_of(recipe, 1))


@settings(max_examples=25, deadline=None)
@given(recipes(), st.sampled_from([0.25, 1e-6, 3e5]), st.sampled_from(["zero", "floor"]))
def test_topk_in_steps(recipe, step, tail):
    k = recipe.k or max(recipe.classes // 2, 1)
    there_and_back(recipe, f"topk:k={k},step={step},tail={tail}", others_of(recipe, 1))


@pytest.mark.parametrize("samples", [4096, 9001])
def test_many_lanes(samples):
    recipe = Recipe(11, samples, 10, tail="zero")
    original = batch(recipe)
    coder = coder_of(recipe, "topk", [original])
    assert same(coder.decode(memoryview(coder.encode(original)), samples, 0, 0), original)


WHOLE = Recipe(k=4, tail="zero", cutout="grid", magnitudes=("int64", "float16"), seeds=True)


@pytest.fixture
def coder():
    return coder_of(WHOLE, "topk", [batch(WHOLE)])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"classes": 13}, "classes 13, the file has 12"),
        ({"k": 3}, "kept classes 3, the file has 4"),
        ({"k": None, "tail": None}, "kept classes None, the file has 4"),
        ({"space": "probabilities"}, "space probabilities, the file has logits"),
        ({"tail": "floor"}, "tail floor, the file has zero"),
        ({"precision": "float32"}, "precision float32, the file has float16"),
    ],
)
def test_another_header(coder, change, message):
    with pytest.raises(DataError, match=f"batch 7: {message}"):
        coder.encode(batch(replace(WHOLE, **change), 7))


def test_components(coder):
    data = memoryview(coder.encode(batch(WHOLE)))
    of_images = set(STREAMS.values()) - {SEQUENCES, TOKENS, LOSS_MASK}
    assert set(component_bytes(data)) == {stream.component for stream in of_images}
    used = coder.decode_counted(data, len(batch(WHOLE)), 0, 0)[1]
    assert set(used) == {"crop", "label index", "label values"}
    sizes = component_bytes(data)
    for name, usage in used.items():
        assert usage.coded_bytes == sizes[name]


def test_absent_parts_take_no_stream(coder):
    bare = replace(WHOLE, crop=None, flip=False, mix=None, cutout=None, magnitudes=(), seeds=False)
    sizes = component_bytes(memoryview(coder.encode(batch(bare))))
    assert set(sizes) == {"image index", "label index", "label values"}


def test_entropy_of_the_usage_is_what_is_coded(coder):
    """Bits that the counts call for, over the bytes taken, on a batch that fits its tables."""
    recipe = replace(WHOLE, samples=6000, classes=40, k=20)
    original = batch(recipe)
    coder = coder_of(recipe, "topk", [original])
    data = memoryview(coder.encode(original))
    for name, usage in coder.decode_counted(data, len(original), 0, 0)[1].items():
        bits = usage.fixed_bits
        for counts in usage.tables:
            total = np.maximum(counts.sum(axis=1, keepdims=True), 1)
            bits += float((counts * np.log2(total / np.maximum(counts, 1))).sum())
        assert bits * 0.999 <= 8 * usage.coded_bytes <= bits * 1.02 + 800, name


@pytest.mark.parametrize("samples", [0, -1, (1 << 16) + 1])
def test_samples_out_of_range(coder, samples):
    data = memoryview(coder.encode(batch(WHOLE)))
    with pytest.raises(CorruptError, match="too large a batch"):
        coder.decode(data, samples, 0, 0)


@pytest.mark.parametrize("samples", [WHOLE.samples - 1, WHOLE.samples + 1, 5000])
def test_another_number_of_samples(coder, samples):
    data = memoryview(coder.encode(batch(WHOLE)))
    with pytest.raises(CorruptError):
        coder.decode(data, samples, 0, 0)


def test_missing_image_indices(coder):
    parts = split(memoryview(coder.encode(batch(WHOLE))))
    del parts[IMAGE_INDEX]
    with pytest.raises(CorruptError, match="image index stream is missing"):
        coder.decode(memoryview(join(parts)), WHOLE.samples, 0, 0)


def test_prepare_names_the_batch():
    full = batch(Recipe(), 5)
    full.labels.value[2, 3] = np.nan
    with pytest.raises(DataError, match="batch 5: sample 2 has NaN"):
        prepare(full, registry.parse("topk:k=3"), False)
