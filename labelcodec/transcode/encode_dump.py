"""Encoding of a dump to a container."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from labelcodec.annotation import Facts
from labelcodec.binding.agreement import measure, sampled, warnings_of
from labelcodec.binding.class_map import folder_notes
from labelcodec.binding.folder import ClassMapLike, class_names, class_of_image, folder_fields
from labelcodec.codecs import registry
from labelcodec.container.paths import shard_pattern
from labelcodec.errors import ConfigError, DumpError
from labelcodec.files.atomic import refuse_existing
from labelcodec.files.regular import real_path
from labelcodec.formats import Dump, DumpInfo, open_dump
from labelcodec.formats.fingerprint import dump_fingerprint
from labelcodec.formats.registry import layout_named
from labelcodec.header import Header
from labelcodec.images import ImageListing, list_images
from labelcodec.parts import Part
from labelcodec.progress import Progress
from labelcodec.reader import PathLike
from labelcodec.transcode.encode_batches import EncodeReport, shard_target, write
from labelcodec.transcode.reused_tables import codec_of


def encode(
    source: PathLike,
    target: PathLike,
    *,
    codec: str | None = None,
    tables: PathLike | None = None,
    part: Part | None = None,
    layout: str | None = None,
    images: PathLike | ImageListing | None = None,
    image_order: PathLike | None = None,
    loader_seed: int | None = None,
    label_type: str | None = None,
    classes: int | None = None,
    epochs_range: tuple[int, int] | None = None,
    shift: int | None = None,
    columns: Mapping[str, str] | None = None,
    epochs: int | None = None,
    class_map: ClassMapLike | None = None,
    image_size: int | tuple[int, int] | None = None,
    interpolation: str | None = None,
    normalisation: Mapping[str, Any] | None = None,
    teacher: str | None = None,
    license: str | None = None,
    note: str | None = None,
    threads: int | None = None,
    allow_nonfinite: bool = False,
    force: bool = False,
    resume: bool = False,
    progress: Progress | None = None,
) -> EncodeReport:
    """Encode a dump to a container, in constant memory.

    Args:
        source: folder or file of the dump; it is only read.
        target: path of the container to write.
        codec: a codec spec; by default the labels are stored losslessly, bit for bit.
        tables: a container whose codec and label tables are used, instead of `codec` and tables
            that are fitted to these labels. Those of another shard of the set are taken as they
            are.
        part: (I, N): encode the I-th of N parts of the batches, from 1, to a shard beside
            `target`, `NAME-RANK-of-N.slc` with RANK = I - 1. The shards of all parts are one label
            set, whose labels are the same whatever N.
        layout: as in `open_dump`.
        images: as in `open_dump`.
        image_order: as in `open_dump`.
        loader_seed: as in `open_dump`.
        label_type: as in `open_dump`.
        classes: as in `open_dump`.
        epochs_range: as in `open_dump`.
        shift: as in `open_dump`.
        columns: as in `open_dump`.
        epochs: number of epochs T the student will train for; needed to account for pruning.
        class_map: the teacher's classes, see `as_class_map`, where they are not the sorted class
            folders.
        image_size: height and width of the teacher's input, in pixels.
        interpolation: 'bilinear' or 'bicubic' resizing of crops.
        normalisation: {'mean': [r, g, b], 'std': [r, g, b]} of inputs in 0..1.
        teacher: name of the teacher.
        license: terms under which the labels may be used.
        note: free text.
        threads: most processes at a time, by default as `labelcodec.threads.thread_count` says.
            The bytes do not depend on it.
        allow_nonfinite: store NaN and infinite values with topk, which rejects them by default.
        force: replace an existing container.
        resume: continue an interrupted or failed run; the resulting file is identical. A finished
            file of the same source and settings is reported and left as it is, unless `force` is
            set.
        progress: called with (batches done, total batches, activity): once when tables are about
            to be fitted, then after each batch.

    Raises:
        LabelcodecError: the dump or the codec spec is invalid, or `target` may not be written.
        OSError: a file cannot be read or written.

    After an error `target` is unchanged. The batches encoded so far stay in its partial file,
    and a note on the error says so: a full disk or a damaged file late in a large dump does not
    lose them. Without an encoded batch, no partial file is left.
    """
    facts = Facts(image_size, interpolation, normalisation, teacher, license, note)
    source = Path(source)
    target, part = shard_target(Path(target), part)
    refuse_existing(target, force or resume)
    if real_path(source) in real_path(target).parents:
        raise DumpError(f"{target}: lies inside the dump, which is only read; write elsewhere")
    listing = None if images is None else list_images(images)
    dump = open_dump(
        source,
        layout=layout,
        images=listing,
        image_order=image_order,
        loader_seed=loader_seed,
        label_type=label_type,
        classes=classes,
        epochs_range=epochs_range,
        shift=shift,
        columns=columns,
    )
    info = dump.info
    if info.kind == "tokens":
        _refuse_image_facts(source, facts, class_map)
    parsed, reused = codec_of(codec, tables)
    parsed = parsed or registry.parse("dense" if info.k is None else "topk")
    header = facts.added_to(_header(dump, epochs, epochs_range), str(target))
    lengths = _lengths(dump)
    header, folder_notes = _bound(dump, lengths, header, listing, class_map)
    report = write(
        dump,
        target,
        header,
        parsed,
        source_bytes=info.bytes,
        lengths=lengths,
        names=info.names,
        loader_seed=loader_seed,
        tables=reused,
        part=part,
        threads=threads,
        allow_nonfinite=allow_nonfinite,
        force=force,
        resume=resume,
        progress=progress,
    )
    of_images = [] if info.kind == "tokens" else [f"image order: {info.image_order}"]
    notes = [*of_images, *info.notes]
    if info.classes_guessed:
        notes.append(
            f"the dump does not record the number of classes: assumed {info.classes}; pass "
            "`classes` if the teacher has another number"
        )
    notes += [*folder_notes]
    notes += (
        _missing_of_tokens(source, info)
        if info.kind
        else _missing(header, shard_pattern(target), info)
    )
    return replace(report, notes=(*notes, *report.notes))


def _header(dump: Dump, epochs: int | None, epochs_range: tuple[int, int] | None) -> Header:
    info = dump.info
    part = {} if epochs_range is None else {"epochs_range": list(epochs_range)}
    return Header(
        classes=info.classes,
        space=info.space,
        precision=info.precision,
        tail=info.tail,
        k=info.k,
        images=None if info.kind == "tokens" else info.images,
        kind=info.kind,
        shift=info.shift,
        mix=info.mix,
        epochs=epochs,
        source={
            "layout": info.layout,
            "bytes": info.bytes,
            "files": info.files,
            "k": info.k,
            **({"sequences": info.images} if info.kind else {"image_order": info.image_order}),
            **part,
            **dump_fingerprint(dump),
            "types": dict(info.types),
        },
    )


def _bound(
    dump: Dump,
    known_lengths: list[int] | None,
    header: Header,
    listing: ImageListing | None,
    class_map: ClassMapLike | None,
) -> tuple[Header, list[str]]:
    """The header bound to the image folder, if there is one, and notes on it; not of tokens."""
    if dump.info.kind == "tokens":
        return header, []
    lengths = known_lengths or [len(dump.read(0))] * len(dump)
    folders = None if listing is None else listing.classes
    where = "class_map" if listing is None else str(listing.root)
    names = class_names(folders, class_map, header.classes, sum(lengths), where)
    header = replace(header, class_names=names)
    if listing is None:
        return header, []
    own = class_of_image(listing, header.class_names, header.classes)
    header = replace(header, **folder_fields(listing, own))
    batches = (dump.read(i) for i in sampled(lengths))
    measured = measure(batches, own, header.classes, header.image_size)
    notes = [*warnings_of(measured, None, where)]
    notes += folder_notes(listing.classes, where, mapped=class_map is not None)
    return replace(header, agreement=measured.agreement), notes


def _refuse_image_facts(source: Path, facts: Facts, class_map: ClassMapLike | None) -> None:
    """Refuse facts of images where the labels are of tokens."""
    passed = {
        "class_map": class_map,
        **{name: getattr(facts, name) for name in ("image_size", "interpolation", "normalisation")},
    }
    for name, value in passed.items():
        if value is not None:
            raise ConfigError(f"{source}: `{name}` does not apply here: its labels are of tokens")


def _missing_of_tokens(source: Path, info: DumpInfo) -> Iterator[str]:
    """What is taken for granted of labels of tokens."""
    own, behind = "its own token", "the token behind it"
    taken, other = (behind, own) if info.shift else (own, behind)
    if "shift" not in layout_named(info.layout).unused_options(source, {}):
        yield (
            f"the label of a position is taken to be of {taken}; pass "
            f"`shift={0 if info.shift else 1}` if it is of {other}"
        )
    if not info.has_digests:
        yield (
            "the source has no token ids: any text with as many tokens will be taken for that of "
            "the labels"
        )


def _missing(header: Header, files: Path, info: DumpInfo) -> Iterator[str]:
    """What the file, or the files of a pattern, do not say and training from them needs."""
    target = f"'{files}'" if "*" in files.name else str(files)
    if header.content is None and info.names is None:
        yield (
            "the labels are not bound to images: any folder with as many will be taken for "
            f"theirs; pass `images`, or add the folder later with `labelcodec annotate {target}`"
        )
    needed = ("image_size", "normalisation", "interpolation")
    unknown = [f"`{name}`" for name in needed if getattr(header, name) is None]
    if unknown:
        yield (
            f"the file does not say how the teacher saw the images: pass {', '.join(unknown)}, or "
            f"add them later with `labelcodec annotate {target}`"
        )


def _lengths(dump: Dump) -> list[int] | None:
    """Number of labels of each batch; None if only reading the batches would tell."""
    if dump.info.samples is None:
        return None
    return [len(dump.image_index(i)) for i in range(len(dump))]
