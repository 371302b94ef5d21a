"""Studies on two cores: the ablation on CIFAR-10, pruning and codecs on Omniglot.

python benchmarks/studies.py --work DIR                          # all three, one after another
python benchmarks/studies.py --work DIR --study ablation-cifar10 # one; several may run side by side

An interrupted run continues. Writes results/study_NAME.jsonl, one line per cell,
results/study_NAME.png, and a table of docs/benchmarks.md. The teacher of Omniglot's characters is
that of accuracy.py.
"""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import accuracy
import click
from common import RESULTS, machine, markdown, require_data, where, write_report

from labelcodec.pipeline.study.plot import plot_summaries
from labelcodec.pipeline.study.results import Summary, summarised
from labelcodec.pipeline.study.running import run_study
from labelcodec.pipeline.study.study_file import load_study

STUDIES = ("ablation-cifar10", "pareto-omniglot242", "codecs-omniglot242")


def cifar10(work: Path) -> dict[str, str]:
    """Settings that name the images and the teacher's weights."""
    folder = work / "cifar10"
    if not (folder / "complete").exists():
        with zipfile.ZipFile(require_data("cifar10.zip")) as archive:
            archive.extractall(folder)
        (folder / "complete").touch()
    return _named(folder, require_data("teachers/resnet20-cifar10.safetensors"))


def omniglot242(work: Path) -> dict[str, str]:
    """The same of Omniglot's 242 characters, drawn and learned if they are not there."""
    folder = work / "omniglot242"
    if not (folder / "teacher.json").exists():
        accuracy.draw_folders(folder)
        accuracy.make_teacher(folder)
    return _named(folder, folder / "teacher.pt")


def _named(folder: Path, weights: Path) -> dict[str, str]:
    train, test = str(folder / "train"), str(folder / "test")
    return {"data.train": train, "data.test": test, "teacher.weights": str(weights)}


DATA = {"cifar10": cifar10, "omniglot242": omniglot242}


def _row(summary: Summary) -> list[str]:
    top1, error = summary.mean["top1"], summary.standard_error["top1"] or 0
    size, rate = summary.mean["labels_bytes"] / 1000, summary.mean["actual_rate"]
    return [summary.title, f"{size:.1f}", f"{rate:.0f}x", f"{100 * top1:.1f} ± {100 * error:.1f}"]


@click.command()
@click.option("--work", type=click.Path(path_type=Path), required=True)
@click.option("--study", "names", type=click.Choice(STUDIES), multiple=True, default=STUDIES)
def main(work: Path, names: tuple[str, ...]) -> None:
    for name in names:
        study = load_study(name, DATA[name.rpartition("-")[2]](work))
        report = run_study(study, work / "out", device="cpu", note=lambda line: None)
        for title, reason in report.failed.items():
            click.echo(f"{title}: {reason}")
        shutil.copyfile(report.file, RESULTS / f"study_{name}.jsonl")
        summaries = summarised(report.results)
        plot_summaries(study, summaries, RESULTS / f"study_{name}.png")
        rows = [_row(summary) for summary in summaries]
        text = (
            markdown(["cell", "labels, kB", "actual rate", "top-1, %"], rows)
            + f"\n\nMean and standard error of three seeds, {len(report.results)} students.\n"
            f"Measured by `python benchmarks/studies.py --work DIR --study {name}` on\n"
            f"{where(machine())}."
        )
        write_report(f"study {name}", text)
        click.echo(text)


if __name__ == "__main__":
    main()
