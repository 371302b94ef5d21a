from __future__ import annotations

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelcodec.binding.agreement import Agreement
from labelcodec.binding.pixels import PixelSample
from labelcodec.errors import FormatError
from labelcodec.header import Header

plain = st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(max_size=9)
maps = st.dictionaries(st.text(max_size=9), plain, max_size=4)
headers = st.builds(
    Header,
    classes=st.integers(1, 1 << 20),
    space=st.sampled_from(["logits", "probabilities"]),
    precision=st.sampled_from(["float16", "bfloat16", "float32"]),
    tail=st.sampled_from([None, "zero", "uniform", "floor"]),
    k=st.none() | st.just(1),
    codec=st.text(max_size=9),
    config=maps,
    images=st.none() | st.integers(0, 2**63),
    image_size=st.none() | st.tuples(st.integers(1, 999), st.integers(1, 999)),
    fingerprint=st.none() | st.text(),
    content=st.none() | st.text(),
    teacher=st.none() | maps,
    interpolation=st.none() | st.text(max_size=9),
    normalisation=st.none() | maps,
    mix=st.none() | st.sampled_from(["cutmix", "mixup"]),
    epochs=st.none() | st.integers(0, 2**63),
    source=st.none() | maps,
    stems=st.none() | st.text(),
    pixels=st.none() | st.builds(PixelSample, st.text(), st.binary(max_size=0)),
    agreement=st.none() | st.builds(Agreement, st.integers(5, 9), st.integers(0, 5)),
    license=st.none() | st.text(max_size=9),
    note=st.none() | st.text(max_size=9),
    extra=st.dictionaries(st.sampled_from(["later", "much_later"]), plain),
).filter(lambda header: header.k is None or header.tail is not None)


@given(headers)
def test_round_trip_through_msgpack(header):
    packed = msgpack.packb(header.to_map())
    assert Header.from_map(msgpack.unpackb(packed), "file") == header


def test_keys_without_a_value_are_left_out():
    assert set(Header(10).to_map()) == {"classes", "labels", "codec", "creator", "version"}
    assert Header(10).to_map()["labels"] == {"space": "logits", "precision": "float16"}


GOOD = Header(10, k=3, tail="zero", image_size=(224, 224)).to_map()


@pytest.mark.parametrize("key", ["classes", "labels", "codec", "creator", "version"])
def test_a_missing_key(key):
    with pytest.raises(FormatError, match=f"file: header key {key!r} is missing or not a"):
        Header.from_map({k: v for k, v in GOOD.items() if k != key}, "file")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"classes": "10"}, "'classes' is missing or not a int"),
        ({"classes": True}, "'classes' is missing or not a int"),
        ({"classes": 0}, "0 classes, allowed are 1..1048576"),
        ({"classes": (1 << 20) + 1}, "1048577 classes"),
        ({"labels": {**GOOD["labels"], "k": 11}}, "k=11, allowed are 1..10"),
        ({"labels": {**GOOD["labels"], "k": 0}}, "k=0, allowed"),
        ({"labels": {**GOOD["labels"], "space": "odds"}}, "'space' is 'odds'"),
        ({"labels": {**GOOD["labels"], "tail": None}}, "top-k labels without 'tail'"),
        ({"labels": {"space": "logits"}}, "'precision' is None"),
        ({"labels": {**GOOD["labels"], "tail": 1}}, "'tail' is 1"),
        ({"codec": {"name": "topk"}}, "'config' is missing"),
        ({"codec": {"name": 3, "config": {}}}, "'name' is missing or not a str"),
        ({"image_size": [224]}, "not two integers"),
        ({"image_size": [224, "a"]}, "not two integers"),
        ({"image_size": 224}, "'image_size' is missing or not a list"),
        ({"images": 1.5}, "'images' is missing or not a int"),
        ({"source": "sre2l"}, "'source' is missing or not a dict"),
        ({"content": b"sha256"}, "'content' is missing or not a str"),
        ({"mix": 3}, "'mix' is missing or not a str"),
        ({"license": 3}, "'license' is missing or not a str"),
        ({"class_names": "abcdefghij"}, "'class_names' is missing or not a list"),
        ({"class_names": ["a"] * 9}, "'class_names' is not 10 names"),
        ({"class_names": [1] * 10}, "'class_names' is not 10 names"),
        ({"class_names": ["a", "", "a", *[""] * 7]}, "'class_names' has a name twice"),
        ({"agreement": {"labels": 3}}, "'agreement' is malformed"),
        ({"agreement": {"labels": 3, "agreeing": 4}}, "'agreement' is malformed"),
        ({"agreement": {"labels": True, "agreeing": 0}}, "'agreement' is malformed"),
        ({"agreement": {"labels": 3, "agreeing": -1}}, "'agreement' is malformed"),
        ({"agreement": 1}, "'agreement' is missing or not a dict"),
        ({"pixels": {"digest": "ab", "colours": b"x"}}, "'pixels' is malformed"),
        ({"pixels": {"digest": "ab", "colours": bytes(48 * 17)}}, "'pixels' is malformed"),
        ({"pixels": {"digest": 3, "colours": b""}}, "'pixels' is malformed"),
        ({"pixels": {"digest": "ab"}}, "'pixels' is malformed"),
    ],
)
def test_a_wrong_value(change, message):
    with pytest.raises(FormatError, match=message):
        Header.from_map(GOOD | change, "file")


def test_names_of_classes_round_trip():
    header = Header(3, class_names=("b", "", "\u00e9"))
    assert Header.from_map(msgpack.unpackb(msgpack.packb(header.to_map())), "file") == header


def test_every_wrong_descriptive_key_is_refused_by_the_reference_decoder():
    """Clauses H-2 and H-7 to H-9."""
    from spec.reference_decoder.container import read_header
    from spec.reference_decoder.primitives import Invalid

    header = Header(3).to_map()
    read_header(msgpack.packb(header | {"class_names": ["a", "", ""]}))
    for wrong in (
        {"class_names": ["a", "b"]},
        {"class_names": ["a", "a", ""]},
        {"agreement": {"labels": 1, "agreeing": 2}},
        {"agreement": {"labels": 1}},
        {"pixels": {"digest": "", "colours": b"x"}},
        {"pixels": {"digest": b"", "colours": b""}},
        {"note": 1},
    ):
        with pytest.raises(Invalid):
            read_header(msgpack.packb(header | wrong))
