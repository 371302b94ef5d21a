from __future__ import annotations

import json

import pytest

from labelcodec.analysis import compare_sets
from labelcodec.analysis.open_any import open_any, open_pair
from labelcodec.errors import ConfigError, DumpError
from labelcodec.transcode.encode_dump import encode
from tests.formats.builders import (
    BATCH_SIDE,
    epoch_dump,
    fkd_dump,
    flat_dump,
    hald_dump,
    loader_order,
)


@pytest.fixture
def dump(tmp_path):
    """An SRe2L dump drawn with seed 7, and a container of it."""
    root = epoch_dump(tmp_path / "dump", loader_order(40, 3, seed=7), 16)
    encode(root, tmp_path / "labels.slc", loader_seed=7)
    return root, tmp_path / "labels.slc"


def same(a, b, **options) -> bool:
    with open_pair(a, b, **options) as (one, other):
        return compare_sets(one, other).identical


def test_options_go_to_the_dumps_that_have_a_use_for_them(dump, tmp_path) -> None:
    root, container = dump
    assert same(root, container, loader_seed=7, label_type=None)
    assert same(container, root, loader_seed=7)
    recorded = epoch_dump(tmp_path / "recorded", loader_order(40, 3, seed=7), 16)
    order = loader_order(40, 3, seed=7)
    (recorded / "image_order.json").write_text(json.dumps(order))
    assert same(root, recorded, loader_seed=7)


def test_the_container_s_order_and_label_type_stand_in_for_options(dump, tmp_path) -> None:
    root, container = dump
    assert same(root, container)  # seed 7 is not the usual one
    assert same(container, root)
    fkd = fkd_dump(tmp_path / "fkd", "MR")
    encode(fkd, tmp_path / "fkd.slc", label_type="MR")
    assert same(fkd, tmp_path / "fkd.slc")
    assert not same(fkd, tmp_path / "fkd.slc", label_type="MS")
    flat = flat_dump(tmp_path / "flat", loader_order(40, 3, seed=7), 16)
    encode(flat, tmp_path / "flat.slc")
    (flat / BATCH_SIDE).unlink()
    assert same(flat, tmp_path / "flat.slc")
    hald = hald_dump(tmp_path / "hald", loader_order(40, 3), 16)
    encode(hald, tmp_path / "hald.slc", label_type="logits")
    assert same(hald, tmp_path / "hald.slc")


def test_an_order_that_the_dump_has_is_compared(dump) -> None:
    root, container = dump
    lists = [order[::-1] for order in loader_order(40, 3, seed=7)]
    (root / "image_order.json").write_text(json.dumps(lists))
    with pytest.raises(DumpError, match="not the order of the labels"):
        same(root, container)
    assert not same(root, container, image_order=root / "image_order.json")
    (root / "image_order.json").unlink()
    assert same(root, container)


def test_fewer_batches_than_the_dump(dump, tmp_path) -> None:
    root, _ = dump
    encode(root, tmp_path / "part.slc", loader_seed=7, epochs_range=(0, 2))
    with open_pair(root, tmp_path / "part.slc") as (one, other):
        assert compare_sets(one, other).difference == "9 batches against 6"
    assert same(root, tmp_path / "part.slc", epochs_range=(0, 2))


def test_an_option_that_nobody_has_a_use_for_is_refused(dump) -> None:
    root, container = dump
    with pytest.raises(ConfigError, match=r"`label_type` applies neither to .*dump nor to"):
        same(root, container, loader_seed=7, label_type="hard")
    with pytest.raises(ConfigError, match="`loader_seed` applies neither"):
        same(container, container, loader_seed=7)


def test_a_directory_is_a_dump(tmp_path) -> None:
    with open_any(fkd_dump(tmp_path / "dump", "hard")) as labels:
        assert len(labels) == 3
        assert labels[2].number == 2
