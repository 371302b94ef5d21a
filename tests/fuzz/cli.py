"""Fuzz of the program: random commands, options and arguments, run in this process.

    python -m tests.fuzz.cli --cases 5000 [--seed N] [--inputs FOLDER]

Whatever is typed, the program ends within five seconds of CPU time with status 0, 1, 2 or 130,
and no traceback and no "please report it" is printed. Memory is not measured.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import io
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

import click
from PIL import Image

from labelcodec_cli.console import run as run_program
from labelcodec_cli.main import COMMANDS, cli
from tests.fuzz import dumps
from tests.fuzz.folder_cases import originals
from tests.fuzz.mutate import GOLDEN, mutants

SECONDS = 5.0
STATUSES = {0, 1, 2, 130}
WRITTEN = {"target", "out"}
NUMBERS: dict[type[click.ParamType], tuple[str, ...]] = {
    click.IntRange: ("1", "1", "2", "4", "10", "1000", "0", "-1", str(10**9), str(10**30)),
    type(click.INT): ("0", "1", "42", "-1", str(10**30)),
    type(click.FLOAT): ("0.5", "0.5", "1", "0", "-1", "nan", "inf", "1e-300", "1e300"),
    click.FloatRange: ("0.5", "0.5", "1", "0", "-1", "nan", "inf", "1e-300", "1e300"),
}
USUAL = {
    "--codec": (
        "dense",
        "dense2",
        "topk:k=2",
        "transform:bytes=8",
        "transform:rank=2,step=8",
        "vq",
    ),
    "--recipe": ("cifar10", "omniglot242", "lpld-tiny", "recipe.toml"),
    "--teacher": ("convnet", "convnet", "resnet20", "mutant0.slc", "torchvision/no"),
    "--weights": ("mutant0.slc", "text.json"),
    "--image-size": ("16", "16", "32"),
    "--epochs": ("1", "1", "2", "0", "x"),
    "--workers": ("0", "-1", "x"),
    "--classes": ("2", "2", "4", "1000", "0", "x"),
    "--ipc": ("1", "10"),
}
LIKELY = {"--epochs", "--image-size", "--weights", "--ipc"}
# What an argument usually is: the first letters of the names.
FITTING = {
    "labels": ("golden", "mutant"),
    "file": ("golden", "mutant"),
    "files": ("golden", "mutant"),
    "source": ("dump", "golden", "mutant"),
    "images": ("images",),
    "first": ("golden", "dump"),
    "second": ("golden", "dump", "mutant"),
    "paths": ("golden", "dump", "mutant"),
}
WORDS = (
    *("", "-1", "0", "1", "2", "3", "0.1", "1e9", "nan", "inf", "-inf", "x", "0:1", "1:0", "a:b"),
    *("99999999999999999999", "None", "[]", "{}", "\udcff", "a\nb", "é", "dense", "topk:k=2"),
    *(
        "topk:k=0",
        "topk:k",
        "transform:bytes=8",
        "transform:tv9=1",
        "dense2:rank=9999",
        "vq:codes=2",
        "vq:tau=0",
        "all",
    ),
    *("bilinear", "logits", "MS", "sre2l", "lpqld", "fkd", "cifar10", "convnet", "cpu", "cuda:9"),
    *("nomodule:x", "os:system", "model.x=1", "epochs=1", "loss=kl", "."),
)


@dataclass(frozen=True)
class CliCase:
    """What is typed, in a folder that `place` fills; the seed changes the files."""

    args: tuple[str, ...]
    seed: int


@functools.cache
def template(inputs: str | None = None) -> Path:
    """A folder with good and bad files of every kind; those in `inputs` are added."""
    root = Path(tempfile.mkdtemp(prefix="labelcodec-fuzz-"))
    for number, files in enumerate(originals().values()):
        for name, data in files.items():
            path = root / f"dump{number}" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    goldens = sorted(GOLDEN.rglob("*.slc"), key=lambda path: path.stat().st_size)[:12]
    for number, path in enumerate(goldens):
        shutil.copy(path, root / f"golden{number}.slc")
    for number, (_, data, _) in enumerate(mutants(goldens, 36, 1, fix_crc=True)):
        (root / f"mutant{number}.slc").write_bytes(data)
    for number in range(4):
        folder = root / "images" / str(number % 2)
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (16, 16), (60 * number,) * 3).save(folder / f"{number}.png")
    (root / "empty").mkdir()
    (root / "empty.slc").touch()
    (root / "text.json").write_text("[1, 2")
    (root / "order.json").write_text(json.dumps([[0, 1, 2, 3]]))
    (root / "names.json").write_text(json.dumps(["0", "1"]))
    (root / "recipe.toml").write_text("epochs = 'x'\n")
    (root / "long" / ("n" * 200)).mkdir(parents=True)
    os.mkfifo(root / "fifo")
    (root / "loop").symlink_to("loop")
    if inputs:
        for path in Path(inputs).iterdir():
            with contextlib.suppress(OSError, shutil.Error):
                if path.is_dir():
                    shutil.copytree(path, root / path.name, symlinks=True)
                else:
                    shutil.copy(path, root / path.name)
    return root


def cli_case(seed: int, number: int) -> tuple[str, CliCase]:
    """Command and case, from seed and number."""
    rng = random.Random(f"{seed} {number}")
    name = rng.choice([name for name in COMMANDS if name != "demo"])
    command = COMMANDS[name]
    names = sorted(os.listdir(template(os.environ.get("FUZZ_INPUTS"))))
    words: list[str] = []
    for parameter in command.params:
        if isinstance(parameter, click.Argument):
            count = rng.randint(1, 3) if parameter.nargs == -1 else 1
            written = parameter.name in WRITTEN and rng.random() < 0.7
            paths = (
                ["new.slc"] if written else [_argument(rng, parameter, names) for _ in range(count)]
            )
            words += paths if rng.random() < 0.97 else []
        elif isinstance(parameter, click.Option):
            chance = 0.95 if parameter.required else 0.6 if parameter.opts[0] in LIKELY else 0.05
            if rng.random() > chance:
                continue
            words.append(parameter.opts[0])
            if not parameter.is_flag:
                words += [_value(rng, parameter, names) for _ in range(max(parameter.nargs, 1))]
    if name == "train":
        words += ["--set", "epochs=1"]
    if rng.random() < 0.3:
        words.append("--json")
    if rng.random() < 0.1:
        rng.shuffle(words)
    return name, CliCase((name, *words), rng.randrange(1 << 30))


def _argument(rng: random.Random, argument: click.Argument, names: list[str]) -> str:
    starts = FITTING.get(argument.name or "", ())
    fitting = [name for name in names if name.startswith(starts)] if starts else []
    return rng.choice(fitting) if fitting and rng.random() < 0.7 else _path(rng, names)


def _path(rng: random.Random, names: list[str]) -> str:
    """Mostly a name in the folder, else one that is new, elsewhere or odd."""
    if rng.random() < 0.75:
        name = rng.choice(names)
        return f"{name}/" if rng.random() < 0.05 else name
    odd = ("new.slc", "new/deep.slc", "no/such", "*.slc", "golden*.slc", "[", "/dev/null", "", ".")
    return rng.choice((*odd, "-", "http://a/b.slc", "n" * 300, "a\nb", "\udcff"))


def _value(rng: random.Random, option: click.Option, names: list[str]) -> str:
    if isinstance(option.type, click.Choice) and rng.random() < 0.8:
        return str(rng.choice(list(option.type.choices)))
    if option.opts[0] in USUAL and rng.random() < 0.9:
        return rng.choice(USUAL[option.opts[0]])
    numbers = NUMBERS.get(type(option.type), ())
    if numbers and rng.random() < 0.9:
        return rng.choice(numbers)
    if isinstance(option.type, click.Path) or rng.random() < 0.15:
        return _path(rng, names)
    return rng.choice(WORDS)


def use(case: CliCase) -> str:
    """Run the program; the status, or an error of this fuzz.

    Raises:
        AssertionError: the program printed what it must not, or ended with another status.
    """
    out, err = io.StringIO(), io.StringIO()
    place = "/dev/shm" if os.path.isdir("/dev/shm") else None
    with tempfile.TemporaryDirectory(dir=place) as folder:
        work = Path(folder) / "work"
        _copy(template(os.environ.get("FUZZ_INPUTS")), work)
        with (
            contextlib.chdir(work),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            status = run_program(cli, list(case.args))
    text = err.getvalue()
    if "OvertimeError" in text:
        raise dumps.OvertimeError
    shown = f"labelcodec {' '.join(map(repr, case.args))}: status {status}\n{text}"
    assert "internal error" not in text and "Traceback" not in text, shown
    assert status in STATUSES, shown
    if "--json" in case.args and not status and "--help" not in case.args and out.getvalue():
        json.loads(out.getvalue(), parse_constant=lambda name: 1 // 0)
    return f"status {status}"


def _copy(source: Path, target: Path) -> None:
    """Copy a folder with its FIFOs and links; nothing of the original can be changed by a run."""
    target.mkdir()
    for path in sorted(source.rglob("*")):
        copy = target / path.relative_to(source)
        if path.is_symlink():
            copy.symlink_to(os.readlink(path))
        elif path.is_dir():
            copy.mkdir()
        elif path.is_fifo():
            os.mkfifo(copy)
        else:
            shutil.copyfile(path, copy)


def fuzz(cases: int, seed: int = 0) -> dumps.Report:
    """Run `cases` random command lines."""
    template(os.environ.get("FUZZ_INPUTS"))
    report = dumps.Report(seconds=SECONDS)
    before = signal.signal(signal.SIGALRM, _alarm)
    try:
        for number in range(cases):
            kind, case = cli_case(seed, number)
            name, start = f"seed {seed}, case {number} ({kind})", time.process_time()
            signal.setitimer(signal.ITIMER_REAL, 4 * SECONDS)  # of a busy machine
            try:
                outcome = use(case)
            except dumps.OvertimeError:
                outcome = "hang"
                report.hangs.append(f"{name}: {case.args}")
            except Exception:
                outcome = "other error"
                report.others.append(f"{name}:\n{traceback.format_exc()}")
            signal.setitimer(signal.ITIMER_REAL, 0)
            taken = time.process_time() - start
            if taken > SECONDS and outcome != "hang":
                report.hangs.append(f"{name}: {taken:.1f} s, {case.args}")
            report.slowest = max(report.slowest, taken)
            report.outcomes[kind, outcome] += 1
            report.cases += 1
    finally:
        signal.signal(signal.SIGALRM, before)
    return report


def _alarm(*_: object) -> None:
    raise dumps.OvertimeError


def main() -> int:
    parser = argparse.ArgumentParser(description="Fuzz of the program.")
    parser.add_argument("--cases", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--inputs", help="folder whose files and folders are used, too")
    chosen = parser.parse_args()
    if chosen.inputs:
        os.environ["FUZZ_INPUTS"] = os.path.abspath(chosen.inputs)
    report = fuzz(chosen.cases, chosen.seed)
    print(*report.lines(), sep="\n")
    return int(bool(report.failures))


if __name__ == "__main__":
    sys.exit(main())
