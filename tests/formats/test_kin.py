"""Layouts of SRe2L's kin: more items in a batch, other containers and kinds, a file per epoch."""

from __future__ import annotations

import json
import pickle
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from labelcodec.analysis.dump_table import dump_table
from labelcodec.errors import ConfigError, DumpError
from labelcodec.formats import open_dump, write_dump
from tests.formats.builders import (
    DICT_SIDE,
    EPOCH_SIDE,
    ORDER_SIDE,
    Recipe,
    changed,
    edit,
    epoch_dump,
    hald_dump,
    image_folder,
    loader_order,
    read_all,
    same_dumps,
    with_images,
    with_patches,
)

ORDERS = [np.random.default_rng(epoch).permutation(20).tolist() for epoch in range(3)]


def kin(root, change, orders=ORDERS):
    return changed(epoch_dump(root, orders, 6), change, orders, 6)


class TestRecordedImages:
    """G_VBSM and EDC."""

    @pytest.mark.parametrize("change", [with_images, with_patches])
    def test_order_needs_no_seed(self, tmp_path, change):
        dump = open_dump(kin(tmp_path / "dump", change))
        assert dump.info.image_order == "recorded in every batch file"
        indices = np.concatenate([batch.image_index for batch in read_all(dump)])
        assert indices.tolist() == np.concatenate(ORDERS).tolist()
        assert dump.info.k is None

    def test_top_k_classes_before_the_images(self, tmp_path):
        root = epoch_dump(tmp_path / "dump", ORDERS, 6, Recipe(k=4))
        dump = open_dump(changed(root, with_images, ORDERS, 6))
        assert (dump.info.k, dump.info.space) == (4, "logits")
        assert dump.read(0).image_index.tolist() == ORDERS[0][:6]

    def test_stats_name_the_items(self, tmp_path):
        rows = dump_table(kin(tmp_path / "dump", with_patches)).rows
        assert [row.component for row in rows][-3:] == [
            *("label values", "image index", "patch shuffle")
        ]

    def test_a_list_overrides_them(self, tmp_path):
        root = kin(tmp_path / "dump", with_images)
        order = tmp_path / "order.json"
        order.write_text(json.dumps(ORDERS))
        assert "order.json" in open_dump(root, image_order=order).info.image_order
        with pytest.raises(ConfigError, match="`loader_seed` does not apply here: the batch files"):
            open_dump(root, loader_seed=42)

    def test_image_folder_that_is_too_small(self, tmp_path):
        root = kin(tmp_path / "dump", with_images)
        images = image_folder(tmp_path / "images", 12)
        with pytest.raises(DumpError, match="name image 19, but the image folder has 12"):
            open_dump(root, images=images)

    def test_a_batch_without_them(self, tmp_path):
        root = kin(tmp_path / "dump", with_images)
        edit(root / "epoch_1" / "batch_0.tar", lambda x: x[:6])
        with pytest.raises(DumpError, match="batch 4 of the dump has no image indices"):
            open_dump(root)

    @pytest.mark.parametrize(
        ("item", "message"),
        [
            (torch.rand(6).double(), "tensor.float64 weights of its samples, as WMDD saves them"),
            (torch.arange(5), r"image_index has shape \(5,\), expected \(6,\)"),
            (-torch.arange(6), "is out of range"),
            (torch.arange(6) << 40, "is out of range"),
            (torch.zeros(6).bool(), "image_index is tensor.bool"),
            ("text", "image_index is str"),
            (None, "image_index is NoneType"),
        ],
    )
    def test_other_items(self, tmp_path, item, message):
        root = kin(tmp_path / "dump", lambda x, _: [*x, item])
        with pytest.raises(DumpError, match=rf"epoch_0/batch_0\.tar: .*{message}"):
            open_dump(root)

    def test_shuffled_patches(self, tmp_path):
        shuffled = torch.ones(6, 2, 2).int()
        root = kin(tmp_path / "dump", lambda x, i: [*with_images(x, i), shuffled[: len(i)]])
        with pytest.raises(DumpError, match=r"shuffles patches \(EDC's option shuffle-patch\)"):
            open_dump(root)
        root = kin(tmp_path / "more", lambda x, i: [*with_patches(x, i), None])
        with pytest.raises(DumpError, match="1 part more than those of any known layout"):
            open_dump(root)

    def test_patches_of_images_that_are_not_square(self, tmp_path):
        """EDC divides rows by the width: what boxes mean depends on the image."""
        root = kin(tmp_path / "dump", with_patches)
        images = image_folder(tmp_path / "images", 20)
        assert open_dump(root, images=images).read(0).augmentation.crop.size is not None
        for file in images.rglob("*.png"):
            Image.new("RGB", (200, 100)).save(file)
        with pytest.raises(DumpError, match="EDC's, whose crops of images that are not square"):
            open_dump(root, images=images).read(0)

    def test_two_teachers(self, tmp_path):
        root = kin(tmp_path / "dump", lambda x, _: [*x[:5], torch.stack([x[5], x[5]])])
        with pytest.raises(DumpError, match=r"\(2, 6, 12\): the labels of 2 teachers"):
            open_dump(root)


