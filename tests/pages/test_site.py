"""Pages and notebooks of the documentation site."""

from __future__ import annotations

import json
import re

import pytest

from tests import notebooks
from tests.pages.blocks import ROOT

DOCS = ROOT / "docs"


def test_every_page_is_in_the_site():
    navigation = (DOCS.parent / "mkdocs.yml").read_text()
    for path in DOCS.rglob("*.md"):
        assert f": {path.relative_to(DOCS)}\n" in navigation, path


def test_links_between_pages_lead_somewhere():
    for path in DOCS.glob("*.md"):
        for target in re.findall(r"\]\((?!\w+:|#)([^)#\s]+)", path.read_text()):
            assert (path.parent / target).exists(), (path.name, target)


@pytest.mark.parametrize("path", sorted(DOCS.glob("notebooks/*.ipynb")), ids=lambda p: p.stem)
def test_notebooks_print_what_is_stored(path, monkeypatch):
    """The numbers, as far as machines agree: no more than three digits of them."""
    monkeypatch.chdir(DOCS.parent)
    stored = json.loads(path.read_text())
    for old, new in zip(stored["cells"], notebooks.run(stored, path.name)["cells"], strict=True):
        for left, right in zip(old.get("outputs", ()), new.get("outputs", ()), strict=True):
            texts = ["".join(o.get("text") or o["data"]["text/plain"]) for o in (left, right)]
            numbers = [[float(n) for n in re.findall(r"-?\d+\.?\d*", text)] for text in texts]
            assert numbers[0] == pytest.approx(numbers[1], rel=5e-3, abs=2e-3), texts
