from __future__ import annotations

import sys

import pytest

from labelcodec.codecs import transform
from labelcodec.codecs.transform.backend import kernels as transform_kernels
from labelcodec.entropy import compiled, reference
from labelcodec.entropy.backend import coders
from tests.backends import backend


def test_the_environment_chooses():
    with backend("numpy"):
        assert coders() is reference
        assert transform_kernels() is transform.reference
    with backend("numba"):
        assert coders() is compiled
        assert transform_kernels() is transform.compiled


@pytest.mark.parametrize("value", ["", "anything"])
def test_without_numba(monkeypatch, value):
    monkeypatch.delattr("labelcodec.entropy.compiled")
    monkeypatch.setitem(sys.modules, "labelcodec.entropy.compiled", None)
    with backend(value):
        assert coders() is reference
