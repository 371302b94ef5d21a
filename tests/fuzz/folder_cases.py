"""Hostile dump folders: names, side files, contents and options, changed in every layout.

A case is a function of the seed and its number, so that any can be made again.
"""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from labelcodec.errors import DumpError
from labelcodec.formats.registry import LAYOUTS
from labelcodec.torch_file import Tensor, read_torch_file, torch_file
from tests.formats.layouts import DUMPS
from tests.fuzz.dump_cases import EDGES, changed_bytes

FIFO, LINK, FOLDER = "a FIFO", "a link to itself", "a folder"
NAMES = (
    *("batch_0.tar", "batch_00.tar", "batch_1.pt", "batch_7.pth.tar", "batch_-1.tar", "batch_.tar"),
    *("batch_99999999999.tar", "batch_" + "9" * 200 + ".tar", "batch_1.tar.bak", "batch_٣.tar"),
    *("epoch_0", "epoch_1", "epoch_7", "epoch_00", "epoch_x", "epoch_0.tar", "epoch_5.pt"),
    *("sampler_indices_epoch.json", "sampler_indices_batch.json", "image_order.json"),
    *(
        "sampler_indices_dict.pt",
        "a.tar",
        "\udcff.tar",
        "a\nb.tar",
        "labels.pt",
        "x.npy",
        "x.zip",
        ".",
    ),
)
OPTIONS: dict[str, tuple[Any, ...]] = {
    "layout": (*LAYOUTS.names(), None),
    "loader_seed": (0, 42, -1, 1 << 70, None),
    "label_type": ("hard", "smoothing", "MS", "MR", "logits", "probabilities", None),
    "classes": (1, 4, 12, 1000, 4096, 1 << 40, None),
    "epochs_range": ((0, 1), (0, 2), (1, 3), (5, 9), (0, 1 << 40), None),
    "image_order": (True, None),
}


@dataclass
class FolderCase:
    """A folder and the options that it is opened with.

    Attributes:
        files: relative path -> content, or one of FIFO, LINK and FOLDER.
        options: of `open_dump`; `image_order` is a path in the folder.
    """

    files: dict[str, bytes | str]
    options: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        """Size of all files in bytes."""
        return sum(len(data) for data in self.files.values() if isinstance(data, bytes))


def folder_case(seed: int, number: int) -> tuple[str, FolderCase]:
    """Kind and content of a hostile folder."""
    rng = random.Random(seed * 1_000_003 + number)
    name = rng.choice(sorted(DUMPS))
    files = dict(originals()[name])
    kind, change = rng.choice(KINDS)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        change(files, rng)
    options = {"label_type": "MS"} if name.startswith("fkd M") else {}
    for option in rng.sample(sorted(OPTIONS), rng.choice((0, 0, 1, 2, 6))):
        options[option] = rng.choice(OPTIONS[option])
    if options.get("image_order"):
        options["image_order"] = rng.choice(sorted(files) or ["none.json"])
    return kind, FolderCase(files, options)


@lru_cache(maxsize=1)
def originals() -> dict[str, dict[str, bytes]]:
    """A small dump of every layout: relative path -> content."""
    with tempfile.TemporaryDirectory() as folder:
        roots = {
            name: build(Path(folder) / str(i)) for i, (name, build) in enumerate(DUMPS.items())
        }
        return {
            name: {
                path.relative_to(root).as_posix(): path.read_bytes()
                for path in sorted(root.rglob("*"))
                if path.is_file()
            }
            for name, root in roots.items()
        }


Files = dict[str, Any]


def changed_names(files: Files, rng: random.Random) -> None:
    """Files left out, moved, copied, named otherwise, or replaced by something else."""
    path = rng.choice(sorted(files) or ["x"])
    folder = path.rpartition("/")[0]
    place = rng.choice(("", folder, "epoch_1", "epoch_0", "n01", folder + "/deeper"))
    other = f"{place}/{rng.choice(NAMES)}".strip("/")
    kind = rng.randrange(7)
    if kind == 0:
        files.pop(path, None)
    elif kind == 1:
        for name in [name for name in files if name.startswith(folder)]:
            del files[name]
    elif kind == 2:
        files[other] = files.pop(path, b"")
    elif kind == 3:
        files[other] = files.get(path, b"")
    elif kind == 4:
        files[rng.choice((path, other))] = rng.choice((FIFO, LINK, FOLDER, b""))
    elif kind == 5:
        start = rng.choice((1, 2, 7))
        moved = {name: data for name, data in files.items() if name.startswith("epoch_")}
        for name in moved:
            del files[name]
        for name, data in moved.items():
            number, _, rest = name[6:].partition("/" if "/" in name else ".")
            joint = "/" if "/" in name else "."
            files[f"epoch_{int(number) + start if number.isdecimal() else 0}{joint}{rest}"] = data
    else:
        files[other] = changed_bytes(rng)


