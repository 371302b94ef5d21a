"""Bytes of token ids beside labels: by their rank in the labels, and as columns of bytes.

python benchmarks/token_ids.py  # writes results/token_ids.json and a table in docs/benchmarks.md

Two texts. Python's manual (pydoc_data) in a vocabulary of 4096, with the labels of the GPT of
examples/tokens/tiny_gpt.py after 300 batches: people's words, and a poor teacher. And a text that a
teacher wrote itself: the labels are those of benchmarks/tokens.py, drawn and not a model's, top-50
of 151 936, and each token is drawn from its label. Takes some ten minutes on one core.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import tokens as drawn_labels
import torch
from common import ROOT, machine, markdown, save, where, write_report

import labelcodec
from labelcodec import Header, LabelBatch, Writer
from labelcodec.sequences.token_ids import pack_tokens

sys.path.insert(0, str(ROOT / "examples/tokens"))
import tiny_gpt

SEQUENCES = 512  # of the manual
POSITIONS = 32_768  # of the teacher's own text


def manual(teacher_steps: int) -> tuple[list[LabelBatch], float]:
    """Top-50 labels of the manual, and the teacher's loss in nats."""
    text, held_out = tiny_gpt.manual()
    torch.manual_seed(0)
    teacher = tiny_gpt.GPT(192, 4)
    tiny_gpt.learn_text(teacher, text, teacher_steps, 0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "labels.slc"
        tiny_gpt.store_labels(teacher, text[:SEQUENCES], path, "topk:k=50")
        with labelcodec.open(path) as reader:
            return list(reader), tiny_gpt.quality(teacher, held_out).loss


def own_text() -> list[LabelBatch]:
    """Drawn labels, and a text drawn from them."""
    index, value = drawn_labels.drawn(POSITIONS)
    batches = drawn_labels.batches(index[:, :50], value[:, :50])
    rng = np.random.default_rng(1)
    written = []
    for batch in batches:
        assert batch.labels.index is not None and batch.sequences is not None
        noise = rng.gumbel(size=batch.labels.value.shape)
        column = (batch.labels.value.astype(float) + noise).argmax(axis=1)
        chosen = batch.labels.index[np.arange(len(batch)), column]
        own = np.concatenate([[0], chosen[:-1]]).astype(np.int32)  # a label is of the next token
        written.append(replace(batch, sequences=replace(batch.sequences, tokens=own)))
    return written


def measured(batches: Sequence[LabelBatch], codec: str) -> dict[str, Any]:
    """Bytes per token id."""
    by_rank = plain = count = 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "labels.slc"
        labels = batches[0].labels
        header = Header(labels.classes, k=labels.k, tail="zero", kind="tokens", shift=1)
        with Writer(path, header, codec) as writer:
            for batch in batches:
                writer.add(batch)
        with labelcodec.open(path) as reader:
            for batch in reader:
                sequences = batch.sequences
                assert sequences is not None and sequences.tokens is not None
                ids = sequences.tokens
                by_rank += len(pack_tokens(ids, sequences.predicting(1), batch.labels.index))
                plain += len(pack_tokens(ids, sequences.predicting(1), None))
                count += len(ids)
    return {"codec": codec, "by_rank": by_rank / count, "plain": plain / count}


@click.command()
@click.option("--teacher-steps", default=300, show_default=True)
def main(teacher_steps: int) -> None:
    """Measure and write the report."""
    learned, loss = manual(teacher_steps)
    texts = {"Python's manual": learned, "the teacher's own": own_text()}
    rows = [
        {"text": text, **measured(batches, codec)}
        for text, batches in texts.items()
        for codec in ("topk", "sampled:n=50", "sampled:n=50,keep=1")
    ]
    result = {
        "machine": machine(),
        "teacher": {"steps": teacher_steps, "loss": loss},
        "rows": rows,
    }
    save("token_ids", result)
    columns = ("text", "labels", "bytes per token id", "as columns of bytes")
    table = [
        (row["text"], f"`{row['codec']}`", f"{row['by_rank']:.2f}", f"{row['plain']:.2f}")
        for row in rows
    ]
    write_report(
        "token_ids",
        f"{markdown(columns, table)}\n\nThe loss of the manual's teacher is {loss:.2f} nats: its "
        "ranks say no more than the repetitions that zstd finds. Measured by "
        f"`python benchmarks/token_ids.py` on {where(result['machine'])}.",
    )


if __name__ == "__main__":
    main()
