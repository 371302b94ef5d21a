"""A folder of good files, and the command lines that succeed in it, from which a fuzz departs."""

from __future__ import annotations

import atexit
import contextlib
import functools
import io
import json
import os
import shlex
import shutil
import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file

from labelcodec_cli.console import run as run_program
from labelcodec_cli.main import cli
from tests.formats import test_prompt_logprobs, token_sources
from tests.fuzz.folder_cases import originals
from tests.fuzz.mutate import golden
from tests.pipeline import scene
from tests.pipeline.recovery.networks import Network

NORMS = "tests.pipeline.recovery.networks:network"
TEACHER = f"--teacher {scene.SMALL} --weights small.safetensors --image-size 8 --device cpu"
NORMED = f"--teacher {NORMS} --weights normed.safetensors --image-size 8 --device cpu"
ENCODER = f"--encoder {scene.SMALL} --encoder-weights small.safetensors"
STATES = "--mean 0.5 0.4 0.3 --std 0.3 0.3 0.3"
STUDENT = f"--set model={scene.SMALL} --set batch_size=4 --device cpu"
STUDY = scene.study_text(epochs=1)
RECIPE = f"""
model = "{scene.SMALL}"
epochs = 1
learning_rate = 0.01
"""

# What makes the files that the lines below use.
MADE = (
    f"relabel images labels.slc {TEACHER} {STATES} --epochs 2 --batch-size 4",
    f"relabel images topk.slc {TEACHER} {STATES} --epochs 1 --batch-size 4 --codec topk:k=2",
    "encode dump0 dumped.slc",
    "encode tokens tokens.slc --codec topk --classes 300",
    "decode tokens.slc table --layout parquet",
    "encode labels.slc part-1.slc --part 1/2 --tables labels.slc",
    "encode labels.slc part-2.slc --part 2/2 --tables labels.slc",
    f"project images tiny.slc --labels labels.slc {ENCODER} --encoder-classes 6 --steps 2",
    f"squeeze images stats.safetensors {NORMED}",
    f"train labels.slc images trained --recipe one.toml {STUDENT}",
)
# Each succeeds in the folder, in a second at most.
LINES = (
    "encode dump0 new.slc",
    "encode dump0 new.slc --codec dense2",
    "encode dump0 new.slc --codec topk:k=2,step=0.25 --image-size 8 --mean 0 0 0 --std 1 1 1"
    " --force",
    "encode dump0 new.slc --codec vq:codes=2 --classes 12 --epochs-range 0:2 --loader-seed 42",
    "encode dump0 new.slc --codec transform:bytes=12 --threads 1",
    "encode labels.slc new.slc --codec topk:k=3",
    "encode full.npz new.slc --codec sampled:n=20 --classes 300",
    "encode tokens new.slc --codec topk --classes 300 --shift 1",
    "encode full.npz new.slc --codec dense --label-type logits",
    "encode table new.slc --codec topk --classes 300",
    "encode megatron new.slc --codec topk --classes 70000",
    "encode answers.jsonl new.slc --codec topk --classes 300",
    "encode tokens.slc new.slc --codec topk:k=2",
    "decode tokens.slc new --layout arrays",
    "stats tokens.slc --json",
    "encode labels.slc new.slc --tables labels.slc --resume",
    "encode labels.slc new-1.slc --part 1/2 --tables labels.slc",
    f"encode tiny.slc new.slc --codec dense --images images {ENCODER}",
    "decode dumped.slc new",
    "decode dumped.slc new --layout sre2l --json",
    "inspect labels.slc --batch 0 --html new.html",
    "inspect golden3.slc --json",
    "replay labels.slc images --batch 0 --samples 2 --out new.png",
    "stats labels.slc --against labels.slc --json",
    "stats dumped.slc --against dump0 --plot new.png",
    "stats golden1.slc golden2.slc",
    "compare labels.slc labels.slc",
    "compare dump0 dump0 --json --loader-seed 42",
    "codecs --json",
    "plan --classes 10 --ipc 10 --epochs 10 --keep 1 --codec dense --codec topk:k=2 --mix cutmix",
    "plan --classes 1000 --tokens 100000 --codec topk:k=50 --json",
    "plan --classes 6 --images images --keep 0.5 --randaugment 2 --cutout --plot new.png",
    "verify labels.slc --threads 1",
    "verify golden5.slc --sample 1 --json",
    "repair cut.slc --out new.slc",
    "merge new.slc part-1-0-of-2.slc part-2-1-of-2.slc",
    "annotate labels.slc --note x --license MIT --teacher-name y --force --images images",
    "card labels.slc --repo a/b --title t --source s --against labels.slc",
    "push labels.slc a/b --dry-run new --license MIT",
    f"squeeze images new.safetensors {NORMED} --batch-size 4 --scale 0.5 1 --momentum 0.1",
    f"recover stats.safetensors new {NORMED} --ipc 1 --iterations 2 --batch-size 4",
    f"recover new {NORMED} --classes 6 --method sre2l --ipc 1 --iterations 1 --init images"
    " --images images --class-range 0:2",
    f"relabel images new.slc {TEACHER} {STATES} --epochs 2 --batch-size 4 --codec topk:k=2",
    f"relabel images new.slc {TEACHER} --epochs 1 --batch-size 4 --mix mixup --alpha 0.5 --keep 1"
    " --randaugment 2 6 --cutout 0.5 --precision float32 --seed 1 --flip 0 --class-map names.json",
    f"relabel images.npz new.slc {TEACHER} --epochs 1 --batch-size 4 --share 0.5",
    f"project images new.slc {TEACHER} --epochs 1 --batch-size 4 {ENCODER} --encoder-classes 6"
    " --steps 1 --codec projector:rank=2,head=2",
    f"train labels.slc images new --recipe one.toml {STUDENT} --validate images --cache new.cache",
    f"train tiny.slc images new --recipe one.toml {STUDENT} {ENCODER} --set epochs=1",
    f"train labels.slc images trained --recipe one.toml {STUDENT} --resume --set loss=kl",
    f"evaluate images trained --teacher {scene.SMALL} --teacher-weights small.safetensors",
    f"evaluate --diversity images --features {scene.SMALL} --weights small.safetensors --classes 6"
    " --image-size 8",
    f"evaluate --diversity images images --features {scene.SMALL} --weights small.safetensors"
    " --classes 6 --image-size 8 --bandwidth 1",
    f"study study.toml new --images images --test images --teacher {scene.SMALL}"
    " --weights small.safetensors --dry-run",
    "recipes --json",
)  # fmt: skip
CUT = "cut.slc"  # the beginning of a container
LAYOUTS = ("sre2l", "fkd MS", "hald", "sre2l recorded images")  # kinds of dumps that are put there


