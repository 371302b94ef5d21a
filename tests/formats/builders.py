"""Small dumps, written the way the peers' own generators write them."""

from __future__ import annotations

import json
import os
import pickle
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

BATCH_SIDE, EPOCH_SIDE = "sampler_indices_batch.json", "sampler_indices_epoch.json"
ORDER_SIDE, DICT_SIDE = "image_order.json", "sampler_indices_dict.pt"


@dataclass(frozen=True)
class Recipe:
    """What a batch file should hold; the defaults are SRe2L's."""

    classes: int = 12
    k: int | None = None
    side: tuple[int, int] | None = (224, 224)
    coords: str = "float32"
    values: str = "float16"
    mix: str | None = "cutmix"
    mix_index: str = "int64"
    ratio: str = "float"
    box: str = "numpy.int64"
    cutout: bool = False
    operations: int = 0


LPQLD = Recipe(coords="float16", mix_index="uint8", box="tensor.uint8", k=4)


def parts(size: int, recipe: Recipe, rng: np.random.Generator, label: np.ndarray | None = None):
    """One batch file's list. `label` (size,) is made each sample's top class."""
    saved: list[Any] = [_coords(size, recipe, rng)]
    if recipe.cutout:
        saved.append(torch.from_numpy(rng.random((size, 7), dtype=np.float32)))
    else:
        saved.append(torch.from_numpy(rng.random(size) < 0.5))
    if recipe.operations:
        saved.append([_operation(size, j, rng) for j in range(recipe.operations)])
    saved += _mix(size, recipe, rng)
    logits = rng.normal(size=(size, recipe.classes)).astype(np.float32)
    if label is not None:
        logits[np.arange(size), label] += 9
    output = torch.from_numpy(logits)
    if recipe.k is not None:
        top = torch.topk(output, recipe.k, dim=1)
        return [*saved, top.values.to(getattr(torch, recipe.values)), top.indices.short()]
    return [*saved, output.to(getattr(torch, recipe.values))]


def _coords(size: int, recipe: Recipe, rng: np.random.Generator) -> torch.Tensor:
    if recipe.side is None:
        drawn = torch.from_numpy(rng.random((size, 4), dtype=np.float32))
    else:
        height, width = recipe.side
        h, w = rng.integers(1, height + 1, size), rng.integers(1, width + 1, size)
        i, j = rng.integers(0, height - h + 1), rng.integers(0, width - w + 1)
        rows = zip(i / height, j / width, h / height, w / width, strict=True)
        drawn = torch.stack([torch.FloatTensor(row) for row in rows])
    return drawn.to(getattr(torch, recipe.coords))


def _operation(size: int, column: int, rng: np.random.Generator) -> list[torch.Tensor]:
    op = torch.from_numpy(rng.integers(0, 15, size))
    decision = torch.from_numpy(rng.random(size)).half()
    if column % 2:
        return [op, decision, torch.full((size,), -99)]
    return [op, decision, torch.from_numpy(rng.normal(0, 30, size)).half()]


def _mix(size: int, recipe: Recipe, rng: np.random.Generator) -> list[Any]:
    if recipe.mix is None:
        return [None, None, None]
    index = torch.from_numpy(rng.permutation(size)).to(getattr(torch, recipe.mix_index))
    draw = float(rng.beta(1.0, 1.0))
    ratio = {
        "float": draw,
        "numpy.float64": np.float64(draw),
        "tensor.float32": torch.tensor(draw, dtype=torch.float32),
    }[recipe.ratio]
    if recipe.mix == "mixup":
        return [index, ratio, None]
    edges = np.sort(rng.integers(0, 225, (2, 2)), axis=0).ravel()  # two corners
    make = {
        "numpy.int64": np.int64,
        "int": int,
        "tensor.uint8": lambda edge: torch.tensor(edge, dtype=torch.uint8),
        "tensor.int64": lambda edge: torch.tensor(edge, dtype=torch.int64),
    }[recipe.box]
    return [index, ratio, [make(edge) for edge in edges]]


