"""Bytes and speed of token-level labels with a vocabulary of 151 936, beside parquet.

python benchmarks/tokens.py --distillkit PATH  # writes results/tokens.json and a table of docs

The labels are drawn, not a model's: every position has the 128 largest log-probabilities, float16,
of tokens that follow Zipf's law within one of 400 topics, which change every 20 positions; a third
of the positions draw from all topics. Real labels may take more or fewer bytes. DistillKit is run
from a checkout of github.com/arcee-ai/DistillKit, with the setting that its README calls its
budget pick; it needs pydantic. The large file repeats a batch until it has 10^8 tokens.
"""

from __future__ import annotations

import io
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
import zstandard
from common import machine, markdown, save, where, write_report

from labelcodec import Augmentation, Header, LabelBatch, Labels, Sequences, Writer, stats
from labelcodec import open as open_labels
from labelcodec.codecs import registry
from labelcodec.container import RecordReader, RecordWriter
from labelcodec.sequences import token_digest

VOCABULARY, K, MOST, TOPICS, SPAN = 151_936, 50, 128, 400, 20
LENGTH, PER_BATCH = 512, 8  # positions per sequence, sequences per batch
CODECS = (
    *("topk", "topk:step=0.125", "topk:step=0.5", "topk:step=2"),
    *("sampled:n=20", "sampled:n=50", "sampled:n=50,keep=1"),
)
OF_ALL = ("topk", "topk:step=0.5", "topk:k=20", "topk:k=20,step=0.5", "topk:k=10")  # of 128
LARGE = 10**8  # tokens of the large file
OPENING = """
import sys, time
import labelcodec

def peak():
    lines = open("/proc/self/status").read().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("VmHWM")).split()[1])

small = sys.argv[1].replace(".slc", ".one")
with labelcodec.open(small) as reader:
    reader[0]  # all modules are imported
before, start = peak(), time.perf_counter()
reader = labelcodec.open(sys.argv[1])
opened = time.perf_counter()
reader[len(reader) * 2 // 3]
read = time.perf_counter()
print(opened - start, read - opened, peak() - before)
"""


def drawn(positions: int, classes: int = VOCABULARY) -> tuple[np.ndarray, np.ndarray]:
    """(N, 128) token ids and float16 log-probabilities, largest first."""
    rng = np.random.default_rng(0)
    order = [rng.permutation(classes) for _ in range(TOPICS)]
    index = np.empty((positions, MOST), np.int64)
    for position in range(positions):
        topic = position // SPAN % TOPICS if position % 3 else int(rng.integers(TOPICS))
        tokens: dict[int, None] = {}
        while len(tokens) < MOST:
            rank = (rng.pareto(0.9, 2 * MOST) * 3).astype(np.int64)
            rank = rank[rank < classes]
            names = order[topic if rng.random() < 0.7 else 0]
            tokens |= dict.fromkeys(names[rank].tolist())
        index[position] = [*tokens][:MOST]
    falls = rng.gamma(0.6, 0.5, (positions, MOST))
    falls[:, 0] = rng.exponential(0.7, positions)
    logits = -np.cumsum(falls, axis=1)
    total = np.log(np.exp(logits).sum(axis=1, keepdims=True)) + 0.02  # a tail of 2 %
    return index, (logits - total).astype(np.float16)


def batches(index: np.ndarray, value: np.ndarray, classes: int = VOCABULARY) -> list[LabelBatch]:
    """Batches of sequences, without token ids."""
    size = LENGTH * PER_BATCH
    made = []
    for number, first in enumerate(range(0, len(index), size)):
        rows = slice(first, first + size)
        count = len(index[rows]) // LENGTH
        length = np.full(count, LENGTH)
        digest = np.stack([token_digest(np.arange(i, i + LENGTH)) for i in range(count)])
        sequences = Sequences(length, np.zeros(count, np.int64), digest)
        labels = Labels(classes, value[rows], index[rows], "logits", "zero", "float16")
        numbers = np.repeat(number * PER_BATCH + np.arange(count), LENGTH)
        made.append(LabelBatch(number, 0, numbers, Augmentation(), labels, sequences))
    return made


