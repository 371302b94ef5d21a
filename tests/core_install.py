"""What an installation without extras does, and how it says what it does not; no test framework.

    python tests/core_install.py

It works on the embedded dump, outside of the source folder.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

EXTRAS = ("torch", "PIL", "safetensors", "matplotlib", "pyarrow", "fsspec", "aiohttp")


def run(*arguments: object, status: int = 0) -> str:
    """Output of a command, which must exit with `status` and without a traceback."""
    command = [sys.executable, "-m", "labelcodec", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    text = done.stdout + done.stderr
    assert done.returncode == status and "Traceback" not in text, (arguments, done)
    return text


def check_commands(dump: Path) -> None:
    """Encode, look, convert and decode."""
    run("encode", dump, "labels.slc")
    run("encode", "labels.slc", "small.slc", "--codec", "topk:k=10", "--threads", 2)
    run("encode", dump, "tiny.slc", "--codec", "transform:rank=8,step=9,peaks=4")
    run("inspect", "labels.slc", "--batch", 0, "--html", "page.html")
    assert json.loads(run("stats", "labels.slc", "--json"))
    run("stats", "tiny.slc", "--against", dump)
    run("stats", dump)
    run("verify", "labels.slc")
    run("verify", "tiny.slc")
    assert "identical" in run("compare", dump, "labels.slc")
    run("decode", "labels.slc", "copy")
    assert "identical" in run("compare", "copy", dump)
    shutil.copytree(dump / "epoch_0", "seeded/epoch_0")  # without the file of its image order
    run("encode", "seeded", "seeded.slc", "--loader-seed", 42)
    run("merge", "all.slc", "labels.slc")
    run("plan", "--classes", 1000, "--ipc", 10)
    run("codecs")
    run("recipes")


def check_messages() -> None:
    """One line with the extra's name."""
    labels = ("labels.slc", "images")
    Path("images/a").mkdir(parents=True)
    Path("images/a/a.png").touch()
    for command in (
        ("relabel", "images", "new.slc", "--teacher", "resnet20", "--image-size", 32),
        ("train", *labels, "run", "--recipe", "cifar10"),
        ("evaluate", "images", "run"),
        ("demo",),
    ):
        text = run(*command, status=1)
        assert "needs torch" in text and "labelcodec[torch]" in text, text
        assert text.count("\n") == 1, text

    for address in ("https://example.org/a.slc", "hf://datasets/a/b/c.slc", "s3://a/b.slc"):
        text = run("inspect", address, status=1)
        assert "labelcodec[remote]" in text and text.count("\n") == 1, text


def check_imports() -> None:
    """The same from Python."""
    import numpy as np

    import labelcodec
    from labelcodec import replay
    from labelcodec.images import image_sizes, list_images

    try:
        _ = replay.ReplayDataset
    except ImportError as error:
        assert isinstance(error, labelcodec.MissingExtraError), error
        assert "labelcodec.replay.ReplayDataset needs torch" in str(error), error
    else:
        raise AssertionError("ReplayDataset was imported without torch")
    Path("a.parquet").touch()
    try:
        list_images("a.parquet")
    except labelcodec.MissingExtraError as error:
        assert "reading parquet files needs pyarrow" in str(error), error
        assert "labelcodec[parquet]" in str(error), error
    else:
        raise AssertionError("parquet was read without pyarrow")
    try:
        image_sizes(list_images(Path("images")), np.array([0]))
    except labelcodec.MissingExtraError as error:
        assert "reading the sizes of images needs Pillow" in str(error), error
    else:
        raise AssertionError("an image was read without Pillow")
    with labelcodec.open("labels.slc") as reader:
        assert reader[0].labels.dense().shape == (128, 1000)


def main() -> None:
    for module in EXTRAS:
        assert importlib.util.find_spec(module) is None, f"{module} is installed"
    spec = importlib.util.find_spec("labelcodec")
    assert spec is not None and spec.origin is not None
    dump = Path(spec.origin).parent / "fixtures" / "in1k-two-batches"
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        check_commands(dump)
        check_messages()
        check_imports()
        os.chdir("/")
    print("the core installation works")


if __name__ == "__main__":
    main()