class TestNames:
    @pytest.mark.parametrize(
        "name", ["batch_{}.pt", "batch_{}.pth.tar", "batch_{}.pth", "batch_{:04}.tar"]
    )
    def test_other_names(self, tmp_path, name):
        root = epoch_dump(tmp_path / "dump", loader_order(20, 3), 6)
        for epoch in range(3):
            folder = root / f"epoch_{epoch}"
            for batch in range(4):
                (folder / f"batch_{batch}.tar").rename(folder / name.format(batch))
            folder.rename(root / f"epoch_{epoch:03}")
        dump = open_dump(root)
        assert dump.read(5).image_index.tolist() == loader_order(20, 3)[1][6:12]
        assert (dump.info.epochs, dump.info.batches) == (3, 12)
        assert dump.file(5).name == name.format(1)

    def test_batches_counted_from_one(self, tmp_path):
        root = epoch_dump(tmp_path / "dump", loader_order(20, 3), 6)
        for file in sorted(root.rglob("*.tar"), reverse=True):
            file.rename(file.with_name(f"batch_{int(file.stem[6:]) + 1}.tar"))
        assert open_dump(root).read(4).image_index.tolist() == loader_order(20, 3)[1][:6]

    def test_two_files_of_one_number(self, tmp_path):
        root = epoch_dump(tmp_path / "dump", loader_order(20, 3), 6)
        shutil.copy(root / "epoch_1" / "batch_1.tar", root / "epoch_1" / "batch_1.pt")
        with pytest.raises(DumpError, match=r"batch_1\.tar: unexpected file, batch_1\.pt has the"):
            open_dump(root)


class TestInterrupted:
    """A generator that was killed leaves whole epochs, which --epochs-range keeps."""

    @pytest.mark.parametrize("side", [None, ORDER_SIDE, EPOCH_SIDE])
    @pytest.mark.parametrize("left", [0, 2, "truncated"])
    def test_last_epoch(self, tmp_path, side, left):
        root = epoch_dump(tmp_path / "dump", loader_order(20, 4), 6, side_file=side)
        last = root / "epoch_3"
        if left == "truncated":
            file = last / "batch_3.tar"
            file.write_bytes(file.read_bytes()[:-100])
        else:
            for batch in range(left, 4):
                (last / f"batch_{batch}.tar").unlink()
        with pytest.raises(DumpError) as caught:
            open_dump(root)
        assert "`epochs_range=0:3` to keep" in str(caught.value)
        assert not any(word in str(caught.value) for word in ("emove", "elete", "opy the dump"))
        dump = open_dump(root, epochs_range=(0, 3))
        assert (dump.info.epochs, dump.info.samples) == (3, 60)
        assert "checked" in dump.info.image_order

    def test_part_in_the_middle(self, tmp_path):
        root = epoch_dump(tmp_path / "dump", loader_order(20, 6), 6)
        part = open_dump(root, epochs_range=(2, 5))
        whole = open_dump(root)
        for i in range(12):
            batch = part.read(i)
            assert batch.number == whole.read(8 + i).number
            assert batch.image_index.tolist() == whole.read(8 + i).image_index.tolist()

    def test_whole_epochs_after_a_broken_one(self, tmp_path):
        root = epoch_dump(tmp_path / "dump", loader_order(20, 6), 6)
        (root / "epoch_1" / "batch_3.tar").unlink()
        with pytest.raises(DumpError, match=r"epoch_1/batch_3\.tar is missing.*range=2:6"):
            open_dump(root)

    @pytest.mark.parametrize("left", [0, 100])
    @pytest.mark.parametrize(("epoch", "kept"), [(0, (1, 6)), (1, (2, 6)), (4, (0, 4))])
    def test_damaged_file(self, tmp_path, epoch, kept, left):
        root = epoch_dump(tmp_path / "dump", loader_order(20, 6), 6)
        file = root / f"epoch_{epoch}" / "batch_2.tar"
        file.write_bytes(file.read_bytes()[:left])
        advice = rf"epoch_{epoch}/batch_2\.tar: .*`epochs_range={kept[0]}:{kept[1]}` to keep"
        with pytest.raises(DumpError, match=advice):
            read_all(open_dump(root))
        assert len(read_all(open_dump(root, epochs_range=kept))) == 4 * (kept[1] - kept[0])

    def test_missing_epoch(self, tmp_path):
        root = epoch_dump(tmp_path / "dump", loader_order(20, 6), 6)
        shutil.rmtree(root / "epoch_4")
        with pytest.raises(DumpError, match=r"epoch_4 is missing.*`epochs_range=0:4`"):
            open_dump(root)
        assert open_dump(root, epochs_range=(0, 4)).info.epochs == 4
        shutil.rmtree(root / "epoch_0")
        shutil.rmtree(root / "epoch_1")
        (root / "epoch_5").rename(root / "epoch_6")
        with pytest.raises(DumpError, match=r"epoch_4 is missing.*`epochs_range=2:4`"):
            open_dump(root)

    def test_no_such_epochs(self, tmp_path):
        root = epoch_dump(tmp_path / "dump", loader_order(20, 3), 6)
        with pytest.raises(DumpError, match=r"no epoch lies in `epochs_range=3:9`.* 0\.\.2"):
            open_dump(root, epochs_range=(3, 9))

    def test_hald(self, tmp_path):
        root = hald_dump(tmp_path / "dump", ORDERS, 6)
        file = root / "epoch_2.tar"
        file.write_bytes(file.read_bytes()[:-100])
        with pytest.raises(DumpError, match=r"truncated.*`epochs_range=0:2` to keep"):
            open_dump(root)
        assert open_dump(root, epochs_range=(1, 2)).read(0).image_index.tolist() == ORDERS[1][:6]


