"""What a missing optional package is called, in the library and in the program."""

from __future__ import annotations

import subprocess
import sys

import pytest

import labelcodec
import labelcodec.replay
from labelcodec.errors import MissingExtraError
from labelcodec.extras import needing_extra

WITHOUT = "import sys; sys.modules.update(dict.fromkeys(('torch', 'PIL', 'safetensors')))\n"


@pytest.mark.parametrize(
    ("module", "package"),
    [
        ("torch", "torch"),
        ("PIL.Image", "Pillow"),
        ("safetensors.torch", "safetensors"),
        ("pyarrow.parquet", "pyarrow"),
    ],
)
def test_the_extra_is_named(monkeypatch, module: str, package: str) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    extra = "parquet" if package == "pyarrow" else "torch"
    expected = (
        rf"^this needs {package}, which is not installed: pip install 'labelcodec\[{extra}\]'$"
    )
    with pytest.raises(MissingExtraError, match=expected), needing_extra("this"):
        __import__(module)


def test_other_modules_that_are_missing_stay_what_they_are() -> None:
    with pytest.raises(ModuleNotFoundError, match="nowhere") as caught, needing_extra("this"):
        __import__("nowhere")
    assert not isinstance(caught.value, MissingExtraError)


def test_names_that_need_it(monkeypatch) -> None:
    for name in [name for name in sys.modules if name.startswith("labelcodec.replay.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(labelcodec.MissingExtraError, match=r"replay\.expand needs torch"):
        _ = labelcodec.replay.expand


@pytest.mark.parametrize(
    "arguments",
    [
        ["relabel", "images", "a.slc", "--teacher", "resnet20", "--image-size", "32"],
        ["train", "a.slc", "images", "run", "--recipe", "cifar10"],
        ["evaluate", "images", "run"],
        ["demo"],
    ],
)
def test_commands_that_need_it(arguments: list[str], tmp_path) -> None:
    code = f"{WITHOUT}from labelcodec_cli.main import main; main({arguments!r})"
    (tmp_path / "images").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.endswith(
        "needs torch, which is not installed: pip install 'labelcodec[torch]'\n"
    )
    assert done.stderr.count("\n") == 1
