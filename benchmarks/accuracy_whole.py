"""Accuracy against bytes where no label is used twice: students of Omniglot's 242 characters.

python benchmarks/accuracy_whole.py             # all rows, three seeds
python benchmarks/accuracy_whole.py --rows vq   # the rows with vq in their name

As accuracy.py, but all 180 epochs that the students train for are stored: 87 120 labels, which
share the tables. That is what tables as large as those of vq are for.
"""

from __future__ import annotations

from typing import Any

import click
from accuracy import REUSE, Row, Study, options, run

WHOLE = Study(
    "accuracy_whole",
    (
        Row("full fp16", "dense", REUSE),
        Row("vq 16", "vq:bytes=16", REUSE),
        Row("vq 12", "vq:bytes=12", REUSE),
        Row("vq autoencoder 16", "vq:method=autoencoder,bytes=16", REUSE),
        Row("transform 16", "transform:bytes=16", REUSE),
    ),
    180,
    1.0,
)


@click.command()
@options
def main(**settings: Any) -> None:
    """Do what is missing in the work folder and write the results."""
    run(WHOLE, **settings)


if __name__ == "__main__":
    main()