def changed_lists(files: Files, rng: random.Random) -> None:
    """Values of a side file: JSON, or a dict in a torch file."""
    sides = [name for name in files if name.endswith((".json", ".pt"))]
    if not sides:
        files[rng.choice(("sampler_indices_epoch.json", "image_order.json"))] = json.dumps(
            {str(epoch): list(range(20)) for epoch in range(3)}
        ).encode()
        return
    path = rng.choice(sorted(sides))
    try:
        data = files[path]
        content = json.loads(data) if path.endswith(".json") else read_torch_file(data)
    except (ValueError, TypeError, RecursionError, DumpError):
        return
    content = changed_value(content, rng, 0)
    if path.endswith(".pt"):
        files[path] = _saved(content)
        return
    text = json.dumps(content, default=lambda _: None).encode()
    if rng.random() < 0.2:
        text = rng.choice((text[:-1], b"[" * 100_000, text + b"\0", b"\xff" + text, b"1" * 9000))
    files[path] = text


def changed_content(files: Files, rng: random.Random) -> None:
    """Items of a label file: kinds, shapes, values, number and nesting."""
    path = rng.choice([name for name in sorted(files) if isinstance(files[name], bytes)] or ["x"])
    try:
        content = read_torch_file(files[path])
    except (DumpError, KeyError):
        return
    if isinstance(content, (list, tuple)):
        files[path] = _saved(changed_value(content, rng, 0))


def changed_file(files: Files, rng: random.Random) -> None:
    """The bytes of a file, as in `dump_cases`, or cut off."""
    path = rng.choice(sorted(files) or ["x"])
    data = files.get(path)
    if isinstance(data, bytes):
        cut = data[: rng.randrange(len(data) + 1)]
        files[path] = rng.choice((cut, changed_bytes(rng), b"", b"PK", b"\x80\x04", data * 2))


def changed_value(value: Any, rng: random.Random, depth: int) -> Any:
    """A tree of lists, dicts, arrays and numbers with one place changed."""
    if isinstance(value, (Tensor, np.ndarray)):
        return changed_array(value, rng)
    if rng.random() < 0.15 + 0.1 * depth or not isinstance(value, (list, tuple, dict)) or not value:
        return rng.choice(
            (None, True, 1.5, float("nan"), "text", [], {}, [[]], {"0": [0]}, (value,), [value] * 3,
             rng.choice(EDGES) % (1 << 62), -1, np.float64(0.5), np.array([1, 2, 3, 4]))
        )  # fmt: skip
    if isinstance(value, dict):
        items = dict(value)
        key = rng.choice(sorted(items, key=str))
        if rng.random() < 0.3:
            items[str(rng.choice((*EDGES, "x", "01")))] = items.pop(key)
        else:
            items[key] = changed_value(items[key], rng, depth + 1)
        return items
    parts = list(value)
    at = rng.randrange(len(parts))
    kind = rng.randrange(6)
    if kind == 0:
        del parts[at]
    elif kind == 1:
        parts.insert(at, parts[rng.randrange(len(parts))])
    elif kind == 2:
        parts.append(rng.choice((None, 1, [], parts[0], Tensor("int64", np.arange(6)))))
    elif kind == 3:
        return tuple(parts) if isinstance(value, list) else parts
    else:
        parts[at] = changed_value(parts[at], rng, depth + 1)
    return tuple(parts) if isinstance(value, tuple) else parts


def changed_array(value: Any, rng: random.Random) -> Any:
    """A tensor or array of another kind, shape or value."""
    array = value.numpy() if isinstance(value, Tensor) else np.array(value)
    kind = rng.randrange(5)
    if kind == 0:
        array = array.astype(rng.choice(("f2", "f4", "f8", "i1", "i2", "i8", "u1", "?")))
    elif kind == 1 and array.ndim:
        array = rng.choice((array[:-1], array[:0], array[None], array.ravel(), array[..., None]))
    elif kind == 2 and array.size:
        array = array.copy()
        edge = rng.choice((0, -1, 1 << 15, (1 << 31) - 1, 1 << 40, (1 << 63) - 1, np.nan, np.inf))
        with np.errstate(all="ignore"):
            array.flat[rng.randrange(array.size)] = np.array(edge).astype(array.dtype)
    elif kind == 3:
        array = np.zeros_like(array)
    elif kind == 4:
        array = np.repeat(array, rng.choice((2, 50)), axis=0) if array.ndim else array
    return rng.choice((array, Tensor(array.dtype.name, array)))


def _saved(content: Any) -> bytes:
    try:
        return torch_file(content, "archive")
    except (TypeError, KeyError, OverflowError):  # what torch.save would not write either
        return b""


KINDS: tuple[tuple[str, Callable[[Files, random.Random], None]], ...] = (
    ("names", changed_names),
    ("lists", changed_lists),
    ("content", changed_content),
    ("content", changed_content),
    ("files", changed_file),
)
