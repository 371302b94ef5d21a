from __future__ import annotations

import re
import tomllib
from pathlib import Path

from labelcodec.version import __version__
from tests.attacks.codecs import CASES

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def names(requirements: list[str]) -> set[str]:
    found = {re.match(r"[\w.-]+", line).group().lower() for line in requirements}
    return {re.sub(r"[-_.]+", "-", name) for name in found} - {"labelcodec"}


def test_every_package_folder_is_installed() -> None:
    library = {path.parent for path in (ROOT / "labelcodec").rglob("__init__.py")}
    expected = {".".join(path.relative_to(ROOT).parts) for path in library} | {"labelcodec_cli"}
    assert set(PROJECT["tool"]["setuptools"]["packages"]) == expected


def test_every_requirement_is_pinned_once_without_a_build_tag() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[\w.-]+==[\d.]+(?:post\d+)?", pin) for pin in pins)
    extras = PROJECT["project"]["optional-dependencies"]
    direct = names(PROJECT["project"]["dependencies"])
    for extra in ("plot", "test", "dev"):
        direct |= names(extras[extra])
    assert direct <= names(pins)
    assert len(names(pins)) == len(pins)


def test_make_installs_the_pinned_torch_first() -> None:
    pin = re.search(r"^torch==\S+", (ROOT / "constraints.txt").read_text(), re.MULTILINE).group()
    installs = re.findall(r"pip install.*", (ROOT / "Makefile").read_text())
    assert installs[0].endswith(pin)


def test_the_citation_has_the_version() -> None:
    assert f"\nversion: {__version__}\n" in (ROOT / "CITATION.cff").read_text()


def test_security_says_how_many_hostile_label_sets_there_are() -> None:
    """To the hundred."""
    (said,) = re.findall(r"holds some (\d+) hostile label sets", (ROOT / "SECURITY.md").read_text())
    assert int(said) == round(len(CASES), -2)
