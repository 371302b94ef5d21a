"""The same bytes whatever the number of threads, or of processes, that encode."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import msgpack
import numpy as np

from labelcodec.batch import Labels
from labelcodec.codecs.transform import Transform
from labelcodec.transcode.encode_dump import encode
from tests.codecs.transform.labels import logits
from tests.formats.builders import epoch_dump, loader_order

ROOT = Path(__file__).parents[4]
CODEC = Transform(rank=40, step=4, peaks=5)
SCRIPT = """
import sys
from pathlib import Path
from tests.codecs.transform.fit.test_threads import digest
print(digest(Path(sys.argv[1])))
"""


def digest(folder: Path) -> str:
    """Of the streams of labels that tables of another process encode."""
    values = np.load(folder / "labels.npy")
    tables = msgpack.unpackb((folder / "tables").read_bytes())
    coder = CODEC.from_parts(tables, values.shape[1])
    found = hashlib.sha256()
    for first in range(0, len(values), 128):
        for part in coder.encode(Labels(values.shape[1], values[first : first + 128])).values():
            found.update(part)
    return found.hexdigest()


def test_threads_of_the_linear_algebra_do_not_change_bytes(tmp_path):
    z = logits(512, 1000)  # large enough for products to be shared between threads
    np.save(tmp_path / "labels.npy", z)
    coder = CODEC.fit([Labels(1000, z)], 1000)
    (tmp_path / "tables").write_bytes(msgpack.packb(coder.to_parts()))
    found = []
    for threads in ("1", "2"):
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, tmp_path],
            env=os.environ | dict.fromkeys(names, threads),
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        found.append(done.stdout)
    assert found[0] == found[1] and len(found[0]) == 65


def test_threads_of_encode_do_not_change_bytes(tmp_path):
    dump = epoch_dump(tmp_path / "dump", loader_order(40, 3), 16)
    for threads in (1, 2):
        encode(
            dump, tmp_path / f"{threads}.slc", codec="transform:rank=4,step=1,peaks=2",
            threads=threads,
        )  # fmt: skip
    assert (tmp_path / "1.slc").read_bytes() == (tmp_path / "2.slc").read_bytes()
