from __future__ import annotations

import subprocess
import sys
from types import FunctionType

import pytest

import labelcodec

HEAVY = ("torch", "numba", "matplotlib", "pandas")


def loaded_after(statement: str) -> set[str]:
    """Top-level modules that a fresh interpreter has after the statement."""
    script = f"{statement}\nimport sys\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    return set(done.stdout.split())


def test_the_probe_sees_what_is_loaded() -> None:
    assert {"numpy", "msgpack"} <= loaded_after("import numpy, msgpack")


@pytest.mark.parametrize("module", ["labelcodec", "labelcodec.storage"])
def test_library_imports_neither_torch_nor_numba(module: str) -> None:
    loaded = loaded_after(f"import {module}")
    assert "labelcodec" in loaded
    assert not loaded & set(HEAVY)


def test_help_of_the_program_needs_no_numpy() -> None:
    script = "from labelcodec_cli.main import main\ntry: main(['--help'])\nexcept SystemExit: pass"
    assert not loaded_after(script) & {"numpy", *HEAVY}


def test_public_names_are_all_there_and_are_what_they_say() -> None:
    """What a program can rely on: a name less or another kind of thing would break it."""
    kinds = {
        "Augmentation": type, "Crop": type, "Header": type, "LabelBatch": type,
        "LabelcodecError": type, "Labels": type, "Mix": type, "RandAugment": type, "Reader": type,
        "Writer": type, "__version__": str, "merge": FunctionType, "open": FunctionType,
        "repair": FunctionType, "verify": FunctionType,
    }  # fmt: skip
    assert {name: type(getattr(labelcodec, name)) for name in labelcodec.__all__} == kinds
    for name, kind in kinds.items():
        if kind is not str:
            assert getattr(labelcodec, name).__name__ == name
