"""Weights as training scripts save them: nested, prefixed, averaged, beside other things."""

from __future__ import annotations

import argparse
import os
import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from labelcodec.errors import LabelcodecWarning, MismatchError
from labelcodec.pipeline.weights import load_weights


def small(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))


class Wrapped(nn.Module):
    """A model of its own whose names all begin as a wrapper's."""

    def __init__(self, name: str) -> None:
        super().__init__()
        setattr(self, name, small())


class Config:
    """Of a training script that is not installed."""

    def __init__(self) -> None:
        self.lr = np.float64(0.1)


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("exploded",)


def prefixed(prefix: str, state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {f"{prefix}{name}": value for name, value in state.items()}


STATE, AVERAGED = dict(small(1).state_dict()), dict(small(2).state_dict())
FILES = {
    "plain": STATE,
    "module": prefixed("module.", STATE),
    "compiled": prefixed("_orig_mod.", STATE),
    "compiled, parallel": prefixed("module._orig_mod.", STATE),
    "parallel, compiled": prefixed("_orig_mod.module.", STATE),
    "lightning": {"state_dict": prefixed("model.", STATE), "epoch": 3, "hyper_parameters": {}},
    "net": {"net": prefixed("module.", STATE), "acc": 71.3, "epoch": 9},
    "model": {"model": STATE, "optimizer": {"state": {0: {"exp_avg": torch.zeros(3)}}}},
    "model_state_dict": {"model_state_dict": STATE, "loss": torch.tensor(0.1)},
    "deep": {"checkpoint": {"weights": STATE}},
    "numpy scalars": {"state_dict": STATE, "best": np.float64(0.7), "epoch": np.int64(3)},
    "namespace": {"model": STATE, "args": argparse.Namespace(lr=0.1, path=Path("data"))},
    "config": {"model": STATE, "config": Config(), "more": [Config(), {"a": Config()}]},
    "bomb": {"model": STATE, "bomb": Bomb()},
    "bfloat16": {name: value.to(torch.bfloat16) if value.is_floating_point() else value
                 for name, value in STATE.items()},
    "without counts": {k: v for k, v in STATE.items() if not k.endswith("num_batches_tracked")},
    "lightning, with a loss": {
        "state_dict": prefixed("model.", STATE) | {"criterion.weight": torch.zeros(3)}
    },
    "prefix of an average": prefixed("model.", STATE) | prefixed("model_ema.", AVERAGED),
    "arrays": {name: value.numpy() for name, value in STATE.items()},
    "remap": {"remap": STATE},
    "averaged beside": {"state_dict": STATE, "state_dict_ema": AVERAGED},
    "averaged first": {"ema": {"model": AVERAGED}, "net": STATE},
}  # fmt: skip


def loaded(path: Path, model: nn.Module | None = None, key: str | None = None) -> nn.Module:
    model = model or small()
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        warnings.simplefilter("ignore", LabelcodecWarning)
        load_weights(model, path, "the model", key)
    return model


def same(model: nn.Module, state: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(model.state_dict()[k], v.float()) for k, v in state.items())


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("kind", FILES)
def test_files_of_training_scripts(tmp_path, monkeypatch, kind, old):
    monkeypatch.chdir(tmp_path)
    torch.save(FILES[kind], tmp_path / "w.pth", _use_new_zipfile_serialization=not old)
    expected = FILES[kind] if kind == "bfloat16" else STATE
    floats = {name: value for name, value in expected.items() if value.is_floating_point()}
    assert same(loaded(tmp_path / "w.pth"), floats)
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize("name", ["module", "model", "net", "_orig_mod"])
def test_names_are_tried_as_they_are_first(tmp_path, name):
    model = Wrapped(name)
    state = {k: v.clone() for k, v in Wrapped(name).state_dict().items()}
    torch.save(state, tmp_path / "w.pth")
    assert same(loaded(tmp_path / "w.pth", model), state)


def test_which_weights_were_taken_is_said(tmp_path):
    path = tmp_path / "w.pth"
    torch.save(FILES["averaged beside"], path)
    said = r"w\.pth: took the weights under 'state_dict'; `weights_key` takes .* 'state_dict_ema'"
    with pytest.warns(LabelcodecWarning, match=said):
        load_weights(small(), path, "the model")
    assert same(loaded(path, key="state_dict_ema"), AVERAGED)
    torch.save(FILES["averaged first"], path)
    assert same(loaded(path, key="ema.model"), AVERAGED) and same(loaded(path), STATE)
    torch.save(FILES["model"], path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # nothing to choose from: nothing is said
        load_weights(small(), path, "the model")


@pytest.mark.parametrize(
    ("saved", "key", "message"),
    [
        ({"student": {"x.weight": torch.zeros(2)}, "epoch": 3}, None,
         r"does not fit the model: it lacks 0\.bias and 7 more; its keys are student, epoch; "
         r"its weights are named x\.weight$"),
        (FILES["averaged beside"], "ema",
         r"no weights under 'ema'; its keys are state_dict, state_dict_ema$"),
        ({"epoch": 3, "acc": 0.5}, None, r"holds no weights; its keys are epoch, acc$"),
        ({str(i): i for i in range(30)}, None, r"its keys are 0, 1, 2, 3, 4, 5, 6, 7 and 22 more$"),
        ({}, None, "it is empty$"),
        ([1, 2], None, "holds no weights; it is a list, expected a state dict$"),
        (Config(), None, r"holds no weights; it is a .*Config, expected a state dict$"),
        ({name: value[:1] for name, value in STATE.items() if value.ndim}, None,
         r"0\.weight is 1 x 3, not 4 x 3$"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_the_keys_of_the_file(tmp_path, saved, key, message):
    torch.save(saved, tmp_path / "w.pth")
    with pytest.raises(MismatchError, match=message):
        loaded(tmp_path / "w.pth", key=key)


def test_an_attack_does_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for content in (pickle.dumps(Bomb()), b"hello", b""):
        (tmp_path / "w.pth").write_bytes(content)
        with pytest.raises(MismatchError, match=r"w\.pth: not a file of weights"):
            loaded(tmp_path / "w.pth")
    (tmp_path / "w.safetensors").write_bytes(b"\xff" * 100)
    with pytest.raises(MismatchError, match=r"w\.safetensors: not a file of weights"):
        loaded(tmp_path / "w.safetensors")
    assert not (tmp_path / "exploded").exists()


def test_weights_of_several_models_are_told_apart(tmp_path):
    path = tmp_path / "w.pth"
    torch.save({"best": STATE, "last": AVERAGED}, path)
    with pytest.warns(LabelcodecWarning, match="under 'best'; `weights_key` .* 'last'"):
        load_weights(small(), path, "the model")
    assert same(loaded(path, key="last"), AVERAGED)
    torch.save(FILES["prefix of an average"], path)
    with pytest.warns(LabelcodecWarning, match="under 'model'; `weights_key` .* 'model_ema'"):
        load_weights(small(), path, "the model")
    assert same(loaded(path, key="model_ema"), AVERAGED)
