from __future__ import annotations

import dataclasses

import pytest

from labelcodec.codecs import registry
from labelcodec.codecs.dense.codec import Dense
from labelcodec.codecs.topk.codec import TopK
from labelcodec.errors import ConfigError, UnsupportedError
from labelcodec.plugins import imported


@pytest.mark.parametrize(
    ("spec", "codec"),
    [
        ("dense", Dense()),
        ("dense:", Dense()),
        ("topk", TopK()),
        ("topk:k=50", TopK(50)),
        ("topk:k=10,step=0.25", TopK(10, 0.25)),
        ("topk:step=1e-3,tail=floor,k=1", TopK(1, 0.001, "floor")),
    ],
)
def test_specs(spec, codec):
    assert registry.parse(spec) == codec
    assert registry.parse(registry.spec_of(codec)) == codec
    assert registry.from_config(codec.name, registry.config_of(codec), "header") == codec


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("", "unknown codec ''; known are dense, "),
        ("zip", "unknown codec 'zip'"),
        ("topk;k=5", "unknown codec"),
        ("topk:k", "expected key=value, found 'k'"),
        ("topk:k=", "expected key=value, found 'k='"),
        ("topk:=5", "has no key ''"),
        ("topk:k=5,k=6", "k is given twice"),
        ("topk:depth=5", "topk has no key 'depth'; keys: k, step, tail"),
        ("dense:k=5", "dense has no key 'k'; keys: none"),
        ("topk:k=five", "k='five' is not a number of type int"),
        ("topk:k=5.5", "is not a number of type int"),
        ("topk:step=little", "step='little' is not a number of type float"),
        ("topk:k=0", "k=0, allowed are 1 and more"),
        ("topk:k=-3", "k=-3"),
        ("topk:step=0", "allowed are 1e-6..1e6"),
        ("topk:step=nan", "step=nan"),
        ("topk:step=inf", "step=inf"),
        ("topk:step=-1", "step=-1"),
        ("topk:tail=long", "tail=long, allowed are zero, uniform, floor"),
    ],
)
def test_bad_specs(spec, message):
    with pytest.raises(ConfigError, match=message):
        registry.parse(spec)


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("zip", {}),
        ("topk", {"depth": 1}),
        ("topk", {"k": 1.5}),
        ("topk", {"k": float("inf")}),
        ("topk", {"k": float("nan")}),
        ("topk", {"k": -1}),
        ("topk", {"k": [1]}),
        ("topk", {"k": None}),
        ("topk", {"k": {"a": 1}}),
        ("topk", {"step": "x"}),
        ("topk", {"step": float("nan")}),
        ("topk", {"tail": []}),
        ("topk", {"tail": 3}),
        ("dense", {"k": 1}),
    ],
)
def test_a_header_this_version_cannot_read(name, config):
    with pytest.raises(UnsupportedError, match=r"a\.slc"):
        registry.from_config(name, config, "a.slc")


def test_description_covers_every_key():
    infos = {info.name: info for info in registry.describe()}
    assert set(infos) == set(registry.CODECS.names())
    for entry in registry.CODECS.entries():
        name, kind = entry.name, imported(entry.codec)
        fields = {field.name: field.default for field in dataclasses.fields(kind)}
        assert {key: default for key, (default, _) in infos[name].keys.items()} == fields
        assert all(len(meaning) > 20 for _, meaning in infos[name].keys.values())
        assert infos[name].summary


def test_examples_parse():
    for info in registry.describe():
        assert info.examples
        for example in info.examples:
            assert registry.parse(example).name == info.name
            assert registry.spec_of(registry.parse(example)) == example


def test_a_budget_says_what_it_is_for():
    (transform,) = [one for one in registry.describe() if one.name == "transform"]
    _, meaning = transform.keys["bytes"]
    assert "side information included" in meaning
    assert "augmentation and the image index come on top" in meaning
