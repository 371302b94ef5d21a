from __future__ import annotations

import pytest

from labelcodec.remote import retrying
from tests.labelsets import batches, write

pytest.importorskip("fsspec")
pytest.importorskip("aiohttp")


@pytest.fixture(autouse=True)
def _fast(monkeypatch, tmp_path) -> None:
    """No waiting between attempts, and no cache but the test's own."""
    monkeypatch.setattr(retrying, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(retrying, "LONGEST_PAUSE", 0.01)
    monkeypatch.setenv("LABELCODEC_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="session")
def path(tmp_path_factory):
    """A label set of 300 batches, larger than what opening fetches."""
    target = tmp_path_factory.mktemp("labels") / "labels.slc"
    return write(target, batches(range(300)))


@pytest.fixture(scope="session")
def content(path) -> bytes:
    return path.read_bytes()
