"""What it costs to hand batches from worker processes to training, with nothing else to do.

python benchmarks/transfer.py # writes results/transfer.json and a table of docs/benchmarks.md

A dataset gives a copy of one batch of 128 images of 224 x 224, as bytes or as floats, by 0 or more
worker processes of a stock `DataLoader`: no decoding, no augmentation, no labels.
"""

from __future__ import annotations

import json
import time
from typing import Any

import click
import torch
from common import machine, markdown, save, where, write_report
from torch.utils.data import DataLoader, Dataset

SAMPLES, BATCHES = 128, 40


class Copies(Dataset[torch.Tensor]):
    """Copies of one batch."""

    def __init__(self, dtype: torch.dtype) -> None:
        self.batch = torch.zeros(SAMPLES, 3, 224, 224, dtype=dtype)

    def __len__(self) -> int:
        return BATCHES

    def __getitem__(self, position: int) -> torch.Tensor:
        return self.batch.clone()


def speed(dtype: torch.dtype, workers: int, rounds: int) -> float:
    """Images per second of the fastest round; the workers have started before."""
    loader = DataLoader(
        Copies(dtype), batch_size=None, num_workers=workers, persistent_workers=workers > 0
    )
    seconds = []
    for _ in range(rounds + 1):
        start = time.perf_counter()
        for batch in loader:
            batch.view(-1)[::4096].sum()  # every page is read
        seconds.append(time.perf_counter() - start)
    return SAMPLES * BATCHES / min(seconds[1:])


@click.command()
@click.option("--workers", default=2, help="Worker processes.")
@click.option("--rounds", default=5, help="Timing rounds.")
def main(workers: int, rounds: int) -> None:
    """Measure and write the results."""
    torch.set_num_threads(1)
    rows: list[dict[str, Any]] = [
        {
            "pixels": str(dtype).partition(".")[2],
            "megabytes_per_batch": Copies(dtype).batch.nbytes / 1e6,
            "in_process": speed(dtype, 0, rounds),
            "from_workers": speed(dtype, workers, rounds),
        }
        for dtype in (torch.uint8, torch.float32)
    ]
    result = {"machine": machine(), "workers": workers, "rows": rows}
    save("transfer", result)
    cells = [
        [
            row["pixels"],
            f"{row['megabytes_per_batch']:.0f}",
            f"{row['in_process']:,.0f}",
            f"{row['from_workers']:,.0f}",
        ]
        for row in rows
    ]
    columns = ["pixels", "MB per batch", "copied in the process, images/s", f"by {workers} workers"]
    used = where(result["machine"])
    text = f"Measured by `python benchmarks/transfer.py` on {used}."
    write_report("transfer", f"{markdown(columns, cells)}\n\n{text}")
    click.echo(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