class TestHald:
    def test_probabilities_and_order(self, tmp_path):
        dump = open_dump(hald_dump(tmp_path / "dump", ORDERS, 6))
        assert (dump.info.layout, dump.info.space) == ("hald", "probabilities")
        assert "the labels are probabilities" in dump.info.notes[0]
        assert f"read from {DICT_SIDE}" in dump.info.image_order
        assert dump.read(7).image_index.tolist() == ORDERS[1][18:]
        assert (dump.read(7).number, dump.read(7).epoch) == (7, 1)

    def test_worker_processes_read_it(self, tmp_path):
        dump = open_dump(hald_dump(tmp_path / "dump", ORDERS, 6))
        dump.read(0)
        copy = pickle.loads(pickle.dumps(dump))
        assert (copy.read(5).labels.value == dump.read(5).labels.value).all()

    def test_stats_show_a_batch(self, tmp_path):
        table = dump_table(hald_dump(tmp_path / "dump", ORDERS, 6))
        assert (table.files.layout.name, table.rows[-1].shape) == ("hald", "6 x 12")

    def test_a_dump_with_its_list_may_be_replaced(self, tmp_path):
        dump = open_dump(hald_dump(tmp_path / "dump", ORDERS, 6))
        for _ in range(2):
            write_dump(read_all(dump), tmp_path / "out", "hald", dump.info.types, force=True)
        assert sorted(path.name for path in (tmp_path / "out").iterdir())[-1] == DICT_SIDE
        (tmp_path / "out" / "weights.pt").write_bytes(b"x")
        with pytest.raises(DumpError, match=r"holds weights\.pt"):
            write_dump(read_all(dump), tmp_path / "out", "hald", dump.info.types, force=True)

    def test_logits(self, tmp_path):
        root = hald_dump(tmp_path / "dump", ORDERS, 6)
        for file in root.glob("*.tar"):
            edit(file, lambda epoch: [[*x[:5], x[5].log()] for x in epoch])
        dump = open_dump(root)
        assert dump.info.space == "logits"
        write_dump(read_all(dump), tmp_path / "out", "hald", dump.info.types)
        assert same_dumps(root, tmp_path / "out")

    def test_pruned_labels_do_not_fit(self, tmp_path):
        dump = open_dump(hald_dump(tmp_path / "dump", ORDERS, 6))
        batches = read_all(dump)
        with pytest.raises(DumpError, match=r"batch 1 was due, got batch 2. Use layout lpqld"):
            write_dump([batches[0], batches[2]], tmp_path / "out", "hald", dump.info.types)

    def test_without_its_order(self, tmp_path):
        root = hald_dump(tmp_path / "dump", ORDERS, 6)
        (root / DICT_SIDE).rename(tmp_path / "order.pt")
        with pytest.raises(DumpError, match=f"{DICT_SIDE} is missing"):
            open_dump(root)
        assert open_dump(root, image_order=tmp_path / "order.pt").info.images == 20

    def test_epochs_of_other_lengths(self, tmp_path):
        root = hald_dump(tmp_path / "dump", ORDERS, 6)
        edit(root / "epoch_1.tar", lambda batches: batches[:3])
        with pytest.raises(DumpError, match=r"epoch_1\.tar: holds 3 batches, the first epoch 4"):
            open_dump(root)

    def test_a_batch_that_is_damaged_is_named(self, tmp_path):
        root = hald_dump(tmp_path / "dump", ORDERS, 6)
        edit(root / "epoch_2.tar", lambda batches: [batches[0], batches[1][:3], *batches[2:]])
        dump = open_dump(root)
        with pytest.raises(DumpError, match=r"epoch_2\.tar \(batch 1\): holds a list of 3 parts"):
            dump.read(9)

    @pytest.mark.parametrize("content", [[], {}, [1, 2], torch.zeros(3), [[]]])
    def test_other_content(self, tmp_path, content):
        root = hald_dump(tmp_path / "dump", ORDERS, 6)
        torch.save(content, root / "epoch_0.tar")
        with pytest.raises(DumpError, match=r"epoch_0\.tar"):
            open_dump(root)
        with pytest.raises(DumpError, match=r"epoch_0\.tar"):
            dump_table(root)


