"""Hostile content: each case ends in its own error, quickly and in little memory."""

from __future__ import annotations

import time
import tracemalloc

import pytest

import labelcodec
from labelcodec.verification import verify
from tests.attacks.codecs import CASES, MODULES
from tests.attacks.content_streams import slow
from tests.attacks.kept_counts import varying
from tests.attacks.labelset import (
    dense,
    dense2,
    floors,
    projector,
    sampled,
    transform,
    valid,
    vq,
)
from tests.backends import BACKENDS, backend

SECONDS = 5.0
VALID = (valid, dense, dense2, floors, projector, sampled, transform, varying, vq)


def read_everything(path) -> int:
    with labelcodec.open(path) as reader:
        assert reader.names is None or reader.names
        for i in range(len(reader)):
            reader[i]
            reader.component_bytes(i)
            reader.usage(i)
        return len(reader)


@pytest.fixture(scope="module", autouse=True)
def _compiled(tmp_path_factory):
    """Compiling the kernels is no part of what is timed."""
    for make in VALID:
        path = tmp_path_factory.mktemp("warm") / "good.slc"
        make().write(path)
        read_everything(path)


@pytest.mark.parametrize("name", CASES)
def test_case(name, tmp_path):
    make, error, memory = CASES[name]
    path = tmp_path / "hostile.slc"
    make().write(path)
    for twin in BACKENDS:
        with backend(twin):
            tracemalloc.start()
            try:
                start = time.process_time()
                with pytest.raises(error) as caught:
                    read_everything(path)
                assert type(caught.value) is error
                assert str(path) in str(caught.value)
                assert time.process_time() - start < SECONDS
                assert tracemalloc.get_traced_memory()[1] < memory
            finally:
                tracemalloc.stop()
    assert not verify(path).sound


def test_every_case_is_listed():
    assert len(CASES) == sum(len(module.CASES) for module in MODULES)


@pytest.mark.parametrize("make", VALID)
def test_the_builder_alone_is_valid(make, tmp_path):
    path = tmp_path / "good.slc"
    make().write(path)
    assert read_everything(path) == 1
    assert verify(path).problems == ()


def test_unknown_optional_stream(tmp_path):
    made = valid()
    made.streams[200] = b"from the future"
    made.write(tmp_path / "good.slc")
    with labelcodec.open(tmp_path / "good.slc") as reader:
        sizes = reader.component_bytes(0)
        assert sum(sizes.values()) == reader.index.size[0]
        reader[0]
    assert verify(tmp_path / "good.slc").problems == ()


def test_a_dear_batch(tmp_path):
    path = tmp_path / "slow.slc"
    slow().write(path)
    assert path.stat().st_size < 3000
    start = time.process_time()
    with labelcodec.open(path) as reader:
        assert (reader[0].labels.index == range(4096)).all()
    assert time.process_time() - start < 2 * SECONDS
