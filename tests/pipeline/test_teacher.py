from __future__ import annotations

import hashlib
import importlib.util
import io
import pickle
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from labelcodec import Mix
from labelcodec.augmentation.mix import mix_images
from labelcodec.errors import ConfigError, DataError, MismatchError
from labelcodec.pipeline.models import OWN, build, trained
from labelcodec.replay.normalisation import normalise
from tests.pipeline import scene

IMAGES = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (4, 3, 8, 8), np.uint8))
KINDS = ("module:callable", "own name", "TorchScript", "exported")


def small() -> nn.Module:
    torch.manual_seed(7)
    return scene.small(scene.CLASSES).eval()


@pytest.fixture(scope="module")
def kinds(tmp_path_factory) -> dict[str, tuple[str, Path | None, nn.Module]]:
    """Name, weights, and the model itself, of every kind of teacher."""
    folder = tmp_path_factory.mktemp("teachers")
    model, own = small(), OWN["resnet20"](scene.CLASSES).eval()
    torch.save({"model": model.state_dict()}, folder / "small.pth")
    save_file(own.state_dict(), folder / "own.safetensors")
    # TorchScript is, its files are there; since torch 2.14 to its users, too
    with pytest.warns((DeprecationWarning, FutureWarning), match=r"torch\.jit\.script"):
        torch.jit.script(model).save(folder / "script.pt")
    shape = {"input": {0: torch.export.Dim("batch")}}
    torch.export.save(torch.export.export(model, (IMAGES.float(),), dynamic_shapes=shape),
                      folder / "exported.pt2")  # fmt: skip
    return {
        "module:callable": (scene.SMALL, folder / "small.pth", model),
        "own name": ("resnet20", folder / "own.safetensors", own),
        "TorchScript": (str(folder / "script.pt"), None, model),
        "exported": (str(folder / "exported.pt2"), None, model),
    }


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_teacher_says_what_the_model_says(kinds, kind) -> None:
    name, weights, model = kinds[kind]
    asked = scene.teacher(weights, name, precision="float32")
    mixed = Mix("cutmix", np.array([1, 0, 3, 2]), 0.5, (0, 3, 2, 7))
    with torch.no_grad():
        expected = model(mix_images(normalise(IMAGES, scene.NORMALISATION), mixed))
    found = asked.label(IMAGES, mixed)
    np.testing.assert_allclose(found.dense(), expected.numpy(), rtol=1e-5, atol=1e-6)
    file = weights or Path(name)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    stored = name if weights or ":" in name else Path(name).name  # no folders of this machine
    assert asked.facts == {"name": stored, "sha256": digest}
    assert asked.label(IMAGES[:2], None).dense().shape == (2, scene.CLASSES)


def test_weights_without_a_file_are_recorded_by_their_values() -> None:
    hashes = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        hashes.append(scene.teacher(None, "tests.pipeline.scene:still").facts["sha256"])
    assert hashes[0] == hashes[1] != hashes[2]


@pytest.mark.parametrize("kind", KINDS)
def test_a_teacher_with_other_classes(kinds, kind) -> None:
    name, weights, _ = kinds[kind]
    with pytest.raises(
        MismatchError,
        match=r"is 6, not 9|10 x 64, not|6 x \d+, not 9 x|\(4, 6\) for 4 images, expected",
    ):
        scene.teacher(weights, name, classes=9).label(IMAGES, None)


@pytest.mark.parametrize("precision", ["float16", "bfloat16", "float32"])
@pytest.mark.parametrize("autocast", [None, "bfloat16"])
def test_precisions(kinds, precision, autocast) -> None:
    name, weights, model = kinds["module:callable"]
    asked = scene.teacher(weights, name, precision=precision, autocast=autocast)
    labels = asked.label(IMAGES, None)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=autocast is not None):
        logits = model(normalise(IMAGES, scene.NORMALISATION))
    assert labels.precision == precision
    assert labels.value.dtype == (np.float16 if precision == "float16" else np.float32)
    kept = logits.to(getattr(torch, precision)).float().numpy()
    assert np.array_equal(labels.dense(), kept)
    assert asked.facts.get("autocast") == autocast


def test_logits_too_large_for_their_precision(tmp_path) -> None:
    state = {name: value * 1e5 for name, value in small().state_dict().items()}
    save_file(state, tmp_path / "a.safetensors")
    with pytest.raises(DataError, match="not finite in float16"):
        scene.teacher(tmp_path / "a.safetensors").label(IMAGES, None)
    wide = scene.teacher(tmp_path / "a.safetensors", precision="bfloat16")
    assert np.isfinite(wide.label(IMAGES, None).dense()).all()


def test_images_that_the_teacher_does_not_take(kinds) -> None:
    name, weights, _ = kinds["module:callable"]
    wrong = torch.zeros((2, 3, 16, 16), dtype=torch.uint8)
    with pytest.raises(MismatchError, match=r"fails on \(2, 3, 16, 16\) images") as caught:
        scene.teacher(weights, name).label(wrong, None)
    assert "\n" not in str(caught.value)
    name, _, _ = kinds["exported"]
    with pytest.raises(MismatchError, match="fails on"):
        scene.teacher(None, name).label(wrong, None)


def pair(classes: int) -> nn.Module:
    class Pair(nn.Module):
        def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return images, images

    return Pair()


def number(classes: int) -> int:
    return classes


def fails(classes: int) -> nn.Module:
    raise KeyError("lost")


def test_a_model_that_gives_something_else() -> None:
    with pytest.raises(MismatchError, match=r"which of its outputs are logits .* the tuple has 0"):
        scene.teacher(None, f"{__name__}:pair").label(IMAGES, None)


