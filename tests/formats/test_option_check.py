from __future__ import annotations

import json

import pytest

from labelcodec.errors import ConfigError, DumpError
from labelcodec.formats import open_dump
from tests.formats.builders import (
    BATCH_SIDE,
    EPOCH_SIDE,
    ORDER_SIDE,
    epoch_dump,
    fkd_dump,
    flat_dump,
    loader_order,
)

ORDERS = loader_order(20, 2)


def dump(layout: str, root):
    if layout == "fkd":
        return fkd_dump(root, "MR")
    if layout == "lpqld":
        return flat_dump(root, ORDERS, 8)
    return epoch_dump(root, ORDERS, 8, side_file=EPOCH_SIDE if layout == "lpld" else None)


@pytest.mark.parametrize(
    ("layout", "said", "why"),
    [
        ("sre2l", {"label_type": "hard"}, "`label_type` does not apply here: only FKD's"),
        ("sre2l", {"label_type": "MR"}, "these labels are dense, so they are not MR"),
        ("lpld", {"label_type": "probabilities"}, "do not sum to 1, so they are not probabilities"),
        (
            "lpqld",
            {"label_type": "MR"},
            r"not in 0\.\.1, or sum to more than 1, so they are not MR",
        ),
        ("fkd", {"label_type": "logits"}, "FKD's labels are hard, smoothing, MS or MR"),
        ("lpqld", {"epochs_range": (0, 1)}, "does not say which epoch a file belongs to"),
        ("fkd", {"epochs_range": (0, 1)}, "does not say which epoch a file belongs to"),
        ("lpqld", {"loader_seed": 0}, f"`loader_seed` does not apply here: {BATCH_SIDE}"),
        ("fkd", {"loader_seed": 42, "label_type": "MR"}, "named after their images"),
        ("fkd", {"image_order": "order.json", "label_type": "MR"}, "`image_order` does not apply"),
    ],
)
def test_what_means_nothing_is_refused(tmp_path, layout, said, why) -> None:
    with pytest.raises(ConfigError, match=why):
        open_dump(dump(layout, tmp_path / "dump"), **said)


def test_a_seed_beside_a_recorded_order(tmp_path) -> None:
    root = dump("sre2l", tmp_path / "dump")
    order = tmp_path / "order.json"
    order.write_text(json.dumps(ORDERS))
    with pytest.raises(ConfigError, match="`image_order` says which images"):
        open_dump(root, image_order=order, loader_seed=42)
    order.rename(root / ORDER_SIDE)
    sentence = open_dump(root, loader_seed=42).info.image_order
    assert sentence.startswith(
        f"drawn again from loader seed 42, not from {ORDER_SIDE} in the dump"
    )


def test_a_seed_is_of_no_use_where_the_order_was_lost(tmp_path) -> None:
    root = dump("lpqld", tmp_path / "dump")
    (root / BATCH_SIDE).unlink()
    with pytest.raises(ConfigError, match="only the order of SRe2L's loader"):
        open_dump(root, layout="lpqld", loader_seed=42)


def test_a_seed_stands_in_for_a_list_that_was_lost(tmp_path) -> None:
    root = dump("lpld", tmp_path / "dump")
    (root / EPOCH_SIDE).unlink()
    with pytest.raises(DumpError, match=f"{EPOCH_SIDE} is missing"):
        open_dump(root, layout="lpld")
    assert "checked" in open_dump(root, layout="lpld", loader_seed=42).info.image_order


def test_what_means_something_is_taken(tmp_path) -> None:
    assert open_dump(dump("sre2l", tmp_path / "a"), loader_seed=42).info.images == 20
    assert open_dump(dump("fkd", tmp_path / "b"), label_type="MS").info.tail == "uniform"


@pytest.mark.parametrize("layout", ["lpld", "lpqld"])
def test_an_order_that_goes_before_the_dump_s_own_says_so(tmp_path, layout) -> None:
    root = dump(layout, tmp_path / "dump")
    side = root / (BATCH_SIDE if layout == "lpqld" else EPOCH_SIDE)
    order = tmp_path / "order.json"
    order.write_bytes(side.read_bytes())
    sentence = open_dump(root, image_order=order).info.image_order
    assert sentence.startswith(f"read from order.json, not from {side.name} in the dump; it ")
    assert " not from " not in open_dump(root, image_order=side).info.image_order
    side.unlink()
    alone = open_dump(root, layout=layout, image_order=order).info.image_order
    assert alone.startswith("read from order.json; it ")