@functools.cache
def world() -> Path:
    """The folder, which goes when this process ends."""
    root = Path(tempfile.mkdtemp(prefix="labelcodec-fuzz-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    dumps = originals()
    for number, name in enumerate(LAYOUTS):
        for path, data in dumps[name].items():
            (root / f"dump{number}" / path).parent.mkdir(parents=True, exist_ok=True)
            (root / f"dump{number}" / path).write_bytes(data)
    smallest = sorted(golden(), key=lambda path: path.stat().st_size)[:8]
    for number, path in enumerate(smallest):
        shutil.copy(path, root / f"golden{number}.slc")
    scene.images(root / "images", count=12)
    images = sorted((root / "images").rglob("*.png"))
    pixels = np.stack([np.asarray(Image.open(path)) for path in images])
    np.savez(root / "images.npz", images=pixels, labels=np.arange(12) % 6)
    token_sources.folder(token_sources.columns(), root / "tokens")
    shutil.copytree(Path(__file__).parents[1] / "data/megatron/nucleus", root / "megatron")
    answers = "".join(json.dumps(line) + "\n" for line in test_prompt_logprobs.answers()[0])
    (root / "answers.jsonl").write_text(answers)
    np.savez(root / "full.npz", **token_sources.columns(k=None))
    scene.weights(root / "small.safetensors")
    save_file(Network().state_dict(), root / "normed.safetensors")
    torch.save({"state_dict": Network().state_dict(), "epoch": 3}, root / "normed.pt")
    names = [f"class{number:02}" for number in range(scene.CLASSES)]
    (root / "names.json").write_text(json.dumps(names))
    (root / "names.txt").write_text("\n".join(names))
    (root / "order.json").write_text(json.dumps([[0, 1, 2, 3]]))
    (root / "study.toml").write_text(STUDY)
    (root / "one.toml").write_text(RECIPE)
    (root / "empty").mkdir()
    (root / "empty.slc").touch()
    (root / "text.json").write_text("[1, 2")
    os.mkfifo(root / "fifo")
    (root / "loop").symlink_to("loop")
    for device in ("null", "zero", "full"):  # nothing is written outside the folder itself
        (root / device).symlink_to(f"/dev/{device}")
    with contextlib.chdir(root):
        for line in MADE:
            status, text = run(shlex.split(line))
            assert status == 0, f"{line}\n{text}"
        cut = Path("labels.slc").read_bytes()
        Path(CUT).write_bytes(cut[: len(cut) * 3 // 4])
    return root


def run(args: list[str]) -> tuple[int, str]:
    """Run the program in this process: its status, and what it printed."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = run_program(cli, args)
    return status, out.getvalue() + err.getvalue()


def copy(source: Path, target: Path) -> None:
    """Copy a folder with its FIFOs and links; nothing of the original can be changed by a run."""
    target.mkdir()
    for path in sorted(source.rglob("*")):
        other = target / path.relative_to(source)
        if path.is_symlink():
            other.symlink_to(os.readlink(path))
        elif path.is_dir():
            other.mkdir()
        elif path.is_fifo():
            os.mkfifo(other)
        else:
            shutil.copyfile(path, other)
