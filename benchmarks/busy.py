"""CPU time of a shortened `labelcodec demo` on a busy machine, relative to an idle one.

python benchmarks/busy.py                # writes results/busy.json and the table in docs
python benchmarks/busy.py --timeout 300  # seconds after which a run is ended

A run that is ended counts with the CPU time that it took until then.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click
from common import machine, markdown, save, where, write_report

CORES = os.cpu_count() or 1
# How the libraries wait if the program does not tell them to sleep: libgomp's own default.
SPINNING = {"GOMP_SPINCOUNT": "300000", "OPENBLAS_NUM_THREADS": str(CORES)}
# The steps of the demo with its networks and images, for fewer epochs, set up as the program is.
DEMO = """
from labelcodec_cli import environment
environment.set_defaults()
import tempfile
from pathlib import Path
from labelcodec.demo import whole_path
size = whole_path.Size(writers=4, teacher_epochs=3, epochs=15, keep=0.4)
with tempfile.TemporaryDirectory() as folder:
    whole_path.run(size, lambda stage: None, Path(folder))
"""
VARIABLES = ("OMP_NUM_THREADS", "LABELCODEC_THREADS", "OMP_WAIT_POLICY", *SPINNING)


@contextmanager
def load(loops: int) -> Iterator[None]:
    """Keep this many busy loops running."""
    command = [sys.executable, "-c", "while True: pass"]
    running = [subprocess.Popen(command) for _ in range(loops)]
    try:
        yield
    finally:
        for loop in running:
            loop.kill()
            loop.wait()


def demo(variables: dict[str, str], timeout: float) -> dict[str, Any]:
    """Seconds of CPU and wall time of one demo and its children, and whether it came to its end."""
    clean = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    process = subprocess.Popen([sys.executable, "-c", DEMO], env=clean | variables)
    try:
        process.wait(timeout)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
    after, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter() - start
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"cpu": cpu, "wall": wall, "complete": process.returncode == 0}


@click.command()
@click.option("--loops", default=2 * CORES, help="Busy loops on the busy machine.")
@click.option("--timeout", default=600.0, help="Seconds after which a run is ended.")
def main(loops: int, timeout: float) -> None:
    """Measure and write the results."""
    used, runs = machine(), {}
    waits: dict[str, dict[str, str]] = {"threads that sleep": {}, "threads that spin": SPINNING}
    for name, variables in waits.items():
        runs[f"{name}, idle"] = demo(variables, timeout)
    with load(loops):
        for name, variables in waits.items():
            runs[f"{name}, busy"] = demo(variables, timeout)
    result = {"command": "python benchmarks/busy.py", "machine": used, "loops": loops, "runs": runs}
    save("busy", result)
    click.echo(report(result))


def report(result: dict[str, Any]) -> str:
    """Write the table in docs; CPU times are relative to the first run."""
    rows, least = [], next(iter(result["runs"].values()))["cpu"]
    for name, run in result["runs"].items():
        more = "" if run["complete"] else "more than "
        rows.append([name, f"{more}{run['cpu']:.1f} s", f"{more}{run['cpu'] / least:.2f}x"])
    table = markdown(["demo, shortened", "CPU time", "relative"], rows)
    used = result["machine"]
    text = (
        f"\n\nBusy is {result['loops']} loops on {used['cores']} cores beside it, idle is none of\n"
        f"them; the load average was {used['load_before']} at the start. Threads spin as\n"
        "libgomp's do by default, and OpenBLAS has one per core. Measured by\n"
        "`python benchmarks/busy.py` on "
    )
    write_report("busy", f"{table}{text}{where(used)}.")
    return table


if __name__ == "__main__":
    main()