def megatron(index: np.ndarray, value: np.ndarray) -> dict[str, Any]:
    """What Megatron-LM keeps of labels: float16 values, 16 bits and one more, zstd'd torch files.

    A bool of the 17th bit is what it has, so that classes from 131 072 on lose a bit here.
    """
    rows, size, encode, decode = LENGTH * PER_BATCH, 0, 0.0, 0.0
    for first in range(0, len(index), rows):
        part = slice(first, first + rows)
        shape = (-1, PER_BATCH, index.shape[1])
        start = time.perf_counter()
        buffer = io.BytesIO()
        content = {
            "values": [torch.from_numpy(value[part].reshape(shape))],
            "indices_low": [torch.from_numpy((index[part] & 0xFFFF).astype(np.uint16))],
            "bit_17": [torch.from_numpy((index[part] >> 16 & 1).astype(bool))],
        }
        torch.save(content, buffer)
        packed = zstandard.compress(buffer.getvalue())
        encode += time.perf_counter() - start
        size += len(packed)
        start = time.perf_counter()
        stored = torch.load(io.BytesIO(zstandard.decompress(packed)), weights_only=True)
        stored["indices_low"][0].int() | stored["bit_17"][0].int() << 16
        decode += time.perf_counter() - start
    return {
        "codec": "Megatron-LM, zstd",
        "k": index.shape[1],
        "bytes_per_token": size / len(index),
        "table_bytes": 0,
        "fit_seconds": None,
        "encode_tokens_per_second": len(index) / encode,
        "decode_tokens_per_second": len(index) / decode,
        "kl": 0.0,
        "classes_per_token": float(index.shape[1]),
    }


def measured(spec: str, made: list[LabelBatch], path: Path) -> dict[str, Any]:
    """Bytes per token, seconds to fit, tokens per second either way, and fidelity."""
    codec = registry.parse(spec)
    is_top_k = codec.name == "topk"
    positions, classes = sum(map(len, made)), made[0].labels.classes
    start = time.perf_counter()
    codec.fit([codec.prepare(batch.labels) for batch in made[:2]], classes)
    fit = time.perf_counter() - start
    k = made[0].labels.value.shape[1]
    header = Header(classes, k=k, tail="zero", kind="tokens", shift=1)
    with Writer(path, header, spec) as writer:
        writer.fit(made[:2])
        start = time.perf_counter()
        for batch in made:
            writer.add(batch)
        encode = time.perf_counter() - start
    with open_labels(path) as reader:
        start = time.perf_counter()
        decoded = [batch.labels for batch in reader]
        decode = time.perf_counter() - start
    tables = stats(path).components["side information"]
    return {
        "codec": spec,
        "k": k,
        "bytes_per_token": (path.stat().st_size - tables) / positions,
        "table_bytes": tables,
        "fit_seconds": fit,
        "encode_tokens_per_second": positions / encode,
        "decode_tokens_per_second": positions / decode,
        "kl": divergence(made, decoded) if codec.kept(k, "zero")[0] == k and is_top_k else None,
        "classes_per_token": float(
            np.mean([(labels.value != 0).sum(1).mean() for labels in decoded])
        ),
    }


def divergence(made: list[LabelBatch], decoded: list[Labels]) -> float:
    """Mean KL divergence at temperature 1 between kept tokens, in nats."""
    sums = 0.0
    for batch, other in zip(made, decoded, strict=True):
        place = np.argsort(batch.labels.index, axis=1), np.argsort(other.index, axis=1)
        pair = (batch.labels.value, other.value)
        p, q = (
            log_softmax(np.take_along_axis(value, own, axis=1).astype(float))
            for value, own in zip(pair, place, strict=True)
        )
        sums += float((np.exp(p) * (p - q)).sum())
    return sums / sum(map(len, made))


