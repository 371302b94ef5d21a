from __future__ import annotations

import sys

from labelcodec.entropy import kernels, plain
from labelcodec.entropy.backend import coders
from tests.backends import backend


def test_the_environment_chooses():
    with backend("numpy"):
        assert coders() is plain
    with backend("numba"):
        assert coders() is kernels


def test_without_numba(monkeypatch):
    monkeypatch.delattr("labelcodec.entropy.kernels")
    monkeypatch.setitem(sys.modules, "labelcodec.entropy.kernels", None)
    with backend(""):
        assert coders() is plain
