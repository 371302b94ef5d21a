"""Where the blocks of a page are run: an empty folder, names of Python, and what stands in."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.cli.call import Outcome, call
from tests.pages.blocks import Block

SECONDS = 120  # for a command that is a process of its own
# pip says what it would install, from what is there; nothing is fetched
ALONE = {"OMP_NUM_THREADS": "1"}
OFFLINE = {"PIP_NO_INDEX": "1", "PIP_DRY_RUN": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


@dataclass
class Room:
    """A page's blocks run in one room, from top to bottom.

    Attributes:
        path: the current folder.
        monkeypatch: undone behind the page.
        capsys: what the program prints.
        stack: left behind the page.
        names: of the Python blocks.
        stand_ins: what is run in place of a text of the page, such as a shorter run.
        alternatives: patterns of outputs that several blocks of the page write, each reader one of
            them; they are removed before each block.
        environment: of commands.
        around: what a block runs in.
        take_toml: what a page's TOML file is for.
        used: the stand-ins that were needed.
        after: checks what the page made.
        outcomes: of commands of the program, by their arguments as they were run.
    """

    path: Path
    monkeypatch: pytest.MonkeyPatch
    capsys: Any
    stack: ExitStack
    names: dict[str, Any] = field(default_factory=dict)
    stand_ins: dict[str, str] = field(default_factory=dict)
    alternatives: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    around: Callable[[Block], AbstractContextManager[Any]] = lambda block: nullcontext()
    take_toml: Callable[[str], None] | None = None
    after: Callable[[], None] = lambda: None
    used: set[str] = field(default_factory=set)
    outcomes: dict[str, Outcome] = field(default_factory=dict)

    def run(self, block: Block) -> None:
        """Run a block as its language says."""
        for pattern in self.alternatives:
            for path in self.path.glob(pattern):
                path.unlink()
        code = block.code
        for text, stand_in in self.stand_ins.items():
            self.used |= {text} if text in code else set()
            code = code.replace(text, stand_in)
        with self.around(block):
            _RUNNERS[block.language](self, code)

    def python(self, code: str) -> None:
        """Run Python, with the names of the blocks before."""
        exec(compile(code, "block", "exec"), self.names)

    def commands(self, code: str) -> None:
        """Run commands: those of the program in this process, the others in a shell."""
        others: list[str] = []
        for line in code.replace("\\\n", " ").splitlines():
            if line.startswith("labelcodec ") and "$" not in line:
                self._shell(others)
                self.program(shlex.split(line, comments=True)[1:])
                others = []
            else:
                others.append(line)
        self._shell(others)

    def program(self, arguments: list[str]) -> None:
        outcome = call(self.capsys, *arguments)
        differs = arguments[0] == "compare" and outcome.status == 1 and "error" not in outcome.err
        assert outcome.status == 0 or differs, (arguments, outcome.err)
        self.outcomes[shlex.join(arguments)] = outcome

    def _shell(self, lines: list[str]) -> None:
        script = "\n".join(lines)
        if not script.strip():
            return
        path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
        environment = {**os.environ, **ALONE, **OFFLINE, "PATH": path, **self.environment}
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            env=environment,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == 0, (script, done.stdout, done.stderr)

    def toml(self, code: str) -> None:
        """What the page says that the file is for."""
        assert self.take_toml is not None
        self.take_toml(code)

    def javascript(self, code: str) -> None:
        """Run JavaScript as a module beside the reader, on `blob`, the labels of the example."""
        node = shutil.which("node")
        if node is None:
            pytest.skip("node is not installed")
        script = self.path / "examples/javascript/block.mjs"
        opening = 'import { openAsBlob } from "node:fs";\n'
        opening += 'const blob = await openAsBlob("examples/cifar10-ipc10/labels.slc");\n'
        last = "\nif (!(value.length > 0)) throw new Error('no labels');\n"
        script.write_text(opening + code + last)
        subprocess.run([node, str(script)], check=True, timeout=SECONDS)


_RUNNERS = {
    "python": Room.python,
    "": Room.commands,
    "sh": Room.commands,
    "toml": Room.toml,
    "js": Room.javascript,
}
