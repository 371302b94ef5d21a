"""Safe loading of files written by torch.save: only tensors, numpy arrays and plain values.

Nothing else opens a pickle; `torch_file` says how it is read.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from labelcodec.errors import DumpError
from labelcodec.files.regular import read_regular
from labelcodec.torch_file import read_torch_file


def load(path: str | Path) -> Any:
    """Load a file written by torch.save without running any code that it names.

    Returns:
        As `read_torch_file`.

    Raises:
        UnsafeError: the file names something that labels do not need, or exceeds a limit.
        DumpError: the file is missing, truncated, damaged or not a torch file.
        OSError: it cannot be opened.
    """
    try:
        data = read_regular(path, DumpError, "a label file")
    except FileNotFoundError as error:
        raise DumpError(f"{path}: the file is missing") from error
    try:
        return read_torch_file(data)
    except DumpError as error:
        raise type(error)(f"{path}: {error}") from error
