"""Token sequences are stored beside their labels, and come back as they were."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import labelcodec
from labelcodec import Crop, Header, Writer
from labelcodec.augmentation.parts import Augmentation
from labelcodec.codecs.components import split
from labelcodec.errors import CorruptError, DataError, UnsupportedError
from labelcodec.sequences import token_digest
from labelcodec.sequences.stream import decode_sequences, encode_sequences
from labelcodec.streams import join
from tests.sequences import samples

FIELDS = ("length", "start", "digest", "names", "tokens", "mask", "prompt")
HEADER = Header(samples.CLASSES, kind="tokens", shift=1, temperature=1.0, tokenizer={"size": 300})


def write(path, batches, codec="topk", header=HEADER):
    with Writer(path, replace(header, tail="zero", k=batches[0].labels.k), codec) as writer:
        for batch in batches:
            writer.add(batch)
    return path


def assert_equal(batch, expected) -> None:
    assert np.array_equal(batch.image_index, expected.image_index)
    for name in FIELDS:
        value, other = (getattr(one.sequences, name) for one in (batch, expected))
        if isinstance(other, np.ndarray):
            assert value.dtype == other.dtype
            assert np.array_equal(value, other)
        else:
            assert value == other
    assert np.array_equal(batch.labels.index, expected.labels.index)
    assert np.array_equal(batch.labels.value, expected.labels.value)


@st.composite
def batches(draw: st.DrawFn):
    lengths = draw(st.lists(st.integers(1, 6), min_size=1, max_size=5))
    total, count = sum(lengths), len(lengths)
    parts = {}
    if draw(st.booleans()):
        parts["digest"] = None
    if draw(st.booleans()):
        parts["tokens"] = None
    if draw(st.booleans()):
        parts["names"] = tuple(
            draw(st.text(st.characters(exclude_characters="\n", codec="utf-8"))) for _ in lengths
        )
    if draw(st.booleans()):
        parts["mask"] = np.array(draw(st.lists(st.booleans(), min_size=total, max_size=total)))
    if draw(st.booleans()):
        numbers = st.lists(st.integers(0, 2**40), min_size=count, max_size=count)
        parts["prompt"] = np.array(draw(numbers), np.int64)
        parts["start"] = np.array(draw(numbers), np.int64)
    return samples.batch(draw(st.integers(0, 9)), tuple(lengths), **parts)


@given(batches())
def test_streams_give_the_sequences_again(batch) -> None:
    data = memoryview(join(encode_sequences(batch.sequences, batch.image_index)))
    index, sequences = decode_sequences(split(data), len(batch))
    assert sequences.tokens is None
    sequences = replace(sequences, tokens=batch.sequences.tokens)
    assert_equal(replace(batch, image_index=index, sequences=sequences), batch)


@settings(deadline=None, max_examples=300)
@given(batches(), st.integers(0, 2**32 - 1), st.integers(1, 3))
def test_damaged_streams_are_refused_or_consistent(batch, seed, changes) -> None:
    rng = np.random.default_rng(seed)
    streams = encode_sequences(batch.sequences, batch.image_index)
    name = list(streams)[rng.integers(len(streams))]
    damaged = bytearray(streams[name])
    for _ in range(changes):
        if damaged and rng.random() < 0.8:
            damaged[rng.integers(len(damaged))] = rng.integers(256)
        else:
            del damaged[rng.integers(len(damaged) + 1) :]
    streams[name] = bytes(damaged)
    try:
        index, sequences = decode_sequences(split(memoryview(join(streams))), len(batch))
    except CorruptError:
        return
    assert len(index) == sequences.length.sum() == len(batch)


def test_a_file_of_sequences(tmp_path) -> None:
    stored = [samples.batch(number, (3 + number, 2)) for number in range(4)]
    path = write(tmp_path / "a.slc", stored)
    assert labelcodec.verify(path).sound
    with labelcodec.open(path) as reader:
        assert (reader.header.kind, reader.header.shift) == ("tokens", 1)
        assert reader.header.tokenizer == {"size": 300}
        for batch, expected in zip(reader, stored, strict=True):
            assert_equal(batch, expected)
            first = batch.sequences.tokens[: batch.sequences.length[0]]
            assert np.array_equal(token_digest(first), batch.sequences.digest[0])
            assert batch.sequences.first.tolist() == [0, 3 + batch.number]


def test_kind_and_sequences_come_together(tmp_path) -> None:
    batch = samples.batch()
    with pytest.raises(DataError, match="batch 0: has sequences, the file is of kind None"):
        write(tmp_path / "a.slc", [batch], header=Header(samples.CLASSES))
    with pytest.raises(DataError, match="batch 0: has no sequences, the file is of kind 'tokens'"):
        write(tmp_path / "b.slc", [replace(batch, sequences=None)])


def test_an_unknown_kind_is_not_read_as_images() -> None:
    with pytest.raises(UnsupportedError, match="kind 'video'"):
        Header.from_map(Header(3, kind="video").to_map(), "a.slc")
    for wrong in ({"shift": 2}, {"temperature": 0.0}, {"temperature": float("nan")}):
        with pytest.raises(labelcodec.errors.FormatError):
            Header.from_map(replace(HEADER, **wrong).to_map(), "a.slc")


@pytest.mark.parametrize(
    ("parts", "problem"),
    [
        ({"length": np.array([5, 1, 7])}, "sum to 14 samples"),
        ({"length": np.array([5, 0, 9])}, "must be 1 and more"),
        ({"start": np.array([0, -1, 0])}, "starts must not be negative"),
        ({"digest": np.zeros((3, 31), np.uint8)}, "sequence digests"),
        ({"names": ("a", "b")}, "2 names of 3 sequences"),
        ({"tokens": np.full(14, -1)}, "token ids must lie in"),
        ({"tokens": np.zeros(13, np.int32)}, "token ids"),
        ({"mask": np.zeros(14)}, "loss mask"),
        ({"prompt": np.array([1, 2, -3])}, "prompt lengths must not be negative"),
    ],
)
def test_impossible_sequences(tmp_path, parts, problem) -> None:
    with pytest.raises(DataError, match=problem):
        write(tmp_path / "a.slc", [samples.batch(**parts)])
    assert not (tmp_path / "a.slc").exists()


def test_a_sequence_has_one_number_and_no_augmentation(tmp_path) -> None:
    batch = samples.batch()
    index = batch.image_index.copy()
    index[1] += 1
    with pytest.raises(DataError, match="different numbers of their sequence"):
        write(tmp_path / "a.slc", [replace(batch, image_index=index)])
    crop = Crop(np.ones((14, 4), np.int32), np.full((14, 2), 8, np.int32))
    with pytest.raises(DataError, match="token sequences have no crop"):
        write(tmp_path / "a.slc", [replace(batch, augmentation=Augmentation(crop))])


def test_names_that_cannot_be_stored(tmp_path) -> None:
    for name, problem in (("a\nb", "line feed"), ("\ud800", "not UTF-8")):
        with pytest.raises(DataError, match=problem):
            write(tmp_path / "a.slc", [samples.batch(names=("x", "y", name))])
