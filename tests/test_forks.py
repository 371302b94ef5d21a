"""A fork while another thread loads what reading needs: the child reads, too."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.call import FIXTURE

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no forks")

SCRIPT = """
import os, signal, sys, threading, time
import labelcodec

started = threading.Event()

def slow():
    started.set()
    time.sleep(0.3)

class SlowImports:
    def find_spec(self, name, path=None, target=None):
        if name.startswith(PREFIX):
            slow()

reader = labelcodec.open(sys.argv[1])
PREPARE
thread = threading.Thread(target=lambda: reader[0])
thread.start()
assert started.wait(30)
child = os.fork()
if child == 0:
    signal.alarm(20)  # a child that hangs is killed
    reader[1]
    os._exit(0)
status = os.waitpid(child, 0)[1]
thread.join()
sys.exit(1 if status else 0)
"""
TABLES = """
from labelcodec.codecs import batch_coder
load = batch_coder.BatchCoder.from_side_information
batch_coder.BatchCoder.from_side_information = lambda *args: (slow(), load(*args))[1]
"""
REOPENED = """
import pickle
from labelcodec.container import reader as module
reader = pickle.loads(pickle.dumps(reader))
for shard in reader.shards.readers:
    shard._opened = None
load = module.open_container
module.open_container = lambda *args: (slow(), load(*args))[1]
"""


@pytest.mark.parametrize("codec", ["dense", "dense2:rank=2", "topk:k=5"])
@pytest.mark.parametrize(
    "prepare",
    [
        TABLES,
        REOPENED,
        "PREFIX = 'labelcodec.codecs.'\nsys.meta_path.insert(0, SlowImports())",
        "PREFIX = 'labelcodec.entropy.compiled'\nsys.meta_path.insert(0, SlowImports())",
    ],
    ids=["tables", "file", "codec", "kernels"],
)
def test_a_fork_waits_for_what_a_thread_loads(tmp_path: Path, codec: str, prepare: str) -> None:
    file = tmp_path / "a.slc"
    arguments = f"{str(FIXTURE)!r}, {str(file)!r}, codec={codec!r}"
    encode = f"import labelcodec; labelcodec.encode({arguments})"
    subprocess.run([sys.executable, "-c", encode], check=True)
    script = SCRIPT.replace("PREPARE", prepare)
    done = subprocess.run([sys.executable, "-c", script, file], check=False, timeout=120)
    assert done.returncode == 0
