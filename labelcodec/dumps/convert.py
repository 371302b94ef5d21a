"""Dump to container and back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from labelcodec.batch import LabelBatch
from labelcodec.codecs import registry
from labelcodec.dumps import Dump, open_dump, write_dump
from labelcodec.dumps.encoding import EncodeReport, write
from labelcodec.dumps.identity import identity
from labelcodec.errors import DumpError
from labelcodec.files.atomic import refuse_existing
from labelcodec.header import Header
from labelcodec.images import content_digest, fingerprint, list_images
from labelcodec.progress import Progress
from labelcodec.reader import Reader


@dataclass(frozen=True)
class DecodeReport:
    """What decoding did.

    Attributes:
        files: files written.
        lossy: the container does not hold all that its source held.
        layout: layout of the dump written.
    """

    files: int
    lossy: bool
    layout: str


def encode(
    source: Path,
    target: Path,
    *,
    codec: str | None = None,
    layout: str | None = None,
    images: Path | None = None,
    image_order: Path | None = None,
    loader_seed: int | None = None,
    label_type: str | None = None,
    classes: int | None = None,
    epochs: int | None = None,
    workers: int = 1,
    allow_nonfinite: bool = False,
    force: bool = False,
    resume: bool = False,
    progress: Progress | None = None,
) -> EncodeReport:
    """Turn a dump into a container; memory does not grow with the dump.

    Args:
        source: the dump's folder; it is only read.
        target: the container to make.
        codec: a codec spec; by default the labels are stored bit for bit as they are.
        layout: as in `open_dump`.
        images: as in `open_dump`.
        image_order: as in `open_dump`.
        loader_seed: as in `open_dump`.
        label_type: as in `open_dump`.
        classes: as in `open_dump`.
        epochs: T, the epochs the student will train for, where batches were pruned.
        workers: processes that read and encode.
        allow_nonfinite: store NaN and infinite values with codecs that would refuse them.
        force: replace an existing container.
        resume: continue where a killed or failed run stopped; the file is the same in the end.
        progress: called with batches done and batches in all.

    Raises:
        LabelcodecError: a bad dump, codec spec or destination.
        OSError: a file cannot be read or written.

    After an error the destination does not exist. The batches before it stay in its partial
    file, and a note on the error says so, so that neither a full disk nor a bad file late in a
    large dump costs them; without a batch nothing stays.
    """
    refuse_existing(target, force)
    if source.resolve() in target.resolve().parents:
        raise DumpError(f"{target}: lies inside the dump, which is left as it is; write elsewhere")
    dump = open_dump(
        source,
        layout=layout,
        images=images,
        image_order=image_order,
        loader_seed=loader_seed,
        label_type=label_type,
        classes=classes,
    )
    info = dump.info
    chosen = registry.parse(codec or ("dense" if info.k is None else "topk"))
    header = _header(dump, images, epochs)
    report = write(
        dump,
        target,
        header,
        chosen,
        source_bytes=info.bytes,
        samples=info.samples,
        names=info.names,
        workers=workers,
        allow_nonfinite=allow_nonfinite,
        force=force,
        resume=resume,
        progress=progress,
    )
    notes = [f"image order: {info.image_order}"]
    if info.classes_guessed:
        notes.append(f"nothing in the dump says how many classes there are: took {info.classes}")
    return replace(report, notes=(*notes, *report.notes))


def decode(
    source: Path,
    target: Path,
    *,
    layout: str | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> DecodeReport:
    """Turn a container back into a dump.

    Args:
        source: the container.
        target: the dump's folder; must not exist or be empty, unless `force`.
        layout: whose layout; by default that of the dump the container was made from.
        force: replace the folder, if it holds nothing but a dump, once the new one is complete.
        progress: called with batches done and batches in all.

    Raises:
        LabelcodecError: a bad container, a folder that may not be replaced, or a layout that
            cannot hold these labels.
    """
    with Reader([source]) as reader:
        origin = reader.header.source or {}
        wanted = layout or _own_layout(reader.header)
        if wanted is None:
            raise DumpError(f"{source}: it was not made from a dump; say which --layout to write")
        if target.resolve() in source.resolve().parents:
            raise DumpError(f"{target}: holds {source}, which is to be decoded; write elsewhere")
        files = write_dump(
            _with_progress(reader, progress),
            target,
            wanted,
            origin.get("types", {}),
            reader.names,
            force=force,
        )
        return DecodeReport(files, is_lossy(reader.header), wanted)


def _own_layout(header: Header) -> str | None:
    """The source's layout; LPQLD's where top-k labels were made of a layout of full ones."""
    origin = header.source or {}
    made_topk = header.k is not None and origin.get("k") is None
    return "lpqld" if made_topk and "layout" in origin else origin.get("layout")


def is_lossy(header: Header) -> bool:
    """Whether the container holds less than the dump it was made from."""
    codec = registry.from_config(header.codec, header.config, "header")
    origin = header.source or {}
    fewer = "layout" in origin and origin.get("k") != header.k
    return codec.lossy or fewer or "lossy" in origin


def _header(dump: Dump, images: Path | None, epochs: int | None) -> Header:
    info = dump.info
    listing = list_images(images) if images is not None else None
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
            **identity(dump),
            "types": dict(info.types),
        },
    )


def _with_progress(reader: Reader, progress: Progress | None) -> Iterator[LabelBatch]:
    for i, batch in enumerate(reader):
        yield batch
        if progress is not None:
            progress(i + 1, len(reader))
