from __future__ import annotations

import ast
import builtins
import importlib
import pkgutil
import pydoc
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import labelcodec

FIXTURE = Path(labelcodec.__file__).parent / "fixtures" / "in1k-two-batches"
HEAVY = ("torch", "matplotlib", "pandas")


def loaded_after(statement: str) -> set[str]:
    """Top-level modules that a fresh interpreter has after the statement."""
    return {name.partition(".")[0] for name in modules_after(statement)}


def modules_after(statement: str) -> set[str]:
    script = f"{statement}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    return set(done.stdout.split())


def test_the_probe_sees_what_is_loaded() -> None:
    assert {"numpy", "msgpack"} <= loaded_after("import numpy, msgpack")


@pytest.mark.parametrize("module", ["labelcodec", "labelcodec.analysis"])
def test_library_imports_no_torch(module: str) -> None:
    loaded = loaded_after(f"import {module}")
    assert "labelcodec" in loaded
    assert not loaded & set(HEAVY)


def test_import_loads_no_numpy_until_it_is_used() -> None:
    assert not loaded_after("import labelcodec") & {"numpy", *HEAVY}
    assert "numpy" in loaded_after("import labelcodec; labelcodec.open")


def test_dumps_are_converted_without_torch_and_pillow(tmp_path: Path) -> None:
    statement = f"""
import labelcodec
labelcodec.encode({str(FIXTURE)!r}, {str(tmp_path / "a.slc")!r})
labelcodec.decode({str(tmp_path / "a.slc")!r}, {str(tmp_path / "copy")!r})
labelcodec.compare({str(tmp_path / "copy")!r}, {str(tmp_path / "a.slc")!r})
"""
    assert not loaded_after(statement) & {"torch", "PIL", "safetensors", "matplotlib"}


def test_stats_of_a_container_import_no_layouts(tmp_path: Path) -> None:
    labelcodec.encode(FIXTURE, tmp_path / "a.slc")
    statement = f"import labelcodec; labelcodec.stats({str(tmp_path / 'a.slc')!r})"
    assert not modules_after(statement) & {"labelcodec.formats", "labelcodec.torch_file"}


def test_help_of_the_program_needs_no_numpy() -> None:
    script = "from labelcodec_cli.main import main\ntry: main(['--help'])\nexcept SystemExit: pass"
    assert not loaded_after(script) & {"numpy", *HEAVY}


def test_public_names_are_all_there_and_are_what_they_say() -> None:
    for name in (
        "compare",
        "decode",
        "encode",
        "merge",
        "open",
        "recode",
        "repair",
        "stats",
        "verify",
    ):
        assert callable(getattr(labelcodec, name)), name
        assert name == "open" or name in labelcodec.__all__
    for name in labelcodec.__all__:
        assert not isinstance(getattr(labelcodec, name), ModuleType), name


def test_a_star_import_leaves_the_builtins_alone() -> None:
    names: dict[str, object] = {}
    exec("from labelcodec import *", names)
    assert not (names.keys() - {"__builtins__"}) & vars(builtins).keys()
    assert "Writer" in names


@pytest.mark.parametrize(
    "package", ["labelcodec", "labelcodec.replay", "labelcodec.pipeline", "labelcodec.transcode"]
)
def test_no_name_hides_a_module(package: str) -> None:
    """`import package.name` then gives what the file `name.py` holds."""
    loaded = importlib.import_module(package)
    for module in pkgutil.iter_modules(loaded.__path__):
        if module.name != "__main__":
            importlib.import_module(f"{package}.{module.name}")
            assert isinstance(getattr(loaded, module.name), ModuleType), module.name


@pytest.mark.parametrize(
    ("package", "names"),
    [
        ("labelcodec.replay", ("ReplayDataset", "BatchOrder", "expand")),
        ("labelcodec.pipeline", ("relabel", "train", "evaluate")),
    ],
)
def test_names_that_need_torch(package: str, names: tuple[str, ...]) -> None:
    assert not loaded_after(f"import {package}") & set(HEAVY)
    loaded = importlib.import_module(package)
    for name in names:
        assert callable(getattr(loaded, name)) and name in dir(loaded)
    with pytest.raises(AttributeError, match="nothing"):
        loaded.nothing  # noqa: B018


def test_help_of_the_library_is_an_introduction() -> None:
    text = pydoc.render_doc(labelcodec)
    for name in ("labelcodec.open", "Writer", "labelcodec.encode", "labelcodec.repair"):
        assert name in text.split("PACKAGE CONTENTS")[0], name


def test_messages_name_no_flags() -> None:
    """The library names parameters; the program turns them into flags."""
    for path in Path(labelcodec.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert not re.search(r"(?<![\w-])--[a-z]", node.value), (path, node.value)
