"""Documentation site: pages out of other folders, and links that leave docs/.

A line `--8<-- "path"` is replaced by a file of the repository. Links to files outside of docs/ lead
to copies in the site, to folders nowhere: they become text.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[2]
COPIES = "repository"  # folder of the site
INCLUDE = re.compile(r'^--8<-- "([^"]+)"$', re.MULTILINE)
LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!\w+:|#|/)([^)\s#]+)(#[^)\s]*)?\)")
PAGES = {  # of the repository, that the site has under another name
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "notes/adding.md": "extending.md",
    "spec/SPEC.md": "spec.md",
}
TITLES = re.compile(r"\A# .*\n")


def on_files(files: Files, config: Any) -> Files:
    """Add the files that pages link to."""
    for page in list(files.documentation_pages()):
        _, used = expanded(Path(page.abs_src_path or "").read_text(), page.src_uri)
        for path in used:
            name = f"{COPIES}/{path}"
            if files.get_file_from_path(name) is None:
                files.append(File.generated(config, name, abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Include files, and turn links to what is in the site."""
    return expanded(markdown, page.file.src_uri)[0]


def expanded(markdown: str, page: str) -> tuple[str, set[str]]:
    """A page with its included files, and the files of the repository that it links to.

    Args:
        markdown: the page.
        page: its path in docs/.
    """
    used: set[str] = set()
    depth = "../" * page.count("/")

    def turned(text: str, folder: str) -> str:
        def link(match: re.Match[str]) -> str:
            mark, words, target, anchor = match.groups()
            path = posixpath.normpath(posixpath.join(folder, target))
            if path in PAGES:
                return f"{mark}[{words}]({depth}{PAGES[path]}{anchor or ''})"
            if path.startswith("docs/"):
                return f"{mark}[{words}]({depth}{path.removeprefix('docs/')}{anchor or ''})"
            if (ROOT / path).is_file():
                used.add(path)
                return f"{mark}[{words}]({depth}{COPIES}/{path})"
            return words if (ROOT / path).is_dir() else match.group()

        return LINK.sub(link, text)

    def included(match: re.Match[str]) -> str:
        path = match.group(1)
        return turned(TITLES.sub("", (ROOT / path).read_text()), posixpath.dirname(path))

    own = turned(markdown, posixpath.dirname(f"docs/{page}"))
    return INCLUDE.sub(included, own), used
