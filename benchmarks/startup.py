"""What a fresh process spends before it does anything, right after installation and later.

python benchmarks/startup.py            # writes results/startup.json and docs/benchmarks.md
python benchmarks/startup.py --rounds 3 # fewer rounds

Each round has a copy of the package of its own, without bytecode, as an installation is before its
first use. The packages that it depends on are as pip installed them.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from common import ROOT, machine, markdown, require_data, save, where, write_report
from processes import Spent, python, usual_environment

from labelcodec.transcode import encode

CODECS = ("dense", "dense2", "topk:k=50", "transform:rank=48,step=8,peaks=7")
PACKAGES = {"labelcodec": "labelcodec", "cli": "labelcodec_cli"}
OPEN = "import sys, labelcodec\nassert labelcodec.__file__.startswith(sys.argv[2])\n"
OPEN += "labelcodec.open(sys.argv[1])[0]"
LOADED = "import sys, labelcodec\nsys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
MUST = {"open, first": 1.0, "stats": 0.6, "import labelcodec, wall": 0.15, "--help, wall": 0.35}


def install(folder: Path) -> dict[str, str]:
    """Copy the package without bytecode; the environment in which Python finds the copy first."""
    for name, target in PACKAGES.items():
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, folder / target, ignore=ignored)
    return usual_environment() | {"PYTHONPATH": str(folder)}


def measure(files: dict[str, Path], work: Path, rounds: int) -> dict[str, list[Spent]]:
    """What each job took in each round; the first of a round finds no bytecode."""
    spent: dict[str, list[Spent]] = {}

    def run(name: str, arguments: Sequence[str], environment: dict[str, str]) -> None:
        spent.setdefault(name, []).append(python(arguments, environment, cwd=work))

    for i in range(rounds):
        for codec, file in files.items():
            folder = work / f"{i}-{file.stem}"
            environment = install(folder)
            opening = ["-c", OPEN, str(file), str(folder)]
            run(f"open, first, {codec}", opening, environment)
            run(f"open, {codec}", opening, environment)
            run(f"stats, first, {codec}", ["-m", "labelcodec", "stats", str(file)], environment)
            run(f"stats, {codec}", ["-m", "labelcodec", "stats", str(file)], environment)
            shutil.rmtree(folder)
        environment = install(work / str(i))
        for name, arguments in (
            ("import labelcodec", ["-c", LOADED]),
            ("labelcodec --help", ["-m", "labelcodec", "--help"]),
            ("import numpy", ["-c", "import numpy"]),
            ("python", ["-c", "pass"]),
        ):
            python(arguments, environment, cwd=work)  # writes the bytecode
            run(name, arguments, environment)
        shutil.rmtree(work / str(i))
    return spent


def report(result: dict[str, Any]) -> str:
    """The table in docs/benchmarks.md."""
    times = result["seconds"]

    def cpu(name: str) -> str:
        return f"{times[name]['cpu']:.2f}"

    rows = [
        [f"`{what}`, {codec}", cpu(f"{name}, first, {codec}"), cpu(f"{name}, {codec}")]
        for name, what in (("open", "labelcodec.open(file)[0]"), ("stats", "labelcodec stats FILE"))
        for codec in CODECS
    ]
    names = ("import labelcodec", "labelcodec --help", "import numpy", "python")
    plain = [[f"`{name}`", cpu(name), f"{times[name]['wall']:.2f}"] for name in names]
    return "\n\n".join(
        [
            markdown(["fresh process", "CPU s, right after installation", "CPU s"], rows),
            "Right after installation there is no bytecode of labelcodec yet; `stats` is run\n"
            "after a file was opened.",
            markdown(["fresh process", "CPU s", "wall s"], plain),
            f"Measured by `python benchmarks/startup.py` on {where(result['machine'])}.",
        ]
    )


@click.command()
@click.option("--rounds", default=7, help="Rounds; the medians are reported.")
def main(rounds: int) -> None:
    """Measure everything and write the results."""
    source = require_data("in1k-sre2l")
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        files = {codec: work / f"{i}.slc" for i, codec in enumerate(CODECS)}
        for codec, file in files.items():
            encode(source, file, codec=codec)
        spent = measure(files, work, rounds)
    result: dict[str, Any] = {
        "command": "python benchmarks/startup.py",
        "data": "in1k-sre2l: 10 epochs x 1000 images, batch 128, C = 1000, fp16",
        "machine": machine() | {"load_before": round(load, 2)},
        "must": MUST,
        "seconds": {
            name: {
                "cpu": statistics.median(run.cpu for run in runs),
                "wall": statistics.median(run.wall for run in runs),
            }
            for name, runs in spent.items()
        },
    }
    save("startup", result)
    write_report("startup", report(result))
    click.echo(json.dumps(result["seconds"], indent=2))


if __name__ == "__main__":
    main()
