"""The code of docstrings, which the site's pages of the Python API show, is run."""

from __future__ import annotations

import importlib
from contextlib import ExitStack

import pytest

from tests.pages.blocks import ROOT, Block
from tests.pages.docstring_rooms import ROOMS
from tests.pages.docstrings import code_of, modules
from tests.pages.room import Room


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("module", ROOMS)
def test_the_examples_of_a_module_run(module, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    name = module.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    with ExitStack() as stack:
        room = Room(tmp_path, monkeypatch, capsys, stack)
        room.names |= vars(importlib.import_module(name))
        ROOMS[module](room)
        for code in code_of(ROOT / module):
            room.run(Block(module, "python", "", code))
        room.after()
    assert room.used == room.stand_ins.keys(), "stand-ins for what the module does not say"


def test_every_module_with_examples_is_run():
    assert modules() == sorted(ROOMS)
