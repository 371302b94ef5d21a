"""Layout of tables as lines of text; a table wider than the terminal is split by columns."""

from __future__ import annotations

from collections.abc import Sequence

GAP = 2  # spaces between columns

Rows = Sequence[Sequence[str]]


def table_lines(columns: Sequence[str], rows: Rows, width: int | None = None) -> list[str]:
    """Lay out a table; nothing is ever cut off.

    The first column is aligned to the left, the others to the right.

    Args:
        columns: names of the columns; the first one identifies the rows.
        rows: cells, as many per row as there are columns.
        width: columns of the terminal; None for lines of any length. A table that is wider is split
            into several tables that repeat the first column, with an empty line between them. Names
            of columns are broken between words, and cells wider than the terminal anywhere.
    """
    if width is None:
        return _block(columns, rows, _widths(columns, rows), ruled=False)
    lines: list[str] = []
    wrapped = [_words(name) for name in columns]
    widths = _limited(_widths(wrapped, rows), width)
    for group in _groups(widths, width):
        names = [wrapped[i] for i in group]
        cells = [[row[i] for i in group] for row in rows]
        lines += [""] * bool(lines) + _block(names, cells, [widths[i] for i in group], ruled=True)
    return lines


def _words(name: str) -> str:
    """One word per line: a column is as wide as its cells and the longest word of its name."""
    return name if name.startswith(" ") else "\n".join(name.split())


def _widths(columns: Sequence[str], rows: Rows) -> list[int]:
    from rich.cells import cell_len

    return [
        max(1, *(cell_len(line) for cell in cells for line in cell.split("\n")))
        for cells in zip(columns, *rows, strict=True)
    ]


def _limited(widths: list[int], width: int) -> list[int]:
    """Widths of which the first and any other fit next to each other."""
    first, others = widths[0], widths[1:]
    if not others:
        return [min(first, width)]
    first = min(first, max(width - GAP - max(others), (width - GAP) // 2, 2))
    return [first, *(min(other, max(width - GAP - first, 2)) for other in others)]


def _groups(widths: Sequence[int], width: int) -> list[list[int]]:
    """Columns of each table: the first one, and as many of the others as there is room for."""
    groups: list[list[int]] = [[0]]
    taken = widths[0]
    for i, own in enumerate(widths[1:], 1):
        if taken + GAP + own > width and len(groups[-1]) > 1:
            groups.append([0])
            taken = widths[0]
        groups[-1].append(i)
        taken += GAP + own
    return groups


def _block(columns: Sequence[str], rows: Rows, widths: Sequence[int], ruled: bool) -> list[str]:
    names = _row(columns, widths, bottom=True)
    rule = [(" " * GAP).join("-" * width for width in widths)] if ruled else []
    return [*names, *rule, *(line for row in rows for line in _row(row, widths))]


def _row(cells: Sequence[str], widths: Sequence[int], bottom: bool = False) -> list[str]:
    """The lines of a row, whose cells are filled from the top or the bottom."""
    parts = [
        [piece for line in _joined(cell, width) for piece in _folded(line, width)]
        for cell, width in zip(cells, widths, strict=True)
    ]
    height = max(map(len, parts))
    lines = []
    for i in range(height):
        line = []
        for j, (pieces, width) in enumerate(zip(parts, widths, strict=True)):
            at = i - (height - len(pieces)) if bottom else i
            text = pieces[at] if 0 <= at < len(pieces) else ""
            line.append(_aligned(text, width, right=j > 0))
        lines.append((" " * GAP).join(line).rstrip())
    return lines


def _joined(cell: str, width: int) -> list[str]:
    """Lines of a cell; words that fit on one line share it."""
    from rich.cells import cell_len

    lines: list[str] = []
    for word in cell.split("\n"):
        if lines and cell_len(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def _folded(text: str, width: int) -> list[str]:
    """Text in pieces of at most `width` terminal columns."""
    from rich.cells import chop_cells

    return chop_cells(text, width) or [""]


def _aligned(text: str, width: int, right: bool) -> str:
    from rich.cells import cell_len

    blank = " " * (width - cell_len(text))
    return blank + text if right else text + blank
