"""Write the golden files of a format version, with expected arrays, a manifest and single values.

    python -m spec.make_vectors spec/vectors/v1.1

A released folder is never written again; --force is for one that is not released yet.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np

from labelcodec import open as open_labels
from labelcodec.codecs.registry import from_config, spec_of
from spec.vector_cases import CASES, NOT_DETERMINISTIC, VALUES


def make(folder: Path) -> list[dict[str, Any]]:
    """Write all files of the version that `folder` is named after; the entries of the manifest."""
    entries = []
    for name, case in CASES[folder.name].items():
        path = folder / f"{name}.slc"
        path.parent.mkdir(parents=True, exist_ok=True)
        content = case(path)
        expected = path.with_suffix(".npz")
        np.savez_compressed(expected, **content.arrays())  # type: ignore[arg-type]
        with open_labels(path) as reader:
            codec = from_config(reader.header.codec, reader.header.config, name)
        entries.append(
            {
                "file": f"{name}.slc",
                "sha256": sha256(path),
                "expected": f"{name}.npz",
                "expected_sha256": sha256(expected),
                "shows": case.__doc__,
                "codec": spec_of(codec),
                "deterministic": name not in NOT_DETERMINISTIC,
            }
        )
    return entries


def sha256(path: Path) -> str:
    """Hex digest of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--force", action="store_true", help="replace the folder")
    args = parser.parse_args()
    if args.folder.name not in CASES:
        sys.exit(f"{args.folder} is not named after a version: {', '.join(CASES)}")
    if args.folder.exists():
        if not args.force:
            sys.exit(f"{args.folder} exists; golden files of a released version never change")
        shutil.rmtree(args.folder)
    entries = make(args.folder)
    (args.folder / "manifest.json").write_text(json.dumps(entries, indent=1) + "\n")
    if args.folder.name in VALUES:
        name, values = VALUES[args.folder.name]
        (args.folder / name).write_text(json.dumps(values()) + "\n")


if __name__ == "__main__":
    main()
