"""Mutation fuzz of label sets: changed files are opened, verified and every batch decoded.

    python -m tests.fuzz.mutate --mutations 100000 [--seed N] [FILE …]

Without repair a mutant must not pass `verify`. With it (checksums, index and trailer are made
right again around the changed content) the content may pass, if it is valid. Either way nothing
but a LabelcodecError may come out, no warning, in bounded time and memory.
"""

from __future__ import annotations

import argparse
import functools
import random
import resource
import sys
import tempfile
import time
import traceback
import tracemalloc
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgpack
import zstandard

import labelcodec
from labelcodec.codecs import side_info
from labelcodec.codecs.components import LABEL_VALUES, join, split
from labelcodec.container import RecordReader
from labelcodec.errors import LabelcodecError
from labelcodec.verification import verify
from tests.attacks.file import File

GOLDEN = Path(__file__).parents[2] / "spec" / "vectors"
SECONDS = 10.0  # a mutant
MEMORY = 256 << 20
EDGES = (0, 1, 7, 8, 31, 32, 127, 128, 254, 255)

Progress = Callable[[int], None]


@dataclass
class FuzzReport:
    """What the mutants did.

    Attributes:
        mutants: how many were read.
        outcomes: error class, or 'read', -> how many.
        peak_bytes: most memory that Python allocated while reading one.
        resident_bytes: by how much the process grew, compiled code's allocations included.
        slowest: seconds of the slowest mutant.
        failures: what must not happen, with the file, the mutant's number and a traceback.
    """

    mutants: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    peak_bytes: int = 0
    resident_bytes: int = 0
    slowest: float = 0.0
    failures: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """For people."""
        return [
            f"{self.mutants} mutants: "
            + ", ".join(f"{v} {k}" for k, v in sorted(self.outcomes.items())),
            f"peak {self.peak_bytes / 2**20:.1f} MiB, grown by {self.resident_bytes / 2**20:.1f} "
            f"MiB, slowest {self.slowest:.2f} s, {len(self.failures)} failures",
            *self.failures[:20],
        ]


def run(
    paths: Sequence[Path],
    mutations: int,
    seed: int = 0,
    fix_crc: bool = True,
    progress: Progress | None = None,
) -> FuzzReport:
    """Read `mutations` mutants of these files, spread evenly over them.

    Args:
        paths: valid containers.
        mutations: how many mutants.
        seed: the same mutants for the same seed and files.
        fix_crc: make checksums, index and trailer right again.
        progress: called with the mutants done.
    """
    for path in paths:  # so that imports are not timed
        verify(path)
    report, before = FuzzReport(), _resident()
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        target = Path(folder) / "mutant.slc"
        tracemalloc.start()
        try:
            for name, data, changed in mutants(paths, mutations, seed, fix_crc):
                target.write_bytes(data)
                _try(target, report, name, must_fail=changed and not fix_crc)
                if progress is not None:
                    progress(report.mutants)
        finally:
            tracemalloc.stop()
    report.resident_bytes = max(_resident() - before, 0)
    return report


def mutants(
    paths: Sequence[Path], mutations: int, seed: int, fix_crc: bool
) -> Iterator[tuple[str, bytes, bool]]:
    """Name, bytes and whether they differ from the original, of each mutant in turn."""
    rng = random.Random(seed)
    originals = [path.read_bytes() for path in paths]
    parts = [_parts(path) for path in paths]
    for number in range(mutations):
        at = number % len(paths)
        data = parts[at].mutant(rng) if fix_crc else mutated(originals[at], rng)
        yield f"{paths[at].name}, seed {seed}, mutant {number}", data, data != originals[at]


