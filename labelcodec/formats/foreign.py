"""What a file or folder is that is no dump: archives, and labels in forms that are not read.

Each is named in the error, with what to do. Nothing is unpacked; only a few bytes, or one small
file of labels, are read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from shlex import quote
from typing import Any

import numpy as np

from labelcodec.container.layout import MAGIC
from labelcodec.errors import DumpError, FormatError
from labelcodec.formats.megatron_tar import NAME as OF_MEGATRON
from labelcodec.formats.safe_load import load
from labelcodec.formats.verl_names import names_in
from labelcodec.remote import Location
from labelcodec.torch_file import Tensor
from labelcodec.torch_file.zip_archive import read_directory
from labelcodec.wording import counted

WRITER_HINT = "labelcodec.Writer stores labels of your own, see docs/layouts.md"
_BLOCK = 512  # bytes of a tar header; POSIX.1-2017, pax: ustar Interchange Format
_HEADERS = 256  # of a tar archive, looked at for the folder of the dump
_LARGEST = 64 << 20  # bytes of a label file that is opened to be named
_ARCHIVES = (".zip", ".tar.gz", ".tgz", ".tar.xz", ".tar.bz2", ".tar.zst")
_ARRAY_RECORD = ".array_record"
_OF_MAXTEXT = (
    "an ArrayRecord file, as MaxText's teacher logits are. It is not read: its records are "
    "compressed with brotli in Riegeli chunks, and are pickles, safetensors or tf.train.Example "
    "depending on MaxText's version. Save `top_k_indices`, `top_k_logits` and `inputs` as arrays "
    "`index`, `value` and `tokens`, see docs/layouts.md"
)
_IN_DUMP = re.compile(r"(?P<folder>.*?)(?:epoch_[0-9]+(?:/batch_[0-9]+)?|batch_[0-9]+)\..+\Z")
_COMPRESSED = {
    b"\x1f\x8b": ("a gzip", "tar -xzf"),
    b"BZh": ("a bzip2", "tar -xjf"),
    b"\xfd7zXZ\0": ("an xz", "tar -xJf"),
    b"\x28\xb5\x2f\xfd": ("a zstd", "tar -I zstd -xf"),
}


def refuse_foreign(path: Path) -> None:
    """Refuse a file that is neither a container nor of an unknown kind, by its name.

    Raises:
        DumpError: it is an archive or holds labels in another form.
        OSError: it cannot be read.
    """
    if path.is_file() and (sentence := name_file(path)) is not None:
        raise DumpError(f"{path}: {sentence}")


def refuse_no_container(path: Path) -> None:
    """Refuse a file that is no container, by its name if it is of a known kind.

    Raises:
        DumpError: it is none.
        OSError: it cannot be read.
    """
    refuse_foreign(path)
    with path.open("rb", 0) as file:
        if file.read(len(MAGIC)) != MAGIC:
            raise DumpError(
                f"{path}: neither a container nor a dump, which is a folder of label files; "
                f"{WRITER_HINT}"
            )


@contextmanager
def naming_foreign(path: Location) -> Iterator[None]:
    """Turn the error that a file is no container into one that says what it is.

    Raises:
        DumpError: as `refuse_foreign`.
    """
    try:
        yield
    except FormatError:
        if isinstance(path, Path):
            refuse_foreign(path)
        raise


def name_file(path: Path) -> str | None:
    """A sentence on a file that was passed in place of a dump's folder.

    Returns:
        What it is and what to do; None if it is of no known kind.

    Raises:
        OSError: it cannot be read.
    """
    if path.suffix == _ARRAY_RECORD:
        return _OF_MAXTEXT
    with path.open("rb", 0) as file:
        head = file.read(_BLOCK)
    quoted = quote(str(path))
    for magic, (method, command) in _COMPRESSED.items():
        if head.startswith(magic):
            return (
                f"{method} archive; unpack it with `mkdir DIR && {command} {quoted} -C DIR` and "
                "pass the folder in it that holds the epochs or batches"
            )
    if head[257:262] == b"ustar":
        if OF_MEGATRON.fullmatch(path.name):
            return f"cached logits of Megatron-LM; pass {path.parent}"
        folder = _folder_in_tar(path)
        passed = "the folder in it that holds the dump"
        if folder is not None:
            passed = quote(f"DIR/{folder}")
        command = f"tar -xf {quoted} -C DIR"
        return f"a tar archive; unpack it with `mkdir DIR && {command}` and pass {passed}"
    if head.startswith(b"PK"):
        return _name_zip(path)
    if head.startswith(b"\x93NUMPY"):
        return f"a NumPy array, without augmentations or image names; {WRITER_HINT}"
    if head.startswith(b"\x89HDF"):
        return f"an HDF5 file; {WRITER_HINT}"
    if head[:2] in (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"):
        return f"a pickle or an old file of torch.save; {_above(path)}"
    return None


def _name_zip(path: Path) -> str:
    """A torch file is a zip archive, too: a label file is named, an archive is to be unpacked."""
    if path.suffix == ".npz":
        return f"NumPy arrays, without augmentations or image names; {WRITER_HINT}"
    if path.stat().st_size <= _LARGEST:
        data = path.read_bytes()
        try:
            members = read_directory(data)
        except DumpError:
            members = {}
        if any(name.endswith(b"/data.pkl") for name in members):
            content = _loaded(path)
            known = None if content is None else name_content(content)
            return known or f"a file of torch.save; {_above(path)}"
    elif path.suffix != ".zip":
        return f"a large file of torch.save, or a zip archive; {_above(path)}"
    return (
        f"a zip archive; unpack it with `unzip {quote(str(path))} -d DIR` and pass the folder in "
        "it that holds the epochs or batches"
    )


def _above(path: Path) -> str:
    """The folder to pass in place of one of a dump's files."""
    parent = path.parent
    if parent.name.startswith("epoch_"):
        parent = parent.parent
    return f"a dump is a folder: if this is one of its label files, pass {parent}"


