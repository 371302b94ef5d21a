from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from labelcodec.codecs import transform
from labelcodec.codecs.topk import reference as topk_reference
from labelcodec.codecs.topk.coder import kernels as topk_kernels
from labelcodec.codecs.transform.backend import kernels as transform_kernels
from labelcodec.entropy import compiled, reference
from labelcodec.entropy.backend import NotCompiledWarning, _report, coders
from tests.backends import backend

ROOT = Path(__file__).parents[2]


def test_the_environment_chooses():
    with backend("numpy"):
        assert coders() is reference
        assert transform_kernels() is transform.reference
    with backend("compiled"):
        assert coders() is compiled
        assert transform_kernels() is transform.compiled


@pytest.mark.parametrize("value", ["", "anything"])
def test_without_a_compiler(monkeypatch, value):
    monkeypatch.setitem(sys.modules, "labelcodec.entropy.compiled", None)
    monkeypatch.setitem(sys.modules, "labelcodec.codecs.topk.compiled", None)
    _report.cache_clear()
    with backend(value):
        with pytest.warns(NotCompiledWarning, match="same bytes"):
            assert coders() is reference
        assert topk_kernels() is topk_reference  # and is not reported again


def test_the_environment_forces_the_reference_without_a_word():
    _report.cache_clear()
    with backend("numpy"):
        assert coders() is reference


def test_the_program_says_so_in_one_line(tmp_path):
    """And goes on: the file is read by the reference."""
    golden = next((ROOT / "spec" / "vectors").rglob("topk/*.slc"))
    code = (
        "import sys; sys.modules['labelcodec.entropy.compiled'] = None; "
        "sys.modules['labelcodec.codecs.topk.compiled'] = None; "
        "from labelcodec_cli.main import main; main(['verify', sys.argv[1]])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, golden],
        env={name: value for name, value in os.environ.items() if name != "LABELCODEC_BACKEND"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0 and "sound" in done.stdout
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("labelcodec: the compiled kernels are missing")
