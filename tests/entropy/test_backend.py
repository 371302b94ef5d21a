from __future__ import annotations

import sys

import pytest

from labelcodec.codecs import transform
from labelcodec.codecs.topk import reference as topk_reference
from labelcodec.codecs.topk.coder import kernels as topk_kernels
from labelcodec.codecs.transform.backend import kernels as transform_kernels
from labelcodec.entropy import compiled, reference
from labelcodec.entropy.backend import NotCompiledWarning, _report, coders
from tests.backends import backend


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