def _folder_in_tar(path: Path) -> str | None:
    """The folder of the dump, from the names of the first members."""
    for name in _names_in_tar(path):
        if match := _IN_DUMP.match(name):
            folder = match["folder"].strip("/")
            safe = ".." not in folder.split("/") and folder.isprintable()
            return folder.removeprefix("./") if safe else None
    return None


def _names_in_tar(path: Path) -> Iterator[str]:
    """Names of the first regular members."""
    with path.open("rb", 0) as file:
        at = 0
        for _ in range(_HEADERS):
            file.seek(at)
            header = file.read(_BLOCK)
            size = header[124:136].rstrip(b"\0 ")
            if len(header) < _BLOCK or not re.fullmatch(rb"[0-7]{1,11}", size):
                return
            if header[156:157] in (b"0", b"\0"):
                name = header[:100].rstrip(b"\0")
                yield (header[345:500].rstrip(b"\0") + b"/" + name).decode("utf-8", "replace")
            at += _BLOCK + -(-int(size, 8) // _BLOCK) * _BLOCK


def name_folder(root: Path, names: dict[str, bool]) -> str | None:
    """A sentence on a folder that holds labels in a form that is not read.

    Args:
        root: the folder.
        names: its entries; maps each name to whether it is a directory.

    Returns:
        What it holds and what to do; None if it is of no known kind.
    """
    for name in sorted(names):
        if name.endswith((*_ARCHIVES, _ARRAY_RECORD)) and (root / name).is_file():
            sentence = name_file(root / name)
            return None if sentence is None else f"holds {name}, {sentence}"
    for path in islice(_files(root, names), 8):
        if path.suffix == ".npy":
            return (
                f"{path.name} is a NumPy array, without augmentations or image names; {WRITER_HINT}"
            )
        content = _loaded(path)
        known = None if content is None else name_content(content)
        if known is not None:
            return f"{path.relative_to(root)} holds {known}"
    return None


def _files(root: Path, names: dict[str, bool]) -> Iterator[Path]:
    """Files that may hold labels, in the folder and in its first folders."""
    ends = (".pt", ".pth", ".npy", ".tar")
    yield from (root / name for name in sorted(names) if not names[name] and name.endswith(ends))
    for name in islice(sorted(name for name in names if names[name]), 2):
        entries = sorted((root / name).iterdir())
        yield from islice((path for path in entries if path.name.endswith(ends)), 2)


def _loaded(path: Path) -> Any:
    """The content of a small label file; None if it is not one."""
    try:
        return load(path) if path.is_file() and path.stat().st_size <= _LARGEST else None
    except DumpError:
        return None


def name_content(content: Any) -> str | None:
    """What the content of a torch file is, and what to do; None if it is of no known kind."""
    if _is_mldr(content):
        return (
            "labels of Apple's ml-dr (ImageNet+): an image's number and its reinforcements, with "
            f"parameters and the largest probabilities of each. They are not read; {WRITER_HINT}"
        )
    if isinstance(content, (Tensor, np.ndarray)):
        shape = tuple(content.shape)
        if len(shape) == 4 and shape[0] == 2:
            return (
                f"a label map of shape {shape}, as ReLabel saves for each image: the largest "
                "values and classes at every position of the image. Label maps are not read"
            )
        if len(shape) == 2 and shape[1] > 1:
            return (
                f"one array of {counted(shape[0], 'label')} of {counted(shape[1], 'class')}, as "
                "DD-Ranking's labels.pt "
                f"and soft_labels.npy, without augmentations; {WRITER_HINT}"
            )
        return None
    if isinstance(content, dict) and names_in(content) is not None:
        return "labels of tokens in padded arrays: pass `layout=verl`"
    if isinstance(content, dict) and any(isinstance(value, Tensor) for value in content.values()):
        return "named tensors, such as the weights of a network, and no labels"
    return None


def _is_mldr(content: Any) -> bool:
    """(id, [{'params': …, 'prob': …}, …]), or the folder's config."""
    if isinstance(content, dict):
        return isinstance(content.get("reinforce"), dict)
    if not isinstance(content, tuple) or len(content) != 2 or not isinstance(content[1], list):
        return False
    return bool(content[1]) and all(
        isinstance(sample, dict) and {"params", "prob"} <= sample.keys() for sample in content[1]
    )
