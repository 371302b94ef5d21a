"""What every benchmark needs: the data, the machine, paired timings, results and tables in docs."""

from __future__ import annotations

import json
import os
import platform
import re
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT.parent / "shared" / "data"
RESULTS = Path(__file__).resolve().parent / "results"


def require_data(name: str) -> Path:
    """A folder of the shared data, or exit with a clear line."""
    path = DATA / name
    if not path.exists():
        sys.exit(f"this benchmark needs {name}, looked for at {path}")
    return path


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    import numpy
    import torch

    model = ""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        found = re.search(r"model name\s*:\s*(.+)", cpuinfo.read_text())
        model = found.group(1) if found else ""
    return {
        "cpu": model or platform.processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "numpy": numpy.__version__,
        "torch": torch.__version__,
        "load_before": round(os.getloadavg()[0], 2),
    }


def where(used: Mapping[str, Any]) -> str:
    """What `machine` found, in words for a report."""
    return f"{used['cpu']}, {used['cores']} cores, torch {used['torch']}, numpy {used['numpy']}"


def paired(jobs: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each job in each round; jobs take turns, so that a slow spell hits all alike."""
    for job in jobs.values():
        job()  # warm caches
    times: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(rounds):
        for name, job in jobs.items():
            start = time.perf_counter()
            job()
            times[name].append(time.perf_counter() - start)
    return times


def ratio(times: Mapping[str, Sequence[float]], name: str, against: str) -> float:
    """How many times faster `name` is: the median of the ratios round by round."""
    pairs = zip(times[against], times[name], strict=True)
    return statistics.median(other / own for other, own in pairs)


def save(name: str, result: Mapping[str, Any]) -> None:
    """Write benchmarks/results/NAME.json."""
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps(result, indent=2, sort_keys=False)
    (RESULTS / f"{name}.json").write_text(text + "\n")


def markdown(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A table; numbers keep one decimal."""
    lines = ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
    for row in rows:
        cells = [f"{cell:.1f}" if isinstance(cell, float) else str(cell) for cell in row]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def write_report(table: str, text: str) -> None:
    """Replace what stands between the markers of `table` in docs/benchmarks.md."""
    write_table(ROOT / "docs" / "benchmarks.md", table, text)


def write_table(path: Path, table: str, text: str) -> None:
    """Replace what stands between the markers of `table` in a document."""
    begin, end = f"<!-- table: {table} -->", "<!-- end -->"
    before, _, rest = path.read_text().partition(begin)
    _, _, after = rest.partition(end)
    path.write_text(f"{before}{begin}\n{text}\n{end}{after}")
