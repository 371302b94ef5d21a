"""Replay and evaluation give the same pixels with every Pillow that may be installed.

    python tests/pillow_versions.py

Installs the newest release of each major version into a folder of its own, and runs the tests of
cropping, resizing and replay with it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
VERSIONS = ("10.4.0", "11.3.0", "12.3.0", "13.0.0")
TESTS = (
    "tests/augmentation/test_crop_tensors.py",
    "tests/augmentation/test_resize_kernels.py",
    "tests/images/test_fast_jpeg.py",
    "tests/pipeline/test_evaluation.py::test_the_centre_of_a_resized_image_is_as_torchvisions",
    "tests/replay/test_image_replay.py",
    "tests/spec/test_replay.py",
)


def check(version: str, folder: Path) -> None:
    """Install a Pillow and run the tests with it."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--only-binary=:all:"]
    subprocess.run([*pip, "--target", str(folder), f"Pillow=={version}"], check=True)
    environment = os.environ | {"PYTHONPATH": str(folder)}
    script = "import PIL; print(f'Pillow {PIL.__version__}')"
    command = [sys.executable, "-c", script]
    output = subprocess.run(
        command, env=environment, check=True, stdout=subprocess.PIPE, text=True
    ).stdout
    print(output, end="", flush=True)
    assert output == f"Pillow {version}\n"
    tests = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *TESTS]
    subprocess.run(tests, cwd=ROOT, env=environment, check=True)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        for version in VERSIONS:
            check(version, Path(folder) / version)