class TestLabelSpace:
    def test_detected(self, tmp_path):
        root = kin(
            tmp_path / "dump", lambda x, _: [*x[:5], x[5].softmax(dim=1)], loader_order(20, 3)
        )
        assert open_dump(root).info.space == "probabilities"
        assert open_dump(root).read(0).labels.space == "probabilities"
        forced = open_dump(root, label_type="logits")
        assert (forced.info.space, forced.info.notes) == ("logits", ())

    def test_a_batch_of_logits_among_probabilities(self, tmp_path):
        root = kin(
            tmp_path / "dump", lambda x, _: [*x[:5], x[5].softmax(dim=1)], loader_order(20, 3)
        )
        edit(root / "epoch_1" / "batch_1.tar", lambda x: [*x[:5], x[5] * 5])
        with pytest.raises(DumpError, match=r"batch_1\.tar: its labels do not sum to 1"):
            open_dump(root).read(5)

    def test_a_batch_of_probabilities_among_logits(self, tmp_path):
        root = kin(tmp_path / "dump", lambda x, _: x, loader_order(20, 3))
        edit(root / "epoch_1" / "batch_1.tar", lambda x: [*x[:5], x[5].softmax(dim=1)])
        with pytest.raises(DumpError, match=r"batch_1\.tar: its labels are probabilities.*first"):
            open_dump(root).read(5)
        assert open_dump(root, label_type="logits").read(5).labels.space == "logits"

    def test_nan_in_the_first_batch(self, tmp_path):
        root = kin(
            tmp_path / "dump", lambda x, _: [*x[:5], x[5].softmax(dim=1)], loader_order(20, 3)
        )

        def spoil(saved):
            saved[5][0, 0] = float("nan")
            return saved

        edit(root / "epoch_0" / "batch_0.tar", spoil)
        assert open_dump(root).info.space == "probabilities"
        assert open_dump(root).read(0).labels.space == "probabilities"

    @pytest.mark.parametrize(("said", "tail"), [("MS", "uniform"), ("MR", "zero")])
    def test_largest_probabilities(self, tmp_path, said, tail):
        root = changed(
            epoch_dump(tmp_path / "dump", loader_order(20, 3), 6, Recipe(k=4)),
            lambda x, _: [*x[:5], x[5].softmax(dim=1) * 0.9, x[6]],
            loader_order(20, 3),
            6,
        )
        with pytest.raises(DumpError, match=r"largest probabilities of each label.*MS or MR"):
            open_dump(root)
        info = open_dump(root, label_type=said).info
        assert (info.space, info.tail) == ("probabilities", tail)
        assert open_dump(root, label_type="logits").info.space == "logits"

    def test_float64(self, tmp_path):
        root = kin(tmp_path / "dump", lambda x, _: [*x[:5], x[5].double() / 3], loader_order(20, 3))
        dump = open_dump(root)
        assert dump.info.precision == "float32"
        assert "float64" in dump.info.notes[0]
        stored = torch.load(root / "epoch_0" / "batch_0.tar", weights_only=False)[5]
        assert (dump.read(0).labels.value == stored.float().numpy()).all()
