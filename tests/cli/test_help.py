from __future__ import annotations

import re
import shlex
from dataclasses import fields
from pathlib import Path

import click
import pytest

from labelcodec.pipeline.schedules import TemperatureSchedule
from labelcodec.pipeline.study.study_file import study_names
from labelcodec.pipeline.training_recipe import CHOICES, TrainingRecipe
from labelcodec_cli.main import COMMANDS, cli
from tests.cli.call import call
from tests.remote.server import Web, serving

LEARNING = ("squeeze", "recover", "relabel", "replay", "project", "train", "evaluate", "study")


ELSEWHERE = re.compile(r"(?:https://example\.org|hf://datasets/OWNER/NAME)/")


def examples(help_text: str) -> list[list[str]]:
    """Arguments of the calls; those under torchrun are taken as calls of the program itself."""
    text = help_text.split("Example:\n")[1].split("\n\n", maxsplit=1)[0]
    lines = text.replace("\\\n", " ").replace(" -m labelcodec ", "\0").splitlines()
    assert lines
    return [shlex.split(line.strip().split("\0")[-1].removeprefix("labelcodec ")) for line in lines]


@pytest.mark.parametrize("name", COMMANDS)
def test_help_has_an_example(capsys, name: str) -> None:
    found = call(capsys, name, "--help")
    assert found.status == 0
    assert all(args[0] == name for args in examples(found.out))


def test_help_of_train_names_all_settings_and_choices(capsys) -> None:
    words = set(re.findall(r"[\w.]+", call(capsys, "train", "--help").out.replace(".\n", "\n")))
    settings = {field.name for field in fields(TrainingRecipe)} - {"temperature"}
    schedule = {field.name for field in fields(TemperatureSchedule)}
    assert settings | {choice for some in CHOICES.values() for choice in some} <= words
    assert schedule <= {word.rpartition(".")[2] for word in words if "." in word}


@pytest.mark.parametrize(
    "name", [name for name in COMMANDS if name not in ("demo", "push", *LEARNING)]
)
def test_examples_run_as_they_are_written(capsys, workplace, name: str) -> None:
    if name == "encode":
        for path in workplace.glob("*.slc"):
            path.unlink()
    with serving(Web({})) as web:  # addresses are those of the files
        web.files.update({f"/{path.name}": path.read_bytes() for path in workplace.glob("*.slc")})
        for args in examples(call(capsys, name, "--help").out):
            found = call(capsys, *(ELSEWHERE.sub(f"{web.url}/", arg) for arg in args))
            assert found.status == 0, found.err
            assert found.out


def test_examples_of_learning_run_one_after_another(capsys, schoolroom) -> None:
    for name in LEARNING:
        for args in examples(call(capsys, name, "--help").out):
            found = call(capsys, *args)
            assert found.status == 0, found.err
            assert found.out


def test_help_of_study_names_the_built_in_ones(capsys) -> None:
    words = set(re.findall(r"[\w-]+", call(capsys, "study", "--help").out))
    assert set(study_names()) <= words


def test_first_lines_are_not_cut_in_the_list(capsys) -> None:
    listed = call(capsys, "--help").out.split("--help")[1]
    assert re.findall(r"^  ([a-z]+)  ", listed, re.MULTILINE) == list(COMMANDS)
    assert "..." not in listed


def test_commands_of_the_readme_are_real_commands() -> None:
    text = (Path(__file__).parents[2] / "README.md").read_text()
    quick = text.split("## Quick start")[1].split("```")[1]
    lines = list(filter(None, quick.replace("\\\n", "").splitlines()))
    assert len(lines) > 5
    for line in lines:
        program, name, *args = shlex.split(line, comments=True)
        assert program == "labelcodec"
        COMMANDS[name].make_context(name, args, resilient_parsing=False)


@pytest.mark.parametrize("flag", ["--scale", "--flip", "--autocast", "--skip-bad", "--output"])
def test_an_option_of_several_stages_has_one_text(flag: str) -> None:
    context = click.Context(cli)
    texts = {
        option.help
        for name in LEARNING
        for option in cli.get_command(context, name).params
        if flag in option.opts
    }
    assert len(texts) == 1
