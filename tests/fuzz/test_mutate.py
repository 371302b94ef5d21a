"""A bounded run of the fuzz; `python -m tests.fuzz.mutate` is the long one."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import labelcodec
from labelcodec.batch import Labels
from labelcodec.errors import LabelcodecError
from labelcodec.verification import VerifyReport
from tests.backends import BACKENDS, backend
from tests.codecs.content import same
from tests.fuzz import mutate
from tests.fuzz.sanitizers import SKIPPED

ROOT = Path(__file__).parents[2]
GOLDEN = mutate.golden()


@pytest.mark.parametrize(("fix_crc", "mutations"), [(True, 600), (False, 400)])
def test_only_our_errors_come_out(fix_crc, mutations):
    report = mutate.run(GOLDEN, mutations, seed=len(GOLDEN), fix_crc=fix_crc)
    assert report.failures == [], "\n".join(report.lines())
    assert report.mutants == mutations
    assert report.resident_bytes < mutate.MEMORY
    assert len(report.outcomes) > 2


def outcome(path: Path) -> list:
    """Every batch, compact labels expanded, or the class of its error."""
    found = []
    try:
        with labelcodec.open(path) as reader:
            for i in range(len(reader)):
                try:
                    batch = reader[i]
                    if batch.labels.compact is not None:
                        dense = batch.labels.dense()
                        batch = replace(batch, labels=Labels(dense.shape[1], dense))
                    found.append(batch)
                except LabelcodecError as error:
                    found.append(type(error))
    except LabelcodecError as error:
        found.append(type(error))
    return found


def test_both_twins_agree_on_every_mutant(tmp_path):
    path = tmp_path / "mutant.slc"
    for name, data, _ in mutate.mutants(GOLDEN, 300, 1, True):
        path.write_bytes(data)
        found = []
        for twin in BACKENDS:
            with backend(twin):
                found.append(outcome(path))
        assert len(found[0]) == len(found[1]), name
        for one, other in zip(*found, strict=True):
            assert one is other or same(one, other), name


def test_the_fuzz_can_fail(monkeypatch):
    """A reader that trips over what it reads is noticed, and so is a blind `verify`."""

    def trip(reader, i):
        raise ZeroDivisionError

    monkeypatch.setattr(labelcodec.Reader, "component_bytes", trip)
    report = mutate.run(GOLDEN[:1], 20, fix_crc=True)
    assert any("ZeroDivisionError" in failure for failure in report.failures)
    monkeypatch.setattr(mutate, "verify", lambda path: VerifyReport(0, 0, ()))
    report = mutate.run(GOLDEN[:1], 20, fix_crc=False)
    assert any("verify found nothing" in failure for failure in report.failures)


def test_kernels_under_sanitizers():
    """No index of the compiled kernels leaves its array, and nothing in them is undefined."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.sanitizers", "--mutations", "250", "--seed", "2"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == SKIPPED:
        pytest.skip("no compiler with AddressSanitizer and UBSan")
    assert done.returncode == 0, done.stdout + done.stderr
