"""Runs the notebooks of docs/ and stores what their cells print.

python -m tests.notebooks docs/notebooks/*.ipynb
"""

from __future__ import annotations

import ast
import contextlib
import io
import json
import sys
from pathlib import Path
from typing import Any


def run(notebook: dict[str, Any], name: str) -> dict[str, Any]:
    """The notebook with the outputs of its cells, which run one after another."""
    names: dict[str, Any] = {}
    cells: list[dict[str, Any]] = []
    for cell in notebook["cells"]:
        if cell["cell_type"] != "code":
            cells.append(cell)
            continue
        count = 1 + sum("outputs" in other for other in cells)
        outputs = _outputs("".join(cell["source"]), names, name, count)
        cells.append({**cell, "execution_count": count, "outputs": outputs})
    return {**notebook, "cells": cells}


def _outputs(code: str, names: dict[str, Any], name: str, count: int) -> list[dict[str, Any]]:
    tree = ast.parse(code)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    printed, value = io.StringIO(), None
    with contextlib.redirect_stdout(printed):
        exec(compile(tree, name, "exec"), names)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), name, "eval"), names)
    outputs: list[dict[str, Any]] = []
    if text := printed.getvalue():
        lines = text.splitlines(keepends=True)
        outputs.append({"output_type": "stream", "name": "stdout", "text": lines})
    if value is not None:
        data = {"text/plain": repr(value).splitlines(keepends=True)}
        result = {"output_type": "execute_result", "metadata": {}, "data": data}
        outputs.append({**result, "execution_count": count})
    return outputs


if __name__ == "__main__":
    for path in map(Path, sys.argv[1:]):
        done = run(json.loads(path.read_text()), path.name)
        path.write_text(json.dumps(done, indent=1, ensure_ascii=False) + "\n")
