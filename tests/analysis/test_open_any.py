from __future__ import annotations

import json

import pytest

import labelcodec
from labelcodec.analysis import compare_sets
from labelcodec.analysis.open_any import compare, fidelity_of, open_any, open_pair
from labelcodec.errors import ConfigError, DumpError, MismatchError
from labelcodec.formats.epoch_folders import EPOCH_SIDE
from labelcodec.formats.registry import detect
from labelcodec.header import Header, epochs_range_of
from labelcodec.merging import merge
from labelcodec.transcode.encode_dump import encode
from labelcodec.transcode.recode_container import recode
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


@pytest.mark.parametrize("listed", [True, False])
def test_shards_on_either_side(dump, tmp_path, listed) -> None:
    root, container = dump
    for part in (1, 2):
        encode(root, tmp_path / "part.slc", loader_seed=7, part=(part, 2))
    shards = sorted(tmp_path.glob("part-*.slc"))
    labels = shards if listed else str(tmp_path / "part-*.slc")
    assert compare(labels, container).identical and compare([container], labels).identical
    assert compare(root, labels).identical and compare(labels, [root]).identical
    assert fidelity_of(root, labels).kl[1] == 0
    said = compare(root, shards[0]).difference
    assert said is not None and "part-0-of-2.slc is part 1 of 2; compare all of them" in said
    if listed:
        epoch = tmp_path / "epoch.slc"
        encode(root, epoch, loader_seed=7, epochs_range=(0, 1))
        said = r"epoch\.slc does not label the samples of .*part-0-of-2\.slc and 1 more: "
        with pytest.raises(MismatchError, match=said):
            fidelity_of(shards, epoch)
        with pytest.raises(ConfigError, match=r"to .*part-0-of-2\.slc and 1 more"):
            compare(shards, container, loader_seed=7)


def test_an_order_that_the_dump_has_is_compared(dump) -> None:
    root, container = dump
    lists = [order[::-1] for order in loader_order(40, 3, seed=7)]
    (root / "image_order.json").write_text(json.dumps(lists))
    with pytest.raises(DumpError, match="not the order of the labels"):
        same(root, container)
    assert not same(root, container, image_order=root / "image_order.json")
    (root / "image_order.json").unlink()
    assert same(root, container)


class TestEpochsOfADump:
    """A container of some epochs of a dump, with and without a record of which."""

    @pytest.fixture(params=["sre2l", "sre2l from 5", "lpld", "hald"])
    def part(self, request, tmp_path):
        """A dump of three epochs, and a container of its second."""
        orders, root, number = loader_order(40, 3, seed=7), tmp_path / "dump", 1
        more = {"loader_seed": 7} if request.param.startswith("sre2l") else {}
        if request.param == "hald":
            hald_dump(root, orders, 16)
        else:
            epoch_dump(root, orders, 16, side_file=EPOCH_SIDE if request.param == "lpld" else None)
        if request.param == "sre2l from 5":
            number = 6
            for epoch in (2, 1, 0):
                (root / f"epoch_{epoch}").rename(root / f"epoch_{epoch + 5}")
        part = tmp_path / "part.slc"
        encode(root, part, epochs_range=(number, number + 1), **more)
        return root, part, number

    def test_the_record_stands_in_for_the_option(self, part) -> None:
        root, container, number = part
        for pair in ((root, container), (container, root)):
            assert compare(*pair).identical
            assert fidelity_of(*pair).labels == 40
        assert not compare(root, container, epochs_range=(number - 1, number)).identical

    def test_recoding_and_merging_keep_it(self, part, tmp_path) -> None:
        root, container, number = part
        recode(container, tmp_path / "again.slc", "dense2")
        assert compare(root, tmp_path / "again.slc").identical
        options = {"epochs_range": (number + 1, number + 2)}
        if detect(root).name == "sre2l":
            options["loader_seed"] = 7
        encode(root, tmp_path / "next.slc", codec="dense2", **options)
        pair = [tmp_path / "again.slc", tmp_path / "next.slc"]
        merge(pair, tmp_path / "both.slc")
        with labelcodec.open(tmp_path / "both.slc") as reader:
            assert reader.header.source["epochs_range"] == [number, number + 2]
        assert compare(tmp_path / "both.slc", root).identical

    def test_without_a_record_the_option_is_named(self, part, monkeypatch) -> None:
        root, container, number = part
        monkeypatch.setattr("labelcodec.analysis.open_any.epochs_range_of", lambda header: None)
        said = (
            f"part.slc holds epochs {number} to {number} of the dump, which "
            f"`epochs_range={number}:{number + 1}` reads"
        )
        for pair in ((root, container), (container, root)):
            assert (compare(*pair).difference or "").endswith(said)
            with pytest.raises(MismatchError, match=said):
                fidelity_of(*pair)
        assert compare(root, container, epochs_range=(number, number + 1)).identical

    @pytest.mark.parametrize("hostile", [[2], [2, 1], [-1, 3], [True, 2], ["a", "b"], 7, {}, None])
    def test_a_record_that_makes_no_sense_is_ignored(self, hostile) -> None:
        assert epochs_range_of(Header(classes=3, source={"epochs_range": hostile})) is None


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