def log_softmax(value: np.ndarray) -> np.ndarray:
    """Log-probabilities of logits."""
    shifted = value - value.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def parquet(index: np.ndarray, value: np.ndarray, path: Path) -> dict[str, Any]:
    """The same labels as lists in parquet with zstd."""
    start = time.perf_counter()
    columns = {
        "teacher_topk_ids": pa.FixedSizeListArray.from_arrays(index.astype(np.int32).ravel(), K),
        "teacher_topk_logprobs": pa.FixedSizeListArray.from_arrays(pa.array(value.ravel()), K),
    }
    pq.write_table(pa.table(columns), path, compression="zstd", row_group_size=4096)
    encode = time.perf_counter() - start
    start = time.perf_counter()
    table = pq.read_table(path)
    for name in columns:
        table[name].combine_chunks().flatten().to_numpy()
    decode = time.perf_counter() - start
    return {
        "codec": "parquet, zstd",
        "k": K,
        "bytes_per_token": path.stat().st_size / len(index),
        "table_bytes": 0,
        "fit_seconds": None,
        "encode_tokens_per_second": len(index) / encode,
        "decode_tokens_per_second": len(index) / decode,
        "kl": 0.0,
        "classes_per_token": float(K),
    }


def distillkit(
    index: np.ndarray, value: np.ndarray, made: list[LabelBatch], checkout: Path
) -> dict[str, Any]:
    """DistillKit's compressor with the budget pick of its README: 50 classes, a curve of values."""
    sys.path.insert(0, str(checkout))
    from distillkit.compression import DistributionQuantizationConfig, LogprobCompressor

    config = DistributionQuantizationConfig(
        d=VOCABULARY, k=K, exact_k=1, exact_dtype="bfloat16", polynomial_terms=[0, 1, "sqrt"],
        term_dtype="float16", residual_bins=[], normalize_t=False, delta_encoding=False,
        error_diffusion=False,
    )  # fmt: skip
    compressor = LogprobCompressor(config=config)
    start = time.perf_counter()
    stored = compressor.compress_from_sparse(
        torch.from_numpy(index)[None], torch.from_numpy(value.astype(np.float32))[None]
    )
    encode = time.perf_counter() - start
    start = time.perf_counter()
    classes, logprobs = (part[0].numpy() for part in compressor.decompress_to_sparse(stored))
    decode = time.perf_counter() - start
    ends = np.cumsum([0, *map(len, made)])
    decoded = [
        replace(batch.labels, value=logprobs[first:last], index=classes[first:last])
        for batch, first, last in zip(made, ends[:-1], ends[1:], strict=True)
    ]
    return {
        "codec": "DistillKit, budget pick",
        "k": K,
        "bytes_per_token": sum(part.shape[-1] for part in stored.values()),
        "table_bytes": 0,
        "fit_seconds": None,
        "encode_tokens_per_second": len(index) / encode,
        "decode_tokens_per_second": len(index) / decode,
        "kl": divergence(made, decoded),
        "classes_per_token": float(K),
    }


def large(made: list[LabelBatch], path: Path) -> dict[str, float]:
    """Opening a file of 10^8 tokens and reading a random batch of it, in a process of its own."""
    header = Header(VOCABULARY, k=20, tail="zero", kind="tokens", shift=1)
    with Writer(path.with_suffix(".one"), header, "sampled:n=20") as writer:
        writer.fit(made[:2])
        writer.add(made[0])
    count = LARGE // len(made[0]) + 1
    with (
        RecordReader(path.with_suffix(".one")) as source,
        RecordWriter(path, source.header) as many,
    ):
        many.add_section(b"S", source.side(0))  # the tables
        _, data = source.batch(0)
        for number in range(count):
            many.add_batch(data, side=0, samples=len(made[0]), number=number, epoch=0)
    done = subprocess.run(
        [sys.executable, "-c", OPENING, str(path)], capture_output=True, text=True, check=True
    )
    opened, read, memory = map(float, done.stdout.split())
    return {
        "tokens": count * len(made[0]),
        "bytes": path.stat().st_size,
        "open_seconds": opened,
        "read_seconds": read,
        "memory_bytes": memory,
    }


