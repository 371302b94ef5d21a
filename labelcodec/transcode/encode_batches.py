"""Encoding of batches from any source to a container."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from labelcodec.batch import LabelBatch
from labelcodec.codecs import fit_progress
from labelcodec.codecs.batch_coder import BatchCoder
from labelcodec.codecs.fitting_sample import label_bytes, sampled_batches
from labelcodec.codecs.interface import Codec, Coder
from labelcodec.container.paths import shard_paths
from labelcodec.errors import ConfigError, MismatchError
from labelcodec.header import Header, of_part
from labelcodec.parts import WHOLE, Part, check_part, share
from labelcodec.progress import Progress
from labelcodec.transcode.encoded_batches import Batches, PartOf, encoded
from labelcodec.transcode.finished_run import check_finished
from labelcodec.transcode.order_recipe import with_image_order
from labelcodec.transcode.reused_tables import ReusedTables
from labelcodec.wording import counted
from labelcodec.writer import Writer, with_codec

MEASURED = 16  # batches on which reused tables are measured, at most


@dataclass(frozen=True, eq=False)
class EncodeReport:
    """Result of `encode` or `recode`.

    Attributes:
        path: the container.
        header: header of the container.
        batches: number of batches in the container.
        bytes: size of the container.
        source_bytes: size of the source.
        chosen: parameters chosen by fitting the codec, and the result, see `Coder.chosen`.
        notes: remarks for the user, one sentence each.
    """

    path: Path
    header: Header
    batches: int
    bytes: int
    source_bytes: int
    chosen: dict[str, Any]
    notes: tuple[str, ...]


def write(
    source: Batches,
    target: Path,
    header: Header,
    codec: Codec,
    *,
    source_bytes: int,
    lengths: Sequence[int] | None = None,
    names: Sequence[str] | None = None,
    loader_seed: int | None = None,
    tables: ReusedTables | None = None,
    part: Part = WHOLE,
    threads: int | None = None,
    allow_nonfinite: bool = False,
    force: bool = False,
    resume: bool = False,
    progress: Progress | None = None,
) -> EncodeReport:
    """Encode all batches of a source, or one of N parts of them, in order and in constant memory.

    A part is a shard with consecutive batches: a dump's files and a table's row groups are then
    read by one process each, and a shard has epochs that follow one another. Every part fits the
    same tables to the same sample of the whole source, so that shards depend neither on N nor on
    each other, and need no process to be first. Where fitting takes long, `tables` passes those of
    a shard that is complete.

    Args:
        source: the batches.
        target: path of the container to write; of a part, that of `shard_target`.
        header: header of the container, as for `Writer`.
        codec: codec of the labels.
        source_bytes: size of the source, for the report.
        lengths: number of labels in each batch; None if only reading the batches would tell, in
            which case all are assumed to be as long as the first.
        names: image names to store.
        loader_seed: seed of the data loader whose image order is looked for; None for the usual.
        tables: tables of another file, whose codec is `codec`; None fits new ones. Those of a
            shard of the same label set are taken as they are.
        part: (I, N), the part to encode.
        threads: most processes at a time, by default as `labelcodec.threads.thread_count` says.
            The bytes do not depend on it.
        allow_nonfinite: store NaN and infinite values with topk, which rejects them by default.
        force: replace an existing container.
        resume: continue an interrupted or failed run; the resulting file is identical. A finished
            one is checked and left as it is, unless `force` is set.
        progress: called with (batches done, total batches, activity): once when tables are about
            to be fitted, then after each batch.

    Raises:
        LabelcodecError: a batch is invalid, or `target` may not be written.
        OSError: a file cannot be read or written.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    header = with_image_order(header, source, loader_seed)
    own = _part_of(source, part)
    header = of_part(header, part, own.positions, len(source))
    labels, side, notes = _tables(tables, header, codec, names, target)
    if resume and not force and target.exists():
        finished = check_finished(target, own, header, codec, names, allow_nonfinite)
        if finished is not None:
            _check_tables(finished, labels, target)
        chosen = {} if finished is None else finished.chosen()
        return EncodeReport(
            target,
            with_codec(header, codec),
            len(own),
            target.stat().st_size,
            source_bytes,
            chosen,
            (f"{target} is complete already; it is left as it is",),
        )
    nonfinite = batches = 0  # labels with NaN or infinite values, and batches with such labels
    with Writer(
        target,
        header,
        codec,
        force=force,
        resume=resume,
        names=names,
        allow_nonfinite=allow_nonfinite,
        expected=None if lengths is None else int(np.sum(lengths)),
    ) as writer:
        done = len(writer.numbers)  # a resumed file holds the first `done` batches
        if side is not None:
            writer.adopt(side)
        if progress is not None and writer.coder is None:
            progress(done, len(own), f"fitting {codec.name} to a sample of the labels")
        with fit_progress.shown(progress, codec.name):
            sample = [] if writer.coder else _fitting_sample(source, lengths, codec.fit_labels)
            coder = writer.coder or writer.fit(sample, labels)
        _check_tables(coder.labels, labels, target)
        if tables is not None and sample:
            spread = sample[:: -(-len(sample) // MEASURED)]
            notes += tables.measured(coder.labels, [writer.prepare(batch) for batch in spread])
        todo = range(done, len(own))
        for result in encoded(own, coder, codec, allow_nonfinite, todo, threads):
            writer.add_encoded(result.batch)
            nonfinite += result.nonfinite
            batches += bool(result.nonfinite)
            done += 1
            if progress is not None:
                progress(done, len(own), "encoding")
    if nonfinite:
        notes += (
            f"labels with NaN or infinite values, stored unchanged: {nonfinite}, in {batches} of "
            f"{done} batches; training refuses those with NaN",
        )
    return EncodeReport(
        target,
        writer.header,
        len(own),
        target.stat().st_size,
        source_bytes,
        coder.labels.chosen(),
        (*notes, *coder.labels.notes()),
    )


def shard_target(target: Path, part: Part | None) -> tuple[Path, Part]:
    """Path of the container that a part of a label set is written to, and the part.

    Args:
        target: path of the whole label set, `NAME.slc`.
        part: (I, N), from 1; None for all.

    Returns:
        `NAME-RANK-of-N.slc` with RANK = I - 1, as relabelling names the shards of its processes;
        `target` where N is 1.

    Raises:
        ConfigError: I is not in 1..N.
    """
    part = WHOLE if part is None else part
    check_part(part, "part")
    return shard_paths(target, part[1])[part[0] - 1], part


def _part_of(source: Batches, part: Part) -> PartOf:
    """The batches of a part.

    Raises:
        ConfigError: there are more parts than batches.
    """
    if part != WHOLE and part[1] > len(source):
        raise ConfigError(
            f"`part` is one of {part[1]}, of a source of {counted(len(source), 'batch')}; "
            f"divide it into {len(source)} or fewer"
        )
    return PartOf(source, share(len(source), part))


def _tables(
    tables: ReusedTables | None,
    header: Header,
    codec: Codec,
    names: Sequence[str] | None,
    target: Path,
) -> tuple[Coder | None, bytes | None, tuple[str, ...]]:
    """Tables that are not fitted: the label coder, all side information of a shard, and notes."""
    if tables is None:
        return None, None, ()
    full = with_codec(header, codec)
    side = tables.of_shard(target, full)
    if side is None:
        labels, notes = tables.coder(header, names)
        return labels, None, notes
    return BatchCoder.from_side_information(full, side, str(tables.path)).labels, side, ()


def _check_tables(coder: Coder, reused: Coder | None, target: Path) -> None:
    """Check that an interrupted or finished run has the tables that are to be used.

    Raises:
        MismatchError: it has others.
    """
    if reused is not None and coder.to_parts() != reused.to_parts():
        raise MismatchError(
            f"{target}: was begun with other tables than those of `tables`; name another file, or "
            "pass `force=True` without `resume` to replace it"
        )


def _fitting_sample(source: Batches, lengths: Sequence[int] | None, most: int) -> list[LabelBatch]:
    """The batches that the tables are fitted to, selected by `codecs.fitting_sample`."""
    if not len(source):
        return []
    first = source.read(0)
    sizes = [len(first)] * len(source) if lengths is None else lengths
    positions = sampled_batches(sizes, label_bytes(first.labels), most)
    return [first if i == 0 else source.read(i) for i in positions]