def loader_order(images: int, epochs: int, seed: int = 42) -> list[list[int]]:
    """The order torch's own RandomSampler gives, epoch by epoch."""
    generator = torch.Generator()
    generator.manual_seed(seed)
    sampler = torch.utils.data.RandomSampler(range(images), generator=generator)
    return [list(sampler) for _ in range(epochs)]


def epoch_dump(
    root: Path,
    orders: list[list[int]],
    batch: int,
    recipe: Recipe = Recipe(),
    side_file: str | None = None,
    drop_last: bool = False,
    stop: int | None = None,
) -> Path:
    """SRe2L's layout, or LPLD's with its side file; `stop` ends it after that many batches."""
    rng = np.random.default_rng(0)
    written: dict[str, list[int]] = {}
    count = 0
    for epoch, order in enumerate(orders):
        usable = len(order) // batch * batch if drop_last else len(order)
        for number, at in enumerate(range(0, usable, batch)):
            if stop is not None and count == stop:
                break
            indices = order[at : min(at + batch, usable)]
            folder = root / f"epoch_{epoch}"
            folder.mkdir(parents=True, exist_ok=True)
            label = np.array(indices) % recipe.classes
            torch.save(parts(len(indices), recipe, rng, label), folder / f"batch_{number}.tar")
            written.setdefault(str(epoch), []).extend(indices)
            count += 1
    if side_file == ORDER_SIDE:
        (root / side_file).write_text(json.dumps(list(written.values())))
    elif side_file is not None:
        (root / side_file).write_text(json.dumps(written))
    return root


def flat_dump(
    root: Path, orders: list[list[int]], batch: int, recipe: Recipe = LPQLD, first: int = 0
) -> Path:
    """LPQLD's layout; the last batch of an epoch is kept."""
    rng = np.random.default_rng(1)
    root.mkdir(parents=True, exist_ok=True)
    side = {}
    number = first
    for order in orders:
        for at in range(0, len(order), batch):
            indices = order[at : at + batch]
            label = np.array(indices) % recipe.classes
            torch.save(parts(len(indices), recipe, rng, label), root / f"batch_{number}.tar")
            side[str(number)] = indices
            number += 1
    (root / BATCH_SIDE).write_text(json.dumps(side))
    return root


def changed(root: Path, change: Callable[[list[Any], list[int]], Any], orders, batch: int) -> Path:
    """A dump of `epoch_dump` whose lists went through `change`, with their image indices."""
    for epoch, order in enumerate(orders):
        for number, at in enumerate(range(0, len(order), batch)):
            file = root / f"epoch_{epoch}" / f"batch_{number}.tar"
            saved = torch.load(file, weights_only=False)
            torch.save(change(saved, order[at : at + batch]), file)
    return root


def with_images(saved: list[Any], indices: list[int]) -> list[Any]:
    """Item 6 of G_VBSM and EDC."""
    return [*saved, torch.tensor(indices)]


def with_patches(saved: list[Any], indices: list[int]) -> list[Any]:
    """Items 6 and 7 of EDC's ImageNet scripts."""
    return [*saved, torch.tensor(indices), torch.zeros(len(indices), 2, 2).int()]


def hald_dump(root: Path, orders: list[list[int]], batch: int, temperature: float = 4) -> Path:
    """HALD's layout: a file per epoch, probabilities, and one file for the order."""
    rng = np.random.default_rng(3)
    root.mkdir(parents=True, exist_ok=True)
    for epoch, order in enumerate(orders):
        saved = []
        for at in range(0, len(order), batch):
            indices = np.array(order[at : at + batch])
            content = parts(len(indices), Recipe(coords="float16"), rng, indices % 12)
            content[5] = torch.softmax(content[5].float() / temperature, dim=1).half()
            saved.append(content)
        torch.save(saved, root / f"epoch_{epoch}.tar")
    torch.save({str(epoch): order for epoch, order in enumerate(orders)}, root / DICT_SIDE)
    return root