@pytest.mark.parametrize("function", ["number", "fails", "missing"])
def test_functions_that_make_no_model(function: str) -> None:
    with pytest.raises(ConfigError, match=f":{function}"):
        build(f"{__name__}:{function}", 3)


def test_modules_of_the_current_folder(tmp_path, monkeypatch) -> None:
    """As when the program is called from there, whose own folder comes first on the path."""
    (tmp_path / "mine_alone.py").write_text(
        "from torch import nn\ndef make(classes):\n    return nn.Linear(2, classes)\n"
    )
    monkeypatch.chdir(tmp_path)
    assert build("mine_alone:make", 5).out_features == 5


def test_random_weights_teach_nothing() -> None:
    with pytest.raises(ConfigError, match="random weights"):
        trained("resnet20", 3, None)


@pytest.mark.parametrize("name", ["resnet21", "torchvision/", "nothing", ""])
def test_unknown_names(name: str) -> None:
    with pytest.raises(ConfigError, match="known are convnet, resnet20"):
        build(name, 3)


@pytest.mark.parametrize("suffix", [".pt", ".pt2"])
@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04 not really"])
def test_files_that_are_no_model(tmp_path, caplog, suffix, content) -> None:
    path = tmp_path / f"model{suffix}"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(MismatchError, match=f"model{suffix}: n"):
        build(str(path), 3)
    assert not caplog.records  # torch's own tracebacks
    with pytest.raises(ConfigError, match="brings its own weights"):
        build(str(path), 3, tmp_path / "weights.safetensors")


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return open, ("exploded", "w")  # type: ignore[return-value]


def test_an_exported_file_runs_no_code(tmp_path, monkeypatch, kinds) -> None:
    """It may hold sample inputs, which torch.export would unpickle freely where that fails."""
    monkeypatch.chdir(tmp_path)
    inputs = io.BytesIO()
    torch.save(Bomb(), inputs)
    with (
        zipfile.ZipFile(kinds["exported"][0]) as good,
        zipfile.ZipFile("bad.pt2", "w") as bad,
    ):
        for name in good.namelist():
            content = inputs.getvalue() if "sample_inputs" in name else good.read(name)
            bad.writestr(name, content)
    with pytest.raises(MismatchError, match=r"bad\.pt2"):
        build("bad.pt2", scene.CLASSES)
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize("how", ["missing", "text", "pickle", "tensor", "other names", "shapes"])
def test_weights_that_do_not_do(tmp_path, monkeypatch, how) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "weights.pth"
    state = small().state_dict()
    if how == "text":
        path.write_text("hello")
    elif how == "pickle":
        path.write_bytes(pickle.dumps(Bomb()))
    elif how == "tensor":
        torch.save(torch.zeros(3), path)
    elif how == "other names":
        torch.save({f"x.{name}": value for name, value in state.items()}, path)
    elif how == "shapes":
        torch.save({name: value[:1] for name, value in state.items()}, path)
    with pytest.raises(MismatchError, match=r"weights\.pth") as caught:
        build(scene.SMALL, scene.CLASSES, path)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "exploded").exists()


def test_weights_of_another_model_are_told_in_a_few_words(tmp_path) -> None:
    for name in ("resnet20", "resnet56"):
        save_file(build(name, 10).state_dict(), tmp_path / f"{name}.safetensors")
    for name, other, said in (
        ("resnet56", "resnet20", "it lacks layer1.3.bn1.bias and 179 more"),
        ("resnet20", "resnet56", "it has layer1.3.bn1.bias and 179 more"),
    ):
        with pytest.raises(
            MismatchError, match=f"does not fit {name} of 10 classes: {said}; its keys"
        ):
            build(name, 10, tmp_path / f"{other}.safetensors")
    with pytest.raises(MismatchError, match=r"linear\.weight is 10 x 64, not 2 x 64$"):
        build("resnet20", 2, tmp_path / "resnet20.safetensors")


@pytest.mark.parametrize("wrapped", ["module.", "state_dict", "plain"])
def test_weights_as_others_write_them(tmp_path, wrapped) -> None:
    state = small().state_dict()
    given = {"state_dict": state} if wrapped == "state_dict" else state
    if wrapped == "module.":
        given = {f"module.{name}": value for name, value in state.items()}
    torch.save(given, tmp_path / "weights.pth")
    found = build(scene.SMALL, scene.CLASSES, tmp_path / "weights.pth").state_dict()
    assert all(torch.equal(found[name], value) for name, value in state.items())


@pytest.mark.parametrize("library", ["torchvision", "timm"])
@pytest.mark.parametrize(
    "source",
    [
        "raise RuntimeError('operator torchvision::nms does not exist')",
        "import a_module_that_it_needs",
        "import ctypes; ctypes.CDLL('libmissing.so')",
    ],
)
def test_a_library_that_is_broken(tmp_path, monkeypatch, library, source) -> None:
    """Its own error, and the versions: the usual cause is that they do not fit together."""
    (tmp_path / library).mkdir()
    (tmp_path / library / "__init__.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    for module in [name for name in sys.modules if name.partition(".")[0] == library]:
        monkeypatch.delitem(sys.modules, module)
    reason = r"(nms does not exist|a_module_that_it_needs|libmissing\.so)"
    said = rf"{library} is installed but cannot be imported: .*{reason}.*versions seen: torch \d"
    with pytest.raises(MismatchError, match=said):
        build(f"{library}/resnet18", 3)


def test_a_library_that_is_missing(monkeypatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"timm is not installed: pip install 'timm'"):
        build("timm/vit_tiny_patch16_224", 3)
