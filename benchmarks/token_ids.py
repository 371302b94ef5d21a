"""Bytes of token ids beside labels: by their rank in the labels, and as columns of bytes.

python benchmarks/token_ids.py  # writes results/token_ids.json and a table in docs/benchmarks.md

The text is Python's manual (pydoc_data) in a vocabulary of 4096, the labels are those of the GPT of
examples/tokens/tiny_gpt.py after 300 batches of it: 4 layers of 192 channels. A better teacher
ranks more of the text first. Takes some ten minutes on one core.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import click
import numpy as np
import torch
from common import ROOT, machine, markdown, save, where, write_report

import labelcodec
from labelcodec.sequences.stream import TOKENS
from labelcodec.sequences.token_ids import pack_tokens

sys.path.insert(0, str(ROOT / "examples/tokens"))
import tiny_gpt

CODECS = ("topk:k=50", "topk:k=10", "sampled:n=50", "sampled:n=50,keep=1")
SEQUENCES = 1024


@click.command()
@click.option("--teacher-steps", default=300, show_default=True)
def main(teacher_steps: int) -> None:
    """Measure and write the report."""
    text, held_out = tiny_gpt.manual()
    torch.manual_seed(0)
    teacher = tiny_gpt.GPT(192, 4)
    tiny_gpt.learn_text(teacher, text, teacher_steps, 0)
    loss = tiny_gpt.quality(teacher, held_out).loss
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for codec in CODECS:
            path = Path(folder) / "labels.slc"
            tiny_gpt.store_labels(teacher, text[:SEQUENCES], path, codec)
            stats = labelcodec.stats(path)
            with labelcodec.open(path) as reader:
                plain = sum(_plain_bytes(batch.sequences) for batch in reader)
            path.unlink()
            by_rank = stats.components[TOKENS.component] / stats.labels
            rows.append({"codec": codec, "by_rank": by_rank, "plain": plain / stats.labels})
            print(rows[-1], flush=True)
    result = {
        "machine": machine(),
        "teacher": {"steps": teacher_steps, "loss": loss},
        "sequences": SEQUENCES,
        "rows": rows,
    }
    save("token_ids", result)
    table = [(f"`{r['codec']}`", f"{r['by_rank']:.2f}", f"{r['plain']:.2f}") for r in rows]
    columns = ("labels", "bytes per token id, by rank", "as columns of bytes")
    write_report(
        "token_ids",
        f"{markdown(columns, table)}\n\nThe teacher's loss is {loss:.2f} nats after "
        f"{teacher_steps} batches. Measured by `python benchmarks/token_ids.py` on "
        f"{where(result['machine'])}.",
    )


def _plain_bytes(sequences: labelcodec.Sequences | None) -> int:
    """Bytes of the token ids of a batch that are not coded by rank."""
    assert sequences is not None and sequences.tokens is not None
    return len(pack_tokens(sequences.tokens, np.full(len(sequences.tokens), -1), None))


if __name__ == "__main__":
    main()