FKD_NAMES = ("train/n01/a.tar", "train/n01/b.tar", "train/n02/a.tar")


def fkd_dump(
    root: Path,
    label_type: str,
    half: bool = False,
    classes: int = 12,
    names: tuple[str, ...] = FKD_NAMES,
    tensors: bool = False,
    crops: int = 4,
) -> Path:
    """FKD's layout, with the label types of its generator."""
    rng = np.random.default_rng(2)
    for name in names:
        sides = tuple(int(side) for side in rng.integers(200, 500, 2))
        coords = _coords(crops, Recipe(side=sides), rng)
        flip = torch.from_numpy(rng.random(crops) < 0.5)
        full = torch.softmax(torch.from_numpy(rng.normal(size=(crops, classes)) * 3).float(), dim=1)
        label = _fkd_label(full, label_type)
        saved: list[Any] = [coords.numpy(), flip.numpy(), label.numpy()]
        if half:
            saved = [np.float16(saved[0]), saved[1], np.float16(saved[2])]
        if tensors:
            saved = [torch.from_numpy(part) for part in saved]
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        torch.save(saved, file)
    return root


def _fkd_label(full: torch.Tensor, label_type: str) -> torch.Tensor:
    rows = []
    for p in full:
        best = torch.argmax(p)
        if label_type == "hard":
            rows.append(best)
        elif label_type == "smoothing":
            rows.append(torch.stack([best, p[best]], dim=0))
        else:
            order = torch.argsort(p, descending=True)[:5]
            rows.append(torch.stack([order, p[order]], dim=0))
    return torch.stack(rows, dim=0)


def old_numpy(file: Path) -> None:
    """Rewrite a saved file as numpy 1 spelled its modules."""
    _edit_pickle(file, lambda data: data.replace(b"cnumpy._core.", b"cnumpy.core."))


def malicious(file: Path, marker: Path) -> None:
    """A file that would create `marker` if a plain unpickler opened it."""

    class Attack:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.system, (f"touch {marker}",)

    file.parent.mkdir(parents=True, exist_ok=True)
    torch.save([Attack()], file)


def bare_pickle(file: Path, marker: Path) -> None:
    """The same attack without torch's zip around it."""
    code = f"cposix\nsystem\n(Vtouch {marker}\ntR.".encode()
    pickle.loads(b"N.")  # the format itself is in order
    file.write_bytes(code)


def _edit_pickle(file: Path, edit: Any) -> None:
    with zipfile.ZipFile(file) as archive:
        records = [(info.filename, archive.read(info)) for info in archive.infolist()]
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, data in records:
            archive.writestr(name, edit(data) if name.endswith("data.pkl") else data)


def same(a: Any, b: Any) -> bool:
    """Equal in type, dtype, shape and every bit, all the way down."""
    if type(a) is not type(b):
        return False
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, torch.Tensor):
        if a.dtype != b.dtype or a.shape != b.shape:
            return False
        raw = [x.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes() for x in (a, b)]
        return raw[0] == raw[1]
    if isinstance(a, (np.ndarray, np.generic)):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    return bool(a == b)


def tar_files(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*.tar"))


def same_dumps(a: Path, b: Path) -> bool:
    """The same files with the same content."""
    return tar_files(a) == tar_files(b) and all(
        same(
            torch.load(a / name, weights_only=False),
            torch.load(b / name, weights_only=False),
        )
        for name in tar_files(a)
    )


def image_folder(root: Path, images: int, classes: int = 4) -> Path:
    for i in range(images):
        folder = root / f"n{i * classes // images:02}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (224, 224)).save(folder / f"{i:03}.png")
    return root


def edit(file: Path, change) -> None:
    content = torch.load(file, weights_only=False)
    torch.save(change(content) or content, file)


def read_all(dump) -> list:
    return [dump.read(i) for i in range(len(dump))]


def left(folder: Path) -> list[str]:
    """What lies beside a dump."""
    return sorted(path.name for path in folder.iterdir() if path.name != "dump")
