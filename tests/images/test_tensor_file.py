"""Tensor files: what is recognised, how floats are rounded, and what is refused."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from labelcodec.errors import (
    ConfigError,
    DataError,
    LabelcodecError,
    LabelcodecWarning,
    MismatchError,
    UnsafeError,
)
from labelcodec.images import image_sizes, list_images
from labelcodec.images.levels import KNOWN, Scale
from labelcodec.readable_images import unreadable
from tests.images.sources import MEAN, STD

LEVELS = np.random.default_rng(0).integers(0, 256, (6, 3, 4, 5), np.uint8)
CLASSES = np.array([0, 0, 1, 1, 3, 3])
STATED = {"mean": list(MEAN), "std": list(STD)}


def normalised(levels: np.ndarray, mean=MEAN, std=STD) -> np.ndarray:
    mean, std = (np.reshape(row, (3, 1, 1)) for row in (mean, std))
    return ((levels / 255 - mean) / std).astype(np.float32)


def npz(path: Path, **arrays: Any) -> Path:
    np.savez(path / "set.npz", **arrays)
    return path / "set.npz"


def levels_of(source: Path, **options: Any) -> np.ndarray:
    listing = list_images(source, **options)
    return np.stack([listing.pixels(i).transpose(2, 0, 1) for i in range(len(listing))])


def refused(source: Path, *words: str, error: type[LabelcodecError] = MismatchError) -> None:
    with pytest.raises(error) as caught:
        list_images(source)
    assert all(word in str(caught.value) for word in (str(source), *words)), caught.value


def test_classes_without_images_keep_their_number(tmp_path) -> None:
    listing = list_images(npz(tmp_path, images=LEVELS, targets=CLASSES))
    assert listing.classes == ("0", "1", "2", "3")
    assert listing.class_index.tolist() == CLASSES.tolist()
    assert listing.paths[4] == "3/00000004" and not listing.is_named
    assert listing.where(4).endswith("set.npz: image 4")
    assert image_sizes(listing, np.arange(2)).tolist() == [[4, 5], [4, 5]]


@pytest.mark.parametrize(("mean", "std"), KNOWN)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_known_normalisations_are_recognised(tmp_path, mean, std, dtype) -> None:
    source = npz(tmp_path, images=normalised(LEVELS, mean, std).astype(dtype), labels=CLASSES)
    with pytest.warns(LabelcodecWarning, match=rf"mean {mean[0]:g}, .*std {std[0]:g}, "):
        assert np.array_equal(levels_of(source), LEVELS)


@pytest.mark.parametrize("factor", [1, 255])
def test_floats_that_are_not_normalised(tmp_path, factor) -> None:
    source = npz(tmp_path, images=(LEVELS / 255 * factor).astype(np.float32), labels=CLASSES)
    with pytest.warns(LabelcodecWarning, match="rounded"):
        assert np.array_equal(levels_of(source), LEVELS)


def test_distilled_floats_need_their_normalisation(tmp_path) -> None:
    """They are on no grid and go beyond what an image can show."""
    drawn = np.random.default_rng(1).normal(size=(6, 3, 4, 5)).astype(np.float32) * 2
    source = npz(tmp_path, images=drawn, labels=CLASSES)
    refused(source, "nothing says by what", "`image_normalisation`")
    with pytest.warns(LabelcodecWarning) as told:
        levels = levels_of(source, image_normalisation=STATED)
    exact = Scale(MEAN, STD).exact(drawn)
    assert np.array_equal(levels, np.clip(np.floor(exact + 0.5), 0, 255))
    off = np.abs(np.clip(exact, 0, 255) - levels)
    share = 100 * ((exact < 0) | (exact > 255)).mean()
    assert f"by {off.mean():.2f} levels on average and by up to {off.max():.2f}" in str(told[0])
    assert f"{share:.2g} % lie outside of 0..255" in str(told[0].message)


@pytest.mark.parametrize("kind", ["npz", "pt", "safetensors"])
def test_a_file_may_say_its_normalisation(tmp_path, kind) -> None:
    drawn = normalised(LEVELS) + np.float32(0.001)
    if kind == "npz":
        source = npz(tmp_path, images=drawn, labels=CLASSES, mean=MEAN, std=STD)
    elif kind == "pt":
        source = tmp_path / "set.pt"
        saved = {"images": torch.from_numpy(drawn), "labels": torch.from_numpy(CLASSES)}
        torch.save({**saved, "mean": list(MEAN), "std": torch.tensor(STD)}, source)
    else:
        source = tmp_path / "set.safetensors"
        tensors = {"images": torch.from_numpy(drawn), "labels": torch.from_numpy(CLASSES)}
        said = {key: json.dumps(values) for key, values in STATED.items()}
        save_file(tensors, source, said | {"format": "pt"})
    with pytest.warns(LabelcodecWarning, match=r"mean 0\.4914, "):
        assert np.array_equal(levels_of(source), LEVELS)


def test_halves_are_rounded_up(tmp_path) -> None:
    halves = np.zeros((1, 3, 1, 4))
    halves[0, :, 0] = np.array([0.5, 1.5, -0.5, 255.5]) / 255
    assert Scale((0.0,) * 3, (1.0,) * 3).levels(halves)[0, 0, 0].tolist() == [1, 2, 0, 255]


@given(st.lists(st.integers(0, 255), min_size=3, max_size=3), st.sampled_from(KNOWN))
def test_levels_survive_every_known_normalisation(level, known) -> None:
    levels = np.array(level, np.uint8).reshape(3, 1, 1)
    values = normalised(levels, *known)
    assert np.array_equal(Scale(*known).levels(values), levels)


def test_bfloat16_and_strides(tmp_path) -> None:
    tensor = torch.from_numpy(LEVELS / 255).to(torch.bfloat16)
    images = tensor.permute(0, 1, 3, 2).contiguous().permute(0, 1, 3, 2)  # other strides
    torch.save([images, torch.from_numpy(CLASSES)], tmp_path / "set.pt")
    with pytest.warns(LabelcodecWarning):
        levels = levels_of(tmp_path / "set.pt")
    assert np.array_equal(levels, np.floor(tensor.double().numpy() * 255 + 0.5))
    tensors = {"images": tensor, "labels": torch.from_numpy(CLASSES)}
    save_file(tensors, tmp_path / "set.safetensors")
    with pytest.warns(LabelcodecWarning):
        assert np.array_equal(levels_of(tmp_path / "set.safetensors"), levels)


def test_old_torch_files_and_fortran_order(tmp_path) -> None:
    pair = [torch.from_numpy(LEVELS), torch.from_numpy(CLASSES)]
    torch.save(pair, tmp_path / "set.pt", _use_new_zipfile_serialization=False)
    assert np.array_equal(levels_of(tmp_path / "set.pt"), LEVELS)
    np.save(tmp_path / "x_train.npy", np.asfortranarray(LEVELS))
    np.save(tmp_path / "y_train.npy", CLASSES)
    assert np.array_equal(levels_of(tmp_path / "x_train.npy"), LEVELS)


def test_soft_labels_give_their_largest_class(tmp_path) -> None:
    soft = np.eye(4, dtype=np.float32)[CLASSES] * 2 - 1
    with pytest.warns(LabelcodecWarning, match="soft labels of 4 classes"):
        listing = list_images(npz(tmp_path, images=LEVELS, label_syn=soft))
    assert listing.class_index.tolist() == CLASSES.tolist()


def test_several_experiments(tmp_path) -> None:
    pair = [torch.from_numpy(LEVELS), torch.from_numpy(CLASSES)]
    torch.save({"data": [pair, pair]}, tmp_path / "res.pt")
    refused(tmp_path / "res.pt", "holds 2 sets of images")


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (LEVELS[:, :2], "images of shape (6, 2, 4, 5)"),
        (LEVELS[0], "no array of images"),
        (np.zeros((2, 3, 8, 3), np.uint8), "it could be either"),
        (np.zeros((0, 3, 8, 8), np.uint8), "images of shape (0, 3, 8, 8)"),
        (LEVELS.astype(np.int32), "dtype int32"),
        (LEVELS.astype(bool), "dtype bool"),
        (LEVELS.astype(np.longdouble), "expected uint8 or floats"),
        (normalised(LEVELS).transpose(0, 2, 3, 1), "expected (N, 3, H, W)"),
        (np.full((6, 3, 4, 5), np.nan, np.float32), "image 0: has NaN"),
    ],
)
def test_images_of_a_wrong_kind(tmp_path, images, words) -> None:
    refused(npz(tmp_path, images=images, labels=CLASSES[: len(images)]), words)


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ({}, "does not say the class of each image"),
        ({"labels": CLASSES[:5]}, "expected one for each of 6 images"),
        ({"labels": CLASSES - 1}, "image 0: its class is -1"),
        ({"labels": CLASSES + 0.5}, "no whole numbers"),
        ({"labels": CLASSES * np.nan}, "NaN"),
        ({"labels": CLASSES * 10**9}, "its class is 1000000000"),
        ({"labels": np.zeros((6, 2, 2))}, "classes of shape (6, 2, 2)"),
        ({"labels": CLASSES, "y": CLASSES}, "several arrays of classes: labels, y"),
        ({"labels": CLASSES, "x": LEVELS}, "several arrays of images"),
    ],
)
def test_labels_of_a_wrong_kind(tmp_path, labels, words) -> None:
    refused(npz(tmp_path, images=LEVELS, **labels), words)


def test_the_file_of_labels_that_was_looked_for(tmp_path) -> None:
    np.save(tmp_path / "images_best.npy", LEVELS)
    refused(tmp_path / "images_best.npy", "or labels_best.npy beside it")
    np.save(tmp_path / "labels_best.npy", CLASSES[:3])
    with pytest.raises(MismatchError, match=r"labels_best\.npy: classes of shape \(3,\)"):
        list_images(tmp_path / "images_best.npy")


def test_an_image_with_nan_is_named(tmp_path) -> None:
    many = np.zeros((300, 3, 256, 256), np.float16)  # more than is looked at when it is opened
    many[1, 0, 0, 0] = np.inf
    source = npz(tmp_path, images=many, labels=np.zeros(300, int))
    with pytest.warns(LabelcodecWarning, match="of 85 images looked at"):
        listing = list_images(source)
    assert unreadable(listing) == {1: "has NaN or infinite values"}
    with pytest.raises(MismatchError, match=r"set\.npz: image 1: has NaN"):
        listing.image(1)


def test_normalisations_that_make_no_sense(tmp_path) -> None:
    source = npz(tmp_path, images=normalised(LEVELS), labels=CLASSES, mean=MEAN, std=(0, 1, 1))
    refused(source, "'std' is")
    with pytest.raises(DataError, match="'mean' is"):
        list_images(source, image_normalisation={"mean": [1, 2], "std": [1, 1, 1]})
    (tmp_path / "a").mkdir()
    with pytest.raises(ConfigError, match="only the floats of a tensor file"):
        list_images(tmp_path, image_normalisation=STATED)


class Evil:
    def __reduce__(self) -> tuple:
        return os.system, ("echo > /tmp/never",)


def test_pickles_that_want_code(tmp_path) -> None:
    torch.save({"images": torch.from_numpy(LEVELS), "labels": Evil()}, tmp_path / "a.pt")
    refused(tmp_path / "a.pt", "refused", error=UnsafeError)
    np.save(tmp_path / "images.npy", np.array([Evil()], object), allow_pickle=True)
    refused(tmp_path / "images.npy", "Python objects")
    np.savez(tmp_path / "a.npz", images=np.array([Evil()], object))
    refused(tmp_path / "a.npz", "Python objects")
    (tmp_path / "b.npy").write_bytes(pickle.dumps(Evil()))
    refused(tmp_path / "b.npy", "not a NumPy file")


def written(path: Path, kind: str) -> Path:
    if kind == "npy":
        np.save(path / "labels.npy", CLASSES)
        np.save(path / "images.npy", LEVELS)
        return path / "images.npy"
    arrays = {"images": LEVELS, "labels": CLASSES}
    if kind == "pt":
        tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
        torch.save(tensors, path / "set.pt")
        return path / "set.pt"
    if kind == "safetensors":
        save_file({k: torch.from_numpy(v) for k, v in arrays.items()}, path / "set.safetensors")
        return path / "set.safetensors"
    save = np.savez_compressed if kind == "npz_compressed" else np.savez
    save(path / "set.npz", **arrays)
    return path / "set.npz"


@pytest.mark.parametrize("kind", ["npy", "npz", "npz_compressed", "safetensors", "pt"])
def test_damaged_files(tmp_path, kind) -> None:
    """Cut off anywhere, or with any byte changed: our error, or images of the right shape."""
    source = written(tmp_path, kind)
    whole = source.read_bytes()
    for share in (0, 0.02, 0.3, 0.7, 0.99):
        source.write_bytes(whole[: int(share * len(whole))])
        refused(source)
    rng = np.random.default_rng(0)
    for at in rng.integers(0, len(whole), 150).tolist():
        source.write_bytes(whole[:at] + bytes([whole[at] ^ rng.integers(1, 256)]) + whole[at + 1 :])
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                listing = list_images(source)
            for i in range(len(listing)):
                assert listing.pixels(i).shape[2] == 3
        except (MismatchError, UnsafeError) as error:
            assert str(source) in str(error)


def test_a_changed_value_of_an_archive(tmp_path) -> None:
    """Archives have a checksum; the other files do not."""
    for kind in ("npz", "npz_compressed", "pt"):
        source = written(tmp_path, kind)
        whole = source.read_bytes()
        at = whole.find(LEVELS[3].tobytes()) if kind != "npz_compressed" else len(whole) // 3
        source.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        refused(source, "damaged")


def test_headers_that_ask_for_too_much(tmp_path) -> None:
    header = json.dumps({"images": {"dtype": "U8", "shape": [1 << 40, 3, 8, 8],
                                    "data_offsets": [0, 8]}}).encode()  # fmt: skip
    source = tmp_path / "a.safetensors"
    source.write_bytes(struct.pack("<Q", len(header)) + header + bytes(8))
    refused(source, "truncated or damaged")
    source.write_bytes(struct.pack("<Q", 1 << 62))
    refused(source, "truncated")
    source.write_bytes(struct.pack("<Q", 60_000) + b"[" * 60_000)
    refused(source, "damaged")
    text = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        text, {"descr": "|u1", "fortran_order": False, "shape": (1 << 50, 3, 8, 8)}
    )
    (tmp_path / "a.npy").write_bytes(text.getvalue())
    refused(tmp_path / "a.npy", "truncated or damaged")
    digits = text.getvalue().replace(b"(1125899906842624, 3, 8, 8)", b"(" + b"9" * 27)
    (tmp_path / "a.npy").write_bytes(digits)
    refused(tmp_path / "a.npy", "not that of an array")
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("images.npy", text.getvalue() + bytes(1 << 20))
    refused(tmp_path / "a.npz", "truncated")


def test_what_is_no_file(tmp_path) -> None:
    os.mkfifo(tmp_path / "a.npy")
    refused(tmp_path / "a.npy", "is a FIFO")
    (tmp_path / "images.csv").write_text("")
    refused(tmp_path / "images.csv", "is no source of images")
    refused(tmp_path / "missing.npz", "no such image folder")
