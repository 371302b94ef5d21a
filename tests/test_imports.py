from __future__ import annotations

import subprocess
import sys

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
    for name in labelcodec.__all__:
        assert hasattr(labelcodec, name), name
    for name in ("merge", "open", "repair", "verify"):
        assert callable(getattr(labelcodec, name)), name
