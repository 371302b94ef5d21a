"""A bounded run of the fuzz of dump folders; `python -m tests.fuzz.folders` is the long one."""

from __future__ import annotations

import sys

import pytest

from labelcodec.formats import open_dump
from tests.formats.layouts import DUMPS
from tests.fuzz import folder_cases, folders

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def test_only_our_errors_come_out() -> None:
    report = folders.fuzz(400, seed=5)
    assert report.failures == [], "\n".join(report.lines())
    assert report.cases == 400
    kinds = {kind for kind, _ in folder_cases.KINDS}
    assert {kind for kind, _ in report.outcomes} == kinds
    for kind in kinds:  # neither all good nor all bad
        outcomes = {what for k, what in report.outcomes if k == kind}
        assert "DumpError" in outcomes and any(what.startswith("read") for what in outcomes), kind


@pytest.mark.parametrize("name", DUMPS)
def test_the_originals_are_read(tmp_path, name) -> None:
    folders.write(folder_cases.FolderCase(dict(folder_cases.originals()[name])), tmp_path / "dump")
    options = {"label_type": "MS"} if name.startswith("fkd M") else {}
    assert len(open_dump(tmp_path / "dump", **options)) > 0


def test_cases_can_be_made_again() -> None:
    assert folder_cases.folder_case(3, 14) == folder_cases.folder_case(3, 14)
    assert folder_cases.folder_case(3, 14) != folder_cases.folder_case(3, 15)
