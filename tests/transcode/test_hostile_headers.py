"""Header maps of other types than SPEC says: an error that names the key, or none."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import labelcodec
from labelcodec.analysis.description import describe_batch, describe_set
from labelcodec.container import RecordReader, RecordWriter
from labelcodec.errors import CorruptError, LabelcodecError
from tests.formats.builders import epoch_dump, loader_order

HOSTILE: tuple[Any, ...] = (
    *(None, True, -3, 1 << 63, float("nan"), "x", b"x"),
    *([], [1], ["x"], {}, {"x": {}}),
)
SOURCE = ("layout", "bytes", "files", "k", "image_order", "order_sha256", "types", "lossy")
TYPES = (
    *("layout", "coords", "flip", "cutout", "mix_index", "ratio", "box", "values", "indices"),
    *("label", "label_type", "randaugment", "order_file"),
)
KEYS = (
    *(("source",), ("teacher",), ("normalisation",), ("mix",), ("epochs",), ("images",)),
    *(("image_size",), ("interpolation",), ("fingerprint",), ("content",), ("recipe",)),
    *(("codec", "config"), ("labels", "k"), ("later",)),
    *(("source", key) for key in SOURCE),
    *(("source", "types", key) for key in TYPES),
    ("source", "types", "randaugment", "decision"),
)


@pytest.fixture(scope="module", params=["dense"])
def labels(request, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    dump = epoch_dump(folder / "dump", loader_order(8, 1), 4)
    labelcodec.encode(dump, folder / "a.slc", codec=request.param, loader_seed=42, threads=1)
    return folder / "a.slc"


def changed(source: Path, target: Path, keys: tuple[str, ...], value: Any) -> Path:
    """The container with another value in its header."""
    with RecordReader(source) as reader:
        header = reader.header
        inner = header
        for key in keys[:-1]:
            inner = inner.setdefault(key, {})
        inner[keys[-1]] = value
        with RecordWriter(target, header, force=True) as writer:
            writer.add_section(b"S", reader.side(0))
            columns = reader.index
            for i in range(len(reader)):
                side, data = reader.batch(i)
                writer.add_batch(
                    data,
                    side=side,
                    samples=int(columns.samples[i]),
                    number=int(columns.number[i]),
                    epoch=int(columns.epoch[i]),
                )
    return target


def use(file: Path, folder: Path) -> None:
    """Whatever a command does with a container; each part may end in an error of ours."""
    with suppress(LabelcodecError), labelcodec.open(file) as reader:
        describe_set(reader)
        describe_batch(reader, 0)
        repr(reader)
    jobs = (
        lambda: labelcodec.stats(file).to_json(),
        lambda: labelcodec.verify(file),
        lambda: labelcodec.compare(file, file),
        lambda: labelcodec.merge([file], folder / "merged.slc", force=True),
        lambda: labelcodec.recode(file, folder / "again.slc", "topk:k=2", force=True),
        *(
            lambda layout=layout: labelcodec.decode(
                file, folder / f"dump-{layout}", layout=layout, force=True
            )
            for layout in (None, "fkd")
        ),
    )
    for job in jobs:
        with suppress(LabelcodecError):
            job()


@pytest.mark.parametrize("keys", KEYS, ids=".".join)
def test_a_value_of_another_type_is_no_mistake_of_ours(labels, tmp_path, keys) -> None:
    for value in HOSTILE:
        with suppress(LabelcodecError):
            use(changed(labels, tmp_path / "b.slc", keys, value), tmp_path)


@pytest.mark.parametrize(
    ("key", "value"), [("types", 5), ("types", [1]), ("k", {}), ("lossy", 5), ("layout", [1])]
)
def test_an_origin_of_another_type_is_named(labels, tmp_path, key, value) -> None:
    file = changed(labels, tmp_path / "b.slc", ("source", key), value)
    with pytest.raises(CorruptError, match=rf"b\.slc: the header's 'source' says {key}="):
        labelcodec.decode(file, tmp_path / "dump")
    with labelcodec.open(file) as reader:
        assert len(reader[0].labels) == 4