def _resident() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def _try(path: Path, report: FuzzReport, where: str, *, must_fail: bool) -> None:
    report.mutants += 1
    tracemalloc.reset_peak()
    start = time.monotonic()
    try:
        problems = verify(path).problems
        outcome = _read(path)
        if must_fail and not problems:
            report.failures.append(f"{where}: verify found nothing")
        if outcome == "read" and problems and must_fail:
            outcome = "read in part"
    except Exception:
        outcome = "failure"
        report.failures.append(f"{where}:\n{traceback.format_exc()}")
    seconds, peak = time.monotonic() - start, tracemalloc.get_traced_memory()[1]
    if seconds > SECONDS and outcome != "failure":  # perhaps a kernel was compiled: once more
        start = time.monotonic()
        verify(path)
        _read(path)
        seconds = time.monotonic() - start
    report.outcomes[outcome] += 1
    report.slowest, report.peak_bytes = max(report.slowest, seconds), max(report.peak_bytes, peak)
    if seconds > SECONDS:
        report.failures.append(f"{where}: took {seconds:.1f} s")
    if peak > MEMORY:
        report.failures.append(f"{where}: took {peak} bytes")


def _read(path: Path) -> str:
    """Everything that reading offers; the first error's class."""
    outcome = "read"
    try:
        with labelcodec.open(path) as reader:
            _ = reader.names, reader.overhead_bytes()
            for i in range(len(reader)):
                for step in (_sizes, _labels, labelcodec.Reader.usage):
                    try:
                        step(reader, i)
                    except LabelcodecError as error:
                        outcome = type(error).__name__
    except LabelcodecError as error:
        outcome = type(error).__name__
    return outcome


def _sizes(reader: labelcodec.Reader, i: int) -> object:
    return reader.component_bytes(i), reader.chosen()


def _labels(reader: labelcodec.Reader, i: int) -> object:
    labels = reader[i].labels
    return labels if labels.compact is None else labels.dense()


def mutant(path: Path, rng: random.Random) -> bytes:
    """A valid container changed inside, with right checksums, index and trailer."""
    return _parts(path).mutant(rng)


