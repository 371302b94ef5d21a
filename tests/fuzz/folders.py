"""Fuzz of dump folders: hostile ones are opened, read and encoded in child processes with limits.

    python -m tests.fuzz.folders --cases 50000 [--seed N]

Nothing but a library error or an OSError may come out, within five seconds of CPU time, without a
crash or a hang, and in 256 MiB over the folder's size.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import sys
import tempfile
from pathlib import Path

from labelcodec.analysis.dump_table import dump_table
from labelcodec.errors import LabelcodecError
from labelcodec.formats import open_dump
from labelcodec.formats.foreign import refuse_foreign
from labelcodec.transcode import decode, encode
from tests.fuzz.dumps import Report, run
from tests.fuzz.folder_cases import FIFO, FOLDER, LINK, FolderCase, folder_case, originals

SECONDS = 5.0


def fuzz(cases: int, seed: int = 0) -> Report:
    """Use `cases` hostile folders."""
    originals()
    return run(cases, seed, per_child=1000, make=folder_case, use=use, seconds=SECONDS)


def use(case: FolderCase) -> str:
    """The class of the error of `open_dump`, or 'read' and what came of reading."""
    place = "/dev/shm" if os.path.isdir("/dev/shm") else None
    with tempfile.TemporaryDirectory(dir=place) as folder:
        root = Path(folder) / "dump"
        write(case, root)
        options = dict(case.options)
        if options.get("image_order"):
            options["image_order"] = root / str(options["image_order"])
        with contextlib.suppress(LabelcodecError, OSError):
            dump_table(root, options.get("layout"))
        for name in sorted(case.files)[:3]:
            with contextlib.suppress(LabelcodecError, OSError):
                refuse_foreign(root / name)
        try:
            dump = open_dump(root, **options)
        except (LabelcodecError, OSError) as error:
            return type(error).__name__
        try:
            for i in range(len(dump)):
                dump.read(i)
            encode(root, Path(folder) / "a.slc", threads=1, **options)
            decode(Path(folder) / "a.slc", Path(folder) / "back")
        except (LabelcodecError, OSError) as error:
            return f"read, then {type(error).__name__}"
        return "read"


def write(case: FolderCase, root: Path) -> None:
    """Create the folder; what another entry is in the way of is left out."""
    root.mkdir()
    for name, data in case.files.items():
        path = root / name
        with contextlib.suppress(OSError, ValueError):
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.exists() and data in (FIFO, LINK, FOLDER):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            if data == FIFO:
                os.mkfifo(path)
            elif data == LINK:
                path.symlink_to(path)
            elif data == FOLDER:
                path.mkdir()
            elif isinstance(data, bytes):
                path.write_bytes(data)


def main() -> int:
    parser = argparse.ArgumentParser(description="Fuzz of dump folders.")
    parser.add_argument("--cases", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    report = fuzz(chosen.cases, chosen.seed)
    print(*report.lines(), sep="\n")
    return int(bool(report.failures))


if __name__ == "__main__":
    sys.exit(main())
