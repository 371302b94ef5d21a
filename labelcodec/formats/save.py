"""Writing of dump files; errors name the file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from labelcodec.files.os_errors import naming
from labelcodec.torch_file import torch_file


def save(content: Any, file: Path) -> None:
    """Write lists of tensors, arrays and numbers as torch.save does.

    Raises:
        OSError: the file cannot be written; the error carries its name.
    """
    data = torch_file(content, file.stem)
    with naming(file):
        file.write_bytes(data)


def save_json(content: Any, file: Path) -> None:
    """Write a side file as JSON.

    Raises:
        OSError: the file cannot be written; the error carries its name.
    """
    with naming(file):
        file.write_text(json.dumps(content))
