"""Every code block of the documentation is run, as it is written, on small data."""

from __future__ import annotations

import re
from contextlib import ExitStack

import pytest

from tests.pages.blocks import ROOT, Block, blocks_of, pages
from tests.pages.room import Room
from tests.pages.rooms import ROOMS

# Where the blocks that are not run here are run, by their page and what begins them.
RUN_ELSEWHERE = {
    ("README.md", "make demo"): ".ci/run: these commands build environments, for minutes",
    ("notes/adding.md", "python file="): "tests/test_adding.py, in a copy of the library",
    ("notes/adding.md", "diff file="): "tests/test_adding.py",
}


def is_run_elsewhere(block: Block) -> bool:
    starts = (f"{block.language}{block.options}", block.code)
    return any(
        page == block.page and any(text.startswith(start) for text in starts)
        for page, start in RUN_ELSEWHERE
    )


@pytest.mark.filterwarnings("ignore::labelcodec.errors.LabelcodecWarning")
@pytest.mark.parametrize("page", ROOMS)
def test_a_page_runs_from_top_to_bottom(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with ExitStack() as stack:
        room = Room(tmp_path, monkeypatch, capsys, stack)
        ROOMS[page](room)
        for block in blocks_of(page):
            if not is_run_elsewhere(block):
                room.run(block)
        room.after()
    assert room.used == room.stand_ins.keys(), "stand-ins for what the page does not say"


def test_all_blocks_of_all_pages_are_run():
    every = [block for page in pages() for block in blocks_of(page)]
    elsewhere = [block for block in every if is_run_elsewhere(block)]
    on_pages = [block for block in every if block.page in ROOMS and block not in elsewhere]
    print(f"code blocks run: {len(on_pages)} here and {len(elsewhere)} elsewhere of {len(every)}")
    assert [block for block in every if block not in on_pages + elsewhere] == []
    assert len(on_pages) >= 60
    of_adding = [block for block in elsewhere if block.page == "notes/adding.md"]
    (of_readme,) = (block for block in elsewhere if block not in of_adding)
    assert re.findall(r"^(make \w+) ", of_readme.code, re.MULTILINE) == ["make demo", "make test"]
    assert of_readme.code.count("\n") == 2
    assert all(re.match(r"\s*file=\S+$", block.options) for block in of_adding)
    assert "make VENV" in (ROOT / ".ci/run").read_text()
