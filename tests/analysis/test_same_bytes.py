"""Containers of equal bytes: one side is decoded, and the result is that of decoding both."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

import labelcodec
from labelcodec.analysis import compare_sets
from labelcodec.codecs.batch_coder import BatchCoder
from labelcodec.errors import CorruptError
from tests.codecs.content import Recipe
from tests.labelsets import TOPK, batches, write

FULL = Recipe(samples=20)


@pytest.fixture
def decoded(monkeypatch) -> Counter:
    """How often each batch number was decoded."""
    counts: Counter = Counter()

    def decode(coder, data, samples, number, epoch, old=BatchCoder.decode):
        counts[number] += 1
        return old(coder, data, samples, number, epoch)

    monkeypatch.setattr(BatchCoder, "decode", decode)
    return counts


def compared(a, b, threads=1):
    with labelcodec.open(a) as left, labelcodec.open(b) as right:
        return compare_sets(left, right, threads=threads)


def in_full(a, b):
    """The comparison of lists of the decoded batches."""
    with labelcodec.open(a) as left, labelcodec.open(b) as right:
        return compare_sets(list(left), list(right), threads=1)


def with_nonfinite(content):
    """The batches, of which the second has a NaN and the third infinities."""
    for number, values in ((1, [np.nan]), (2, [np.inf, -np.inf])):
        value = content[number].labels.value.copy()
        value[3, : len(values)] = values
        labels = replace(content[number].labels, value=value)
        content[number] = replace(content[number], labels=labels)
    return content


@pytest.mark.parametrize(("recipe", "codec"), [(FULL, "dense"), (TOPK, "topk")])
def test_one_side_is_decoded(tmp_path, decoded, recipe, codec) -> None:
    paths = [
        write(tmp_path / name, with_nonfinite(batches(range(5), recipe)), recipe, codec, header)
        for name, header in (("a.slc", {}), ("b.slc", {"note": "text", "version": "0.0"}))
    ]
    expected = in_full(*paths)
    decoded.clear()
    assert repr(compared(*paths)) == repr(expected)  # repr: NaN is not equal to itself
    assert decoded == dict.fromkeys(range(5), 1)
    assert expected.identical and expected.fidelity.unmeasured


def test_only_batches_that_differ_are_decoded_twice(tmp_path, decoded) -> None:
    content = batches(range(5), FULL)
    a, b = tmp_path / "a.slc", tmp_path / "b.slc"
    with labelcodec.Writer(a, FULL.header(), "dense") as writer:
        tables = writer.fit(content).side_information()
        for batch in content:
            writer.add(batch)
    labels = replace(content[3].labels, value=content[3].labels.value[::-1].copy())
    content[3] = replace(content[3], labels=labels)
    with labelcodec.Writer(b, FULL.header(), "dense") as writer:
        writer.adopt(tables)
        for batch in content:
            writer.add(batch)
    expected = in_full(a, b)
    decoded.clear()
    assert compared(a, b) == expected
    assert expected.difference == "batch 3: label values differ"
    assert decoded == {0: 1, 1: 1, 2: 1, 3: 2, 4: 1}


def test_the_same_bytes_under_another_header_or_other_tables(
    tmp_path, decoded, monkeypatch
) -> None:
    content = batches(range(3), FULL)
    a = write(tmp_path / "a.slc", content, FULL, "dense")
    other = write(tmp_path / "b.slc", content, FULL, "dense", {"image_size": (8, 8)})
    decoded.clear()
    assert compared(a, other).identical
    assert decoded == dict.fromkeys(range(3), 2)
    monkeypatch.setattr(
        labelcodec.Reader, "tables", lambda reader, *_: str(reader.paths[0]).encode()
    )
    decoded.clear()
    compared(a, write(tmp_path / "c.slc", content, FULL, "dense"))
    assert decoded == dict.fromkeys(range(3), 2)


def test_shards_against_the_whole(tmp_path, decoded) -> None:
    content = batches(range(6), FULL)
    whole = tmp_path / "whole.slc"
    with labelcodec.Writer(whole, FULL.header(), "dense") as writer:
        tables = writer.fit(content).side_information()
        for batch in content:
            writer.add(batch)
    shards = [tmp_path / f"s-{i}.slc" for i in range(2)]
    for i, path in enumerate(shards):
        with labelcodec.Writer(path, FULL.header(), "dense") as writer:
            writer.adopt(tables)
            for batch in content[i::2]:
                writer.add(batch)
    decoded.clear()
    assert compared(whole, shards).identical
    assert decoded == dict.fromkeys(range(6), 1)


@pytest.mark.parametrize("damaged", [0, 1])
def test_damage_on_either_side_is_found(tmp_path, damaged) -> None:
    paths = [write(tmp_path / f"{i}.slc", batches(range(3), FULL), FULL, "dense") for i in range(2)]
    data = bytearray(paths[damaged].read_bytes())
    with labelcodec.open(paths[damaged]) as reader:
        record = reader.shards.readers[0]
        data[int(record.index.offset[1]) + 20] ^= 1
    paths[damaged].write_bytes(data)
    with pytest.raises(CorruptError, match=rf"{damaged}\.slc"):
        compared(*paths)
