"""Documentation site: notebooks, pages out of other folders, and links that leave docs/.

A notebook becomes a page with its code and what it printed. A line `--8<-- "path"` is replaced by a
file of the repository. Links to files outside of docs/ lead to copies in the site, to folders
nowhere: they become text.
"""

from __future__ import annotations

import json
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
    """Add pages of the notebooks, and the files that pages link to."""
    for notebook in [file for file in files if file.src_uri.endswith(".ipynb")]:
        name = notebook.src_uri.removesuffix(".ipynb") + ".md"
        content = as_markdown(json.loads(Path(notebook.abs_src_path or "").read_text()))
        files.append(File.generated(config, name, content=content))
    for page in list(files.documentation_pages()):
        _, used = expanded(page.content_string, page.src_uri)
        for path in used:
            name = f"{COPIES}/{path}"
            if files.get_file_from_path(name) is None:
                files.append(File.generated(config, name, abs_src_path=str(ROOT / path)))
    return files


def as_markdown(notebook: dict[str, Any]) -> str:
    """The cells of a notebook, each code cell with its output behind it."""
    parts = []
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
            continue
        parts.append(f"```python\n{source}\n```")
        for output in cell["outputs"]:
            text = "".join(output.get("text") or output["data"]["text/plain"])
            parts.append(f"```text\n{text.rstrip()}\n```")
    return "\n\n".join(parts) + "\n"


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
