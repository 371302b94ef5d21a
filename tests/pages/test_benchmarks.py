"""Benchmarks run for minutes to hours: that their scripts would start is tested."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys

from tests.pages.blocks import ROOT

CHECK = """
import importlib, json, sys
for name, *arguments in json.loads(sys.argv[1]):
    importlib.import_module(name).main.make_context(name, arguments)
"""


def test_benchmarks_take_the_arguments_that_the_page_gives() -> None:
    page = (ROOT / "docs/benchmarks.md").read_text()
    commands = [
        [name, *shlex.split(arguments)]
        for name, arguments in re.findall(r"`python benchmarks/(\w+)\.py([^`]*)`", page)
    ]
    assert len(commands) > 20
    paths = os.pathsep.join([str(ROOT / "benchmarks"), str(ROOT)])
    done = subprocess.run(
        [sys.executable, "-c", CHECK, json.dumps(commands)],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
