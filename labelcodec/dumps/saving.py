"""Writes the files of a dump; an error names the file."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

from labelcodec.files.os_errors import naming


def save(content: Any, file: Path) -> None:
    """Write what torch.save makes of `content`.

    torch writes to memory here: to a file it reports a full disk as a mistake of its own.

    Raises:
        OSError: with the file's name.
    """
    import torch

    data = io.BytesIO()
    torch.save(content, data)
    with naming(file):
        file.write_bytes(data.getbuffer())


def save_json(content: Any, file: Path) -> None:
    """Write a side file.

    Raises:
        OSError: with the file's name.
    """
    with naming(file):
        file.write_text(json.dumps(content))
