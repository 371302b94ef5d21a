from __future__ import annotations

import sys

from labelcodec.codecs import transform
from labelcodec.codecs.transform.backend import kernels as transform_kernels
from labelcodec.entropy import kernels, plain
from labelcodec.entropy.backend import coders
from tests.backends import backend


def test_the_environment_chooses():
    with backend("numpy"):
        assert coders() is plain
        assert transform_kernels() is transform.plain
    with backend("numba"):
        assert coders() is kernels
        assert transform_kernels() is transform.kernels


def test_without_numba(monkeypatch):
    monkeypatch.delattr("labelcodec.entropy.kernels")
    monkeypatch.setitem(sys.modules, "labelcodec.entropy.kernels", None)
    with backend(""):
        assert coders() is plain