def timed_fit(classes: int, index: np.ndarray, value: np.ndarray) -> dict[str, float]:
    """Seconds and memory of a fit with a vocabulary of 262 144."""
    spread = (index * 7919 + 13) % classes
    labels = Labels(classes, value, spread, "logits", "zero", "float16")
    start = time.perf_counter()
    registry.parse("topk").fit([labels], classes)
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"classes": classes, "seconds": time.perf_counter() - start, "peak_bytes": used}


def report(result: dict[str, Any]) -> str:
    """The table of docs/benchmarks.md."""

    def number(value: float | None, form: Callable[[float], str]) -> str:
        return "" if value is None else form(value)

    rows = [
        [
            f"`{row['codec']}`" if row["codec"].startswith(("topk", "sampled")) else row["codec"],
            row["k"],
            f"{row['bytes_per_token']:.1f}",
            f"{row['table_bytes'] / 1000:.0f}",
            f"{row['classes_per_token']:.1f}",
            number(row["kl"], lambda kl: f"{kl:.2g}"),
            f"{row['encode_tokens_per_second']:,.0f}",
            f"{row['decode_tokens_per_second']:,.0f}",
        ]
        for row in result["rows"]
    ]
    columns = [
        *("codec", "source's k", "bytes per token", "kB of tables", "tokens kept", "KL at 1"),
        *("encoded per second", "decoded per second"),
    ]
    fit, of_large = result["fit"], result["large"]
    return "\n\n".join(
        [
            markdown(columns, rows),
            f"As 4 + 2 bytes an entry the labels take {6 * K} bytes per token. Fitting `topk` to "
            f"{fit['labels']:,} labels of {fit['classes']:,} tokens takes {fit['seconds']:.1f} s "
            f"and {fit['peak_bytes'] / 1e9:.2f} GB. A file of {of_large['tokens']:,} tokens, "
            f"{of_large['bytes'] / 1e9:.1f} GB, opens in {of_large['open_seconds']:.3f} s and "
            f"gives a random batch in {of_large['read_seconds']:.3f} s; both take "
            f"{of_large['memory_bytes'] / 1e6:.0f} MB of memory.",
            f"Measured by `python benchmarks/tokens.py` on {where(result['machine'])}: "
            f"{result['positions']:,} drawn labels.",
        ]
    )


@click.command()
@click.option("--positions", default=32_768, help="Labels.")
@click.option("--distillkit", "checkout", type=click.Path(path_type=Path))
def main(positions: int, checkout: Path | None) -> None:
    """Measure and write the results."""
    every = drawn(positions)
    index, value = (part[:, :K] for part in every)
    sample = slice(8192)
    fit = timed_fit(262_144, index[sample], value[sample]) | {"labels": len(index[sample])}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        made, wide = batches(index, value), batches(*every)
        rows = [parquet(index, value, root / "a.parquet")]
        if checkout is not None:
            rows.append(distillkit(index, value, made, checkout))
        rows += [measured(spec, made, root / f"{n}.slc") for n, spec in enumerate(CODECS)]
        rows.append(megatron(*every))
        rows += [measured(spec, wide, root / f"w{n}.slc") for n, spec in enumerate(OF_ALL)]
        of_large = large(made, root / "large.slc")
    result = {
        "machine": machine(),
        "positions": positions,
        "fit": fit,
        "large": of_large,
        "rows": rows,
    }
    save("tokens", result)
    write_report("tokens", report(result))
    click.echo(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
