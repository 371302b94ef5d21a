from __future__ import annotations

from typing import Any

import pytest

from tests.pipeline.study import small_study


@pytest.fixture(scope="session")
def tables(tmp_path_factory) -> dict[str, Any]:
    """Images, a teacher with batch norm, and the tables that name them."""
    return small_study.folders(tmp_path_factory.mktemp("study"))
