"""Bytes per token by the size of the vocabulary, for `labelcodec plan --tokens`.

python benchmarks/vocabularies.py

The labels are drawn as those of benchmarks/tokens.py, from vocabularies of other sizes.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import click
from common import machine, markdown, save, where, write_report
from tokens import K, batches, drawn, measured

VOCABULARIES = (32_000, 65_536, 151_936, 262_144)
CODECS = ("topk", "topk:step=2", "sampled:n=50")


def rows_of(classes: int, positions: int) -> list[dict[str, Any]]:
    """A row for each codec."""
    index, value = (part[:, :K] for part in drawn(positions, classes))
    made = batches(index, value, classes)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for spec in CODECS:
            row = measured(spec, made, Path(folder) / f"{len(rows)}.slc")
            sizes = {name: row[name] for name in ("bytes_per_token", "table_bytes")}
            rows.append({"classes": classes, "codec": spec, **sizes})
    return rows


def report(result: dict[str, Any]) -> str:
    """The table of docs/benchmarks.md."""
    rows = [
        [
            f"{row['classes']:,}".replace(",", " "),
            f"`{row['codec']}`",
            f"{row['bytes_per_token']:.1f}",
            f"{row['table_bytes'] / row['classes']:.2f}",
        ]
        for row in result["rows"]
    ]
    table = markdown(["vocabulary", "codec", "bytes per token", "bytes of tables per class"], rows)
    return (
        f"{table}\n\nMeasured by `python benchmarks/vocabularies.py` on "
        f"{where(result['machine'])}: {result['positions']:,} drawn labels of {K} tokens each."
    )


@click.command()
@click.option("--positions", default=16_384, help="Labels of each vocabulary.")
def main(positions: int) -> None:
    """Measure and write the results."""
    rows = [row for classes in VOCABULARIES for row in rows_of(classes, positions)]
    result = {"machine": machine(), "positions": positions, "rows": rows}
    save("vocabularies", result)
    write_report("vocabularies", report(result))
    click.echo(report(result))


if __name__ == "__main__":
    main()
