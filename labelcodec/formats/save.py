"""Writing of dump files; errors name the file."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

from labelcodec.files.os_errors import naming


def save(content: Any, file: Path) -> None:
    """Write `content` with torch.save.

    torch serializes to memory first: when it writes to a file, it reports a full disk as an
    internal error.

    Raises:
        OSError: the file cannot be written; the error carries its name.
    """
    import torch

    data = io.BytesIO()
    torch.save(content, data)
    with naming(file):
        file.write_bytes(data.getbuffer())


def save_json(content: Any, file: Path) -> None:
    """Write a side file as JSON.

    Raises:
        OSError: the file cannot be written; the error carries its name.
    """
    with naming(file):
        file.write_text(json.dumps(content))
