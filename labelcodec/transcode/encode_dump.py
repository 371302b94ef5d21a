"""Encoding of a dump to a container."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from labelcodec.codecs import registry
from labelcodec.errors import DumpError
from labelcodec.files.atomic import refuse_existing
from labelcodec.formats import Dump, open_dump
from labelcodec.formats.fingerprint import dump_fingerprint
from labelcodec.header import Header
from labelcodec.images import content_digest, fingerprint, list_images
from labelcodec.progress import Progress
from labelcodec.reader import PathLike
from labelcodec.transcode.encode_batches import EncodeReport, write


def encode(
    source: PathLike,
    target: PathLike,
    *,
    codec: str | None = None,
    layout: str | None = None,
    images: PathLike | None = None,
    image_order: PathLike | None = None,
    loader_seed: int | None = None,
    label_type: str | None = None,
    classes: int | None = None,
    epochs_range: tuple[int, int] | None = None,
    epochs: int | None = None,
    threads: int | None = None,
    allow_nonfinite: bool = False,
    force: bool = False,
    resume: bool = False,
    progress: Progress | None = None,
) -> EncodeReport:
    """Encode a dump to a container, in constant memory.

    Args:
        source: folder of the dump; it is only read.
        target: path of the container to write.
        codec: a codec spec; by default the labels are stored losslessly, bit for bit.
        layout: as in `open_dump`.
        images: as in `open_dump`.
        image_order: as in `open_dump`.
        loader_seed: as in `open_dump`.
        label_type: as in `open_dump`.
        classes: as in `open_dump`.
        epochs_range: as in `open_dump`.
        epochs: number of epochs T the student will train for; needed to account for pruning.
        threads: most processes at a time, by default as `labelcodec.threads.thread_count` says.
            The bytes do not depend on it.
        allow_nonfinite: store NaN and infinite values with topk, which rejects them by default.
        force: replace an existing container.
        resume: continue an interrupted or failed run; the resulting file is identical.
        progress: called with (batches done, total batches).

    Raises:
        LabelcodecError: the dump or the codec spec is invalid, or `target` may not be written.
        OSError: a file cannot be read or written.

    After an error `target` is unchanged. The batches encoded so far stay in its partial file,
    and a note on the error says so: a full disk or a damaged file late in a large dump does not
    lose them. Without an encoded batch, no partial file is left.
    """
    source, target = Path(source), Path(target)
    refuse_existing(target, force)
    if source.resolve() in target.resolve().parents:
        raise DumpError(f"{target}: lies inside the dump, which is only read; write elsewhere")
    dump = open_dump(
        source,
        layout=layout,
        images=images,
        image_order=image_order,
        loader_seed=loader_seed,
        label_type=label_type,
        classes=classes,
        epochs_range=epochs_range,
    )
    info = dump.info
    parsed = registry.parse(codec or ("dense" if info.k is None else "topk"))
    header = _header(dump, images, epochs)
    report = write(
        dump,
        target,
        header,
        parsed,
        source_bytes=info.bytes,
        lengths=None
        if info.samples is None
        else [len(dump.image_index(i)) for i in range(len(dump))],
        names=info.names,
        loader_seed=loader_seed,
        threads=threads,
        allow_nonfinite=allow_nonfinite,
        force=force,
        resume=resume,
        progress=progress,
    )
    notes = [f"image order: {info.image_order}", *info.notes]
    if info.classes_guessed:
        notes.append(f"the dump does not record the number of classes: assumed {info.classes}")
    return replace(report, notes=(*notes, *report.notes))


def _header(dump: Dump, images: PathLike | None, epochs: int | None) -> Header:
    info = dump.info
    listing = list_images(Path(images)) if images is not None else None
    return Header(
        classes=info.classes,
        space=info.space,
        precision=info.precision,
        tail=info.tail,
        k=info.k,
        images=len(listing) if listing is not None else info.images,
        fingerprint=fingerprint(listing.paths) if listing is not None else None,
        content=content_digest(listing) if listing is not None else None,
        mix=info.mix,
        epochs=epochs,
        source={
            "layout": info.layout,
            "bytes": info.bytes,
            "files": info.files,
            "k": info.k,
            "image_order": info.image_order,
            **dump_fingerprint(dump),
            "types": dict(info.types),
        },
    )
