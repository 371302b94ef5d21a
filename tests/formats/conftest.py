from __future__ import annotations

import pytest

from tests.formats.builders import EPOCH_SIDE, epoch_dump, flat_dump, loader_order


@pytest.fixture
def sre2l(tmp_path):
    return epoch_dump(tmp_path / "dump", loader_order(40, 3), 16)


@pytest.fixture
def lpld(tmp_path):
    return epoch_dump(tmp_path / "dump", loader_order(40, 3), 16, side_file=EPOCH_SIDE)


@pytest.fixture
def lpqld(tmp_path):
    return flat_dump(tmp_path / "dump", loader_order(40, 2), 16)


@pytest.fixture
def forty(tmp_path):
    """An LPQLD dump of forty small batches."""
    return flat_dump(tmp_path / "dump", loader_order(20, 8), 4)
