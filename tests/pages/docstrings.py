"""The code of docstrings, which the pages of the Python API show."""

from __future__ import annotations

import ast
import doctest
import re
import textwrap
from pathlib import Path

from tests.pages.blocks import ROOT

_PARSER = doctest.DocTestParser()
_INDENTED = re.compile(r"\n\n((?:    .+\n)+)")
_SHOWN = (ast.Module, ast.ClassDef, ast.FunctionDef)


def code_of(path: Path) -> list[str]:
    """The examples of a module's docstrings, and the indented code of a package's own."""
    tree = ast.parse(path.read_text())
    texts = [ast.get_docstring(node) or "" for node in ast.walk(tree) if isinstance(node, _SHOWN)]
    examples = ["".join(part.source for part in _PARSER.get_examples(text)) for text in texts]
    if path.name == "__init__.py":
        examples += map(textwrap.dedent, _INDENTED.findall(texts[0] + "\n"))
    return [code for code in examples if code]


def modules() -> list[str]:
    """The modules of the library that have examples, by their paths in the repository."""
    paths = sorted((ROOT / "labelcodec").rglob("*.py"))
    return [str(path.relative_to(ROOT)) for path in paths if code_of(path)]
