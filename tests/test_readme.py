from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
HOUSE = ("labelcodec", "cli", "docs", "examples", "notes", "spec", "benchmarks", "tests")


def annotated_tree() -> dict[str, str]:
    """Folder -> its note, from the README's tree of folders."""
    block = (
        (ROOT / "README.md")
        .read_text()
        .split("## Project layout")[1]
        .split("```text\n")[1]
        .split("```")[0]
    )
    folders: dict[str, str] = {}
    above = ""
    for line in block.strip("\n").splitlines():
        indent, name, note = re.fullmatch(r"( *)(\w+)/ +(\S.*)", line).groups()
        above = above if indent else name
        folders[f"{above}/{name}" if indent else name] = note
    return folders


def holds_files(folder: Path) -> bool:
    return any(
        path.is_file() and "__pycache__" not in path.parts for path in sorted(folder.rglob("*"))
    )


def test_annotated_tree_lists_every_folder_and_no_other() -> None:
    library = sorted(path for path in (ROOT / "labelcodec").iterdir() if path.is_dir())
    existing = {name for name in HOUSE if holds_files(ROOT / name)}
    existing |= {f"labelcodec/{path.name}" for path in library if holds_files(path)}
    assert set(annotated_tree()) == existing


def test_set_up_is_exactly_two_commands_that_the_makefile_has() -> None:
    set_up = (ROOT / "README.md").read_text().split("## Install")[1].split("## ")[0]
    commands = re.findall(r"^(make \w+)", set_up.split("```")[1], flags=re.MULTILINE)
    assert commands == ["make demo", "make test"]
    makefile = (ROOT / "Makefile").read_text()
    for command in commands:
        assert re.search(rf"^{command.split()[1]}:", makefile, flags=re.MULTILINE)


def test_every_command_of_the_program_is_in_the_table() -> None:
    from labelcodec_cli.main import COMMANDS

    table = (ROOT / "docs/commands.md").read_text()
    assert set(re.findall(r"^\| `(\w+)", table, flags=re.MULTILINE)) == set(COMMANDS)


def test_figures_of_the_benchmarks_are_those_of_the_report() -> None:
    text = (ROOT / "README.md").read_text().split("## Benchmarks")[1].split("\n## ")[0]
    report = (ROOT / "docs" / "benchmarks.md").read_text()
    figures = re.findall(r"\d+\.\d+|(?<= )\d{3,}(?= )", text.split("Size and")[0])
    assert len(figures) > 20
    assert set(figures) <= set(re.findall(r"\d+\.\d+|\d+", report))


def test_headings_are_those_that_are_looked_for() -> None:
    headings = re.findall(r"^## (.*)", (ROOT / "README.md").read_text(), flags=re.MULTILINE)
    assert headings == [
        *("Install", "Quick start", "Codecs", "Benchmarks", "Project layout"),
    ]


def test_the_training_example_trains_and_goes_on_in_mid_epoch(tmp_path, monkeypatch) -> None:
    from torch import nn

    from tests.replay import scene

    monkeypatch.chdir(tmp_path)
    scene.folder(Path("images"))
    scene.write(Path("labels.slc"), [scene.batch(i, range(i + 1)) for i in range(5)])
    text = (ROOT / "docs/python.md").read_text().split("## Training")[1]
    code = text.split("```python\n")[1].split("```")[0]
    student = nn.Sequential(nn.Flatten(), nn.Linear(3 * scene.SIDE**2, scene.CLASSES))
    seen: list[int] = []  # samples of each batch, which say which batch it is

    def stopping(images: Any) -> Any:
        if len(seen) == stop:
            raise KeyboardInterrupt
        seen.append(len(images))
        return student(images)

    names: dict[str, Any] = {"epochs": 2, "device": "cpu", "student": stopping, "resume": False}
    stop = 8  # in the second epoch of five batches
    with pytest.raises(KeyboardInterrupt):
        exec(code, dict(names))
    stop = 99
    names["resume"] = True
    exec(code, names)
    assert float(names["loss"].detach()) > 0
    assert sorted(seen[:5]) == sorted(seen[5:]) == [1, 2, 3, 4, 5]


def test_the_recipe_of_the_pipeline_section(tmp_path) -> None:
    from labelcodec.pipeline.training_recipe import load_recipe

    text = (ROOT / "docs/pipeline.md").read_text()
    (tmp_path / "own.toml").write_text(text.split("```toml\n")[1].split("```")[0])
    recipe = load_recipe(str(tmp_path / "own.toml"))
    assert recipe.losses == ("kl", "hard", "kl")
