"""The code blocks of the documentation: docs/, the README, and pages of other folders."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_FENCE = re.compile(r"^```(\w*)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NO_CODE = "text"  # language of blocks that show something


@dataclass(frozen=True)
class Block:
    """A code block.

    Attributes:
        page: path of its file in the repository.
        language: as it is marked; '' of commands.
        options: what stands behind the language.
        code: its lines.
    """

    page: str
    language: str
    options: str
    code: str

    @property
    def first(self) -> str:
        """Its first line."""
        return self.code.partition("\n")[0]


def blocks_of(page: str) -> list[Block]:
    """The code blocks of a page, in order."""
    fences = _FENCE.findall((ROOT / page).read_text())
    return [Block(page, *parts) for parts in fences if parts[0] != NO_CODE]


def pages() -> list[str]:
    """All pages that have code blocks."""
    files = [*ROOT.glob("*.md")]
    for folder in ("docs", "notes", "spec", "examples", "benchmarks"):
        files += (ROOT / folder).rglob("*.md")
    names = sorted(str(path.relative_to(ROOT)) for path in files)
    return [name for name in names if blocks_of(name)]
