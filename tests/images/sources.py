"""The images of a folder, written as each other kind of source."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from safetensors.numpy import save_file

from labelcodec.images import ImageListing, list_images

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)


def pixels_of(listing: ImageListing) -> np.ndarray:
    """(N, H, W, 3) uint8 of images of one size."""
    return np.stack([listing.pixels(i) for i in range(len(listing))])


def floats_of(listing: ImageListing) -> np.ndarray:
    """(N, 3, H, W) float32, normalised as DC, DM and MTT normalise CIFAR-10."""
    levels = pixels_of(listing).transpose(0, 3, 1, 2) / 255
    mean, std = (np.reshape(row, (3, 1, 1)) for row in (MEAN, STD))
    return ((levels - mean) / std).astype(np.float32)


def npy(folder: Path, target: Path) -> Path:
    listing = list_images(folder)
    target.mkdir()
    np.save(target / "images.npy", pixels_of(listing))
    np.save(target / "labels.npy", listing.class_index)
    return target / "images.npy"


def npz(folder: Path, target: Path, save: Callable[..., None] = np.savez) -> Path:
    listing = list_images(folder)
    target.mkdir()
    save(target / "set.npz", x=pixels_of(listing).transpose(0, 3, 1, 2), y=listing.class_index)
    return target / "set.npz"


def npz_compressed(folder: Path, target: Path) -> Path:
    return npz(folder, target, np.savez_compressed)


def safetensors(folder: Path, target: Path) -> Path:
    listing = list_images(folder)
    target.mkdir()
    images = np.ascontiguousarray(pixels_of(listing).transpose(0, 3, 1, 2))
    save_file({"images": images, "labels": listing.class_index}, target / "set.safetensors")
    return target / "set.safetensors"


def mtt(folder: Path, target: Path) -> Path:
    """Two files side by side, normalised floats."""
    listing = list_images(folder)
    target.mkdir()
    torch.save(torch.from_numpy(floats_of(listing)), target / "images_best.pt")
    torch.save(torch.from_numpy(listing.class_index), target / "labels_best.pt")
    return target / "images_best.pt"


def dm(folder: Path, target: Path, experiments: int = 1) -> Path:
    """A dict with [images, labels] of each experiment."""
    listing = list_images(folder)
    target.mkdir()
    pair = [torch.from_numpy(floats_of(listing)), torch.from_numpy(listing.class_index)]
    saved = {"data": [pair] * experiments, "accs_all_exps": {"ConvNet": [0.1]}}
    torch.save(saved, target / "res_DM_CIFAR10_ConvNet_4ipc.pt")
    return target / "res_DM_CIFAR10_ConvNet_4ipc.pt"


def table_of(listing: ImageListing, order: Sequence[int], named: bool = True) -> pa.Table:
    """A table as Hugging Face's `datasets` has it: `image` and `label`."""
    rows = [
        {
            "bytes": listing.store.content(int(listing.item[i])),
            "path": listing.paths[i].rpartition("/")[2] if named else None,
        }
        for i in order
    ]
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    labels = pa.array(listing.class_index[np.asarray(order)], pa.int64())
    return pa.table({"image": pa.array(rows, kind), "label": labels})


def features(listing: ImageListing) -> dict[str, Any]:
    names = list(listing.classes)
    return {"image": {"_type": "Image"}, "label": {"names": names, "_type": "ClassLabel"}}


def shuffled(listing: ImageListing) -> list[int]:
    return np.random.default_rng(0).permutation(len(listing)).tolist()


def parquet(folder: Path, target: Path, named: bool = True, shards: int = 2) -> Path:
    """Shards of several row groups, in another order than the folder's where images have names."""
    listing = list_images(folder)
    order = shuffled(listing) if named else list(range(len(listing)))
    described = json.dumps({"info": {"features": features(listing)}})
    target.mkdir()
    for number, part in enumerate(np.array_split(order, shards)):
        table = table_of(listing, part.tolist(), named)
        table = table.replace_schema_metadata({"huggingface": described})
        name = f"train-{number:05}-of-{shards:05}.parquet"
        pq.write_table(table, target / name, row_group_size=5)
    return target


def parquet_unnamed(folder: Path, target: Path) -> Path:
    return parquet(folder, target, named=False)


def datasets(folder: Path, target: Path, named: bool = True, shards: int = 2) -> Path:
    listing = list_images(folder)
    order = shuffled(listing) if named else list(range(len(listing)))
    target.mkdir()
    names = [f"data-{number:05}-of-{shards:05}.arrow" for number in range(shards)]
    for name, part in zip(names, np.array_split(order, shards), strict=True):
        table = table_of(listing, part.tolist(), named)
        with (
            pa.OSFile(str(target / name), "wb") as file,
            pa.ipc.new_stream(file, table.schema) as out,
        ):
            out.write_table(table, max_chunksize=4)
    state = {"_data_files": [{"filename": name} for name in names], "_split": "train"}
    (target / "state.json").write_text(json.dumps(state))
    (target / "dataset_info.json").write_text(json.dumps({"features": features(listing)}))
    return target


def write_tar(path: Path, files: Mapping[str, bytes]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def samples(listing: ImageListing, order: Sequence[int]) -> dict[str, bytes]:
    """Members as webdataset has them, keyed by the number of the image."""
    files = {}
    for i in order:
        extension = listing.paths[i].rpartition(".")[2]
        files[f"{i:06}.{extension}"] = listing.store.content(int(listing.item[i]))
        files[f"{i:06}.cls"] = b"%d" % listing.class_index[i]
    return files


def tars(folder: Path, target: Path, shards: int = 2) -> Path:
    listing = list_images(folder)
    target.mkdir()
    for number, part in enumerate(np.array_split(shuffled(listing), shards)):
        write_tar(target / f"shard-{number:04}.tar", samples(listing, part.tolist()))
    return target / f"shard-{{0000..{shards - 1:04}}}.tar"


def folder_tar(folder: Path, target: Path) -> Path:
    """An image folder in a tar."""
    listing = list_images(folder)
    target.mkdir()
    files = {name: (folder / name).read_bytes() for name in reversed(listing.paths)}
    return write_tar(target / "train.tar", files)


# Writers of sources whose images have the folder's names, and of those that do not.
NAMED = {"parquet": parquet, "datasets": datasets, "folder_tar": folder_tar}
UNNAMED = {
    "npy": npy,
    "npz": npz,
    "npz_compressed": npz_compressed,
    "safetensors": safetensors,
    "mtt": mtt,
    "dm": dm,
    "parquet_unnamed": parquet_unnamed,
    "tars": tars,
}
ALL = NAMED | UNNAMED
