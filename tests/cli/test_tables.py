from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from labelcodec_cli.main import COMMANDS
from labelcodec_cli.tables import table_lines
from tests.cli.terminal import on_terminal

COLUMNS = ["codec", "bytes per label", "rate"]
ROWS = [["dense", "1435.9", "14.3x"], ["topk:k=50", "92.5", "221.4x"]]


def test_without_a_terminal_each_row_is_one_line() -> None:
    assert table_lines(COLUMNS, ROWS) == [
        "codec      bytes per label    rate",
        "dense               1435.9   14.3x",
        "topk:k=50             92.5  221.4x",
    ]


def test_names_of_columns_are_broken_between_words_first() -> None:
    assert table_lines(COLUMNS, ROWS, 26) == [
        "            bytes",
        "              per",
        "codec       label    rate",
        "---------  ------  ------",
        "dense      1435.9   14.3x",
        "topk:k=50    92.5  221.4x",
    ]


def test_a_table_that_is_still_wider_is_split_by_columns() -> None:
    assert table_lines(COLUMNS, ROWS, 20) == [
        "            bytes",
        "              per",
        "codec       label",
        "---------  ------",
        "dense      1435.9",
        "topk:k=50    92.5",
        "",
        "codec        rate",
        "---------  ------",
        "dense       14.3x",
        "topk:k=50  221.4x",
    ]


def test_cells_wider_than_the_terminal_go_on_in_the_next_line() -> None:
    rows = [["a/long/path.slc", "1234567890123"]]
    assert table_lines(["file", "bytes"], rows, 16) == [
        "file       bytes",
        "-------  -------",
        "a/long/  1234567",
        "path.sl   890123",
        "c",
    ]


def test_a_table_without_rows_or_with_a_single_column() -> None:
    assert table_lines(["a", "b"], [], 80) == ["a  b", "-  -"]
    assert table_lines(["name"], [["x"]], 80) == ["name", "----", "x"]


cells = st.text("aé標 :=.1", max_size=30)


@given(st.data(), st.integers(10, 100))
def test_nothing_is_cut_off_at_any_width(data, width: int) -> None:
    columns = data.draw(st.lists(cells, min_size=2, max_size=6))
    row = st.lists(cells, min_size=len(columns), max_size=len(columns))
    rows = data.draw(st.lists(row, max_size=3))
    lines = table_lines(columns, rows, width)
    assert all(cell_len(line) <= width for line in lines)
    characters = sorted(char for line in lines for char in line if char not in " -")
    repeated = sum(not line for line in lines) if "" in lines else 0
    texts = [*columns, *(cell for cells in rows for cell in cells)]
    needed = sorted(char for text in texts for char in text if char != " ")
    if not repeated:
        assert characters == needed
    else:
        assert all(characters.count(char) >= needed.count(char) for char in needed)


SHOWING_TABLES = {
    "plan": ("--classes", 1000, "--ipc", 10),
    "stats": ("labels.slc", "small.slc", "dump", "--against", "dump"),
    "compare": ("labels.slc", "small.slc"),
    "inspect": ("labels.slc", "--batch", 0),
    "recipes": (),
}


@pytest.mark.parametrize("width", [40, 80])
@pytest.mark.parametrize("command", SHOWING_TABLES)
def test_what_commands_show_fits_the_terminal(workplace, command: str, width: int) -> None:
    shown = on_terminal(width, command, *SHOWING_TABLES[command], folder=workplace)
    assert "error" not in shown
    assert "…" not in shown
    tables = [block for block in shown.split("\n\n") if "---" in block]
    assert tables or command in ("codecs", "inspect")
    assert all(len(line) <= width for block in tables for line in block.splitlines())


def test_plan_names_every_codec_and_figure_on_a_terminal_of_40_columns() -> None:
    args = ("plan", "--classes", 1000, "--ipc", 10, "--codec", "topk:k=50", "--keep", 0.1)
    shown = on_terminal(40, *args)
    assert shown.count("* topk:k=50") == shown.count("stored as") > 1
    for figure in ("27.7 MB", "221.4x", "100.2x", "0.832", "26.4 MB", "1.3 MB", "2500 B"):
        assert figure in shown


def test_the_commands_above_exist() -> None:
    assert set(SHOWING_TABLES) <= set(COMMANDS)