def mutated(data: bytes, rng: random.Random) -> bytes:
    """One to four changes: a bit, a byte, a run, a splice, a cut, a repetition."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        kind = rng.randrange(8)
        at = rng.randrange(len(out) + 1)
        if kind == 0:
            out[at:] = b"" if rng.random() < 0.2 else out[at + rng.randrange(1, 5) :]
        elif kind == 1:
            out[at:at] = rng.randbytes(rng.choice((1, 2, 8, 300)))
        elif kind == 2 and out:
            start = rng.randrange(len(out))
            out[at:at] = out[start : start + rng.randrange(1, 64)]
        elif at == len(out):
            out.append(rng.randrange(256))
        elif kind <= 4:
            out[at] ^= 1 << rng.randrange(8)
        elif kind == 5:
            out[at] = rng.choice(EDGES)
        elif kind == 6:
            size = rng.randrange(1, 10)
            out[at : at + size] = rng.choice((b"\0", b"\xff", b"\x80")) * size
        else:
            size = min(rng.randrange(1, 64), len(out) - at)
            out[at : at + size] = rng.randbytes(size)
    return bytes(out)


@dataclass(frozen=True)
class _Parts:
    """A container taken apart, to be put together again around changed content."""

    sections: list[tuple[bytes, bytes]]
    batches: list[tuple[int, int, int, int, bytes]]  # side, samples, number, epoch, codec's bytes

    @classmethod
    def of(cls, path: Path) -> _Parts:
        with RecordReader(path) as records:
            index = records.index
            sections = [(s.tag, records.section(s)) for s in index.sections]
            batches = []
            for i in range(len(records)):
                number, data = records.batch(i)
                row = (int(column[i]) for column in (index.samples, index.number, index.epoch))
                batches.append((number, *row, bytes(data)))
            return cls(sections, batches)

    def mutant(self, rng: random.Random) -> bytes:
        sections, batches = list(self.sections), list(self.batches)
        for _ in range(rng.choice((1, 1, 2))):
            if batches and rng.random() < 0.6:
                at = rng.randrange(len(batches))
                batches[at] = _mutated_batch(batches[at], rng)
            else:
                at = rng.randrange(len(sections))
                sections[at] = (sections[at][0], _mutated_section(*sections[at], rng))
        file = File()
        for tag, payload in sections:
            file.section(tag, payload)
        for number, samples, batch, epoch, data in batches:
            prefix = number.to_bytes(2, "little") + b"".join(map(_varint, (samples, batch, epoch)))
            file.batch(batch, prefix + data, samples)
            file.columns[-1][-1] = epoch
        return file.bytes()


@functools.cache
def _parts(path: Path) -> _Parts:
    return _Parts.of(path)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _mutated_batch(
    batch: tuple[int, int, int, int, bytes], rng: random.Random
) -> tuple[int, int, int, int, bytes]:
    """Another stream, another directory, or another number of samples."""
    number, samples, index, epoch, data = batch
    kind = rng.random()
    if kind < 0.1:
        samples = rng.choice((1, samples + 1, max(samples - 1, 1), 2 * samples, 1 << 16, 1 << 20))
    elif kind < 0.3:
        data = mutated(data, rng)
    else:
        try:
            parts = {n: bytes(part) for n, part in split(memoryview(data)).items()}
        except LabelcodecError:  # changed before
            return number, samples, index, epoch, mutated(data, rng)
        chosen = rng.choice(list(parts) or [LABEL_VALUES])  # projector's batches are empty
        parts[chosen] = _mutated_frame(parts.get(chosen, b""), rng)
        data = join(parts)
    return number, samples, index, epoch, data


def _mutated_frame(part: bytes, rng: random.Random) -> bytes:
    """As `mutated`; the content of a zstd frame may be changed instead of its bytes."""
    at = part.find(b"\x28\xb5\x2f\xfd")
    if at < 0 or rng.random() < 0.3:
        return mutated(part, rng)
    try:
        content = zstandard.decompress(part[at:])
    except zstandard.ZstdError:
        return mutated(part, rng)
    return part[:at] + zstandard.compress(mutated(content, rng))


def _mutated_section(tag: bytes, payload: bytes, rng: random.Random) -> bytes:
    """Header and side information are mostly changed inside, value by value."""
    if tag == b"H" and rng.random() < 0.8:
        try:
            header = msgpack.unpackb(payload)
            _change(header, rng)
            return bytes(msgpack.packb(header))
        except (ValueError, AttributeError, msgpack.UnpackException):  # changed before
            return mutated(payload, rng)
    if tag == b"S" and rng.random() < 0.9:
        try:
            parts = {name: dict(group) for name, group in side_info.unpack(payload[2:], "").items()}
        except LabelcodecError:
            return mutated(payload, rng)
        group = parts[rng.choice(list(parts))]
        name = rng.choice(list(group))
        group[name] = mutated(group[name], rng)
        return payload[:2] + side_info.pack(parts)
    return payload[:2] + _mutated_frame(payload[2:], rng)


VALUES = (None, True, -1, 0, 1, 2, 13, 1 << 20, 1 << 40, (1 << 64) - 1, 0.5, float("nan"),
          float("inf"), "", "topk", "dense", "float32", "zero", "floor", b"x", [], [1, 2], {},
          {"a": 1})  # fmt: skip


def _change(value: dict[str, object], rng: random.Random) -> None:
    """One value of a map, at any depth, becomes another."""
    key = rng.choice(list(value))
    inner = value[key]
    if isinstance(inner, dict) and inner and rng.random() < 0.8:
        _change(inner, rng)
    elif rng.random() < 0.1:
        del value[key]
    else:
        value[key] = rng.choice(VALUES)


def golden() -> list[Path]:
    """The golden files."""
    return sorted(GOLDEN.rglob("*.slc"))


def main() -> int:
    parser = argparse.ArgumentParser(description="Mutation fuzz of label sets.")
    parser.add_argument("files", nargs="*", type=Path, help="default: the golden files")
    parser.add_argument("--mutations", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    files, bad = chosen.files or golden(), False
    for fix_crc in (True, False):
        share = chosen.mutations * 4 // 5 if fix_crc else chosen.mutations // 5
        report = run(files, share, chosen.seed, fix_crc, _shown(share))
        kind = "checksums repaired" if fix_crc else "as they are"
        print(f"\n{kind}:", *report.lines(), sep="\n  ")
        bad |= bool(report.failures)
    return int(bad)


def _shown(total: int) -> Progress | None:
    if not sys.stderr.isatty():
        return None
    return lambda done: print(f"\r{done} of {total}", end="", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
