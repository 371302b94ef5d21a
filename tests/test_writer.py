from __future__ import annotations

import os
import random
from dataclasses import replace

import numpy as np
import pytest

import labelcodec
from labelcodec import Header, Writer
from labelcodec.codecs import fitting_sample
from labelcodec.codecs.topk.codec import TopK
from labelcodec.container import RecordReader, repair
from labelcodec.errors import (
    ConfigError,
    CorruptError,
    DataError,
    FormatError,
    MismatchError,
)
from labelcodec.verification import verify
from tests.codecs.content import Recipe, batch, same
from tests.labelsets import NAMES, TOPK, batches, write

CONTENT = batches(range(6))


def left(path) -> list[str]:
    return sorted(entry.name for entry in path.parent.iterdir())


class TestLive:
    def test_tables_are_fitted_to_the_first_labels(self, tmp_path, monkeypatch):
        monkeypatch.setattr(TopK, "fit_labels", 50)
        path = tmp_path / "a.slc"
        with Writer(path, TOPK.header(), "topk") as out:
            for number, one in enumerate(CONTENT):
                assert (out.coder is None) == (number < 3)
                assert out.numbers == (set(range(number)) if number >= 3 else set())
                out.add(one)
        with labelcodec.open(path) as reader:
            assert all(map(same, reader, CONTENT))

    def test_or_when_they_take_much_memory(self, tmp_path, monkeypatch):
        monkeypatch.setattr(fitting_sample, "FIT_BYTES", 1)
        with Writer(tmp_path / "a.slc", TOPK.header(), "topk") as out:
            out.add(CONTENT[0])
            assert out.coder is not None

    def test_or_at_the_end(self, tmp_path):
        write(tmp_path / "a.slc", CONTENT)
        with labelcodec.open(tmp_path / "a.slc") as reader:
            assert all(map(same, reader, CONTENT))

    def test_tables_are_shared_by_the_labels_to_come(self, tmp_path):
        recipe = Recipe(classes=20, samples=30)
        one = batch(recipe)
        spec = "transform:rank=3,step=1,peaks=1"
        for expected in (None, 5000):
            path = tmp_path / f"{expected}.slc"
            with Writer(path, recipe.header(), spec, expected=expected) as out:
                out.add(one)
            with labelcodec.open(path) as reader:
                assert reader.chosen()[0]["sharing"] == (expected or 30)

    def test_to_a_sample_of_the_callers_choice(self, tmp_path):
        with Writer(tmp_path / "a.slc", TOPK.header(), "topk") as out:
            coder = out.fit(CONTENT[:2])
            assert out.fit(CONTENT) is coder is out.coder
            for one in CONTENT:
                out.add(one)
        with labelcodec.open(tmp_path / "a.slc") as reader:
            assert all(map(same, reader, CONTENT))

    def test_arrays_may_be_used_again(self, tmp_path):
        """A loop that fills the same arrays for every batch."""
        shared = batch(TOPK, 0)
        with Writer(tmp_path / "a.slc", TOPK.header(), "topk") as out:
            for one in CONTENT:
                shared.labels.value[:] = one.labels.value
                shared.labels.index[:] = one.labels.index
                shared.image_index[:] = one.image_index
                out.add(replace(one, labels=shared.labels, image_index=shared.image_index))
        with labelcodec.open(tmp_path / "a.slc") as reader:
            assert all(map(same, reader, CONTENT))

    def test_without_a_with(self, tmp_path):
        out = Writer(tmp_path / "a.slc", TOPK.header(), "topk")
        out.add(CONTENT[0])
        assert left(out.path) == ["a.slc.partial"]
        out.close()
        out.close()
        assert left(out.path) == ["a.slc"]
        with labelcodec.open(out.path) as reader:
            assert same(reader[0], CONTENT[0])

    def test_the_same_every_time(self, tmp_path):
        first, second = (write(tmp_path / name, CONTENT).read_bytes() for name in "ab")
        assert first == second


def added(path, content, header: Header | None = None, codec: str = "topk", **options) -> None:
    with Writer(path, header or TOPK.header(), codec, **options) as out:
        for one in content:
            out.add(one)


class TestRefused:
    """Nothing is left behind but batches that were written: once tables are fitted."""

    @pytest.mark.parametrize("fitted", [False, True])
    @pytest.mark.parametrize(
        ("recipe", "message"),
        [
            (replace(TOPK, classes=13), "batch 9: classes 13, the file has 12"),
            (replace(TOPK, k=5), "kept classes 5, the file has 4"),
            (replace(TOPK, precision="float32"), "precision float32, the file has float16"),
            (replace(TOPK, space="probabilities"), "space probabilities"),
            (replace(TOPK, tail="floor"), "tail floor, the file has zero"),
            (replace(TOPK, k=None, tail=None), "full labels need k"),
        ],
    )
    def test_another_header(self, tmp_path, monkeypatch, fitted, recipe, message):
        if fitted:
            monkeypatch.setattr(TopK, "fit_labels", 1)
        with pytest.raises((DataError, ConfigError), match=message):
            added(tmp_path / "a.slc", [CONTENT[0], batch(recipe, 9)])
        assert left(tmp_path / "a.slc") == ["a.slc.partial"] * fitted

    @pytest.mark.parametrize("fitted", [False, True])
    def test_a_number_twice(self, tmp_path, monkeypatch, fitted):
        if fitted:
            monkeypatch.setattr(TopK, "fit_labels", 1)
        with pytest.raises(DataError, match=r"batch .*3"):
            added(tmp_path / "a.slc", [*CONTENT, CONTENT[3]])
        assert left(tmp_path / "a.slc") == ["a.slc.partial"] * fitted

    def test_parts_that_disagree(self, tmp_path):
        with pytest.raises(DataError, match="top-k classes have shape"):
            added(tmp_path / "a.slc", [replace(CONTENT[0], image_index=np.arange(3))])
        assert left(tmp_path / "a.slc") == []

    def test_not_finite(self, tmp_path):
        bad = batch(TOPK, 2)
        bad.labels.value[0, 0] = np.nan
        with pytest.raises(DataError, match="batch 2: sample 0 has NaN"):
            added(tmp_path / "a.slc", [CONTENT[0], bad])
        assert left(tmp_path / "a.slc") == []
        added(tmp_path / "a.slc", [CONTENT[0], bad], allow_nonfinite=True)
        with labelcodec.open(tmp_path / "a.slc") as reader:
            assert same(reader[1], bad)

    def test_values_of_another_type(self, tmp_path):
        full = batch(Recipe())
        wide = replace(full.labels, value=full.labels.value.astype(np.float32))
        for codec in ("dense", "topk:k=3"):
            with pytest.raises(DataError, match="float16 labels need float16"):
                added(tmp_path / "a.slc", [replace(full, labels=wide)], Recipe().header(), codec)

    @pytest.mark.parametrize(
        ("header", "codec", "error", "message"),
        [
            (Header(10), "topk", ConfigError, "full labels need k"),
            (Header(10), "zip", ConfigError, "unknown codec"),
            (Header(10, k=3, tail="zero"), "dense", DataError, "use topk"),
            (Header(10, k=3, tail="zero"), "topk:k=4", DataError, "labels that hold 3"),
            (Header(10), "topk:k=11", DataError, "keeps 11 classes of each label, there are 10"),
            (Header(10), "sampled:n=9,keep=2", DataError, "n=9,keep=2 keeps 11 classes"),
            (Header(0), "dense", FormatError, "0 classes"),
            (Header(10, precision="float64"), "dense", FormatError, "'float64'"),
        ],
    )
    def test_what_no_file_can_hold(self, tmp_path, header, codec, error, message):
        with pytest.raises(error, match=message):
            Writer(tmp_path / "a.slc", header, codec)
        assert left(tmp_path / "a.slc") == []

    @pytest.mark.parametrize(
        ("names", "message"),
        [
            (["a", "b\nc"], "line feed"),
            (["\udc80"], "not UTF-8"),
            (["x" * (1 << 26)] * 2, "at most"),
        ],
        ids=["line feed", "encoding", "long"],
    )
    def test_names(self, tmp_path, names, message):
        with pytest.raises(DataError, match=message):
            Writer(tmp_path / "a.slc", TOPK.header(), "topk", names=names)
        assert left(tmp_path / "a.slc") == []

    def test_an_existing_file(self, tmp_path):
        path = write(tmp_path / "a.slc", CONTENT)
        before = path.read_bytes()
        with pytest.raises(MismatchError, match="exists already"):
            Writer(path, TOPK.header(), "topk")
        with pytest.raises(DataError, match=f"batch {CONTENT[0].number} is added twice"):
            added(path, [CONTENT[0], CONTENT[0]], force=True)
        assert path.read_bytes() == before and left(path) == ["a.slc"]
        write(path, CONTENT[:2], force=True)
        with labelcodec.open(path) as reader:
            assert len(reader) == 2


class TestResume:
    @pytest.fixture
    def whole(self, tmp_path) -> bytes:
        (tmp_path / "whole").mkdir()
        return write(tmp_path / "whole" / "a.slc", CONTENT, names=NAMES).read_bytes()

    def finish(self, path) -> bytes:
        """What a live run does that starts again: the batches that are missing."""
        with Writer(path, TOPK.header(), "topk", resume=True, names=NAMES) as out:
            have = set(out.numbers)
            for one in CONTENT:
                if one.number not in have:
                    out.add(one)
        return path.read_bytes()

    def test_from_the_end_of_every_record(self, tmp_path, whole):
        """Also between image names and side information, before any batch."""
        with RecordReader(tmp_path / "whole" / "a.slc") as records:
            index = records.index
            ends = [s.offset + s.size for s in index.sections]
            ends += (index.offset + index.size).tolist()
        for end in [0, *ends, len(whole)]:
            for size in {max(end - 1, 0), end}:
                (tmp_path / "a.slc.partial").write_bytes(whole[:size])
                assert self.finish(tmp_path / "a.slc") == whole, size
                (tmp_path / "a.slc").unlink()

    def test_nothing_to_resume(self, tmp_path, whole):
        assert self.finish(tmp_path / "a.slc") == whole

    @pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
    def test_interrupted(self, tmp_path, whole, monkeypatch, error):
        monkeypatch.setattr(TopK, "fit_labels", 60)
        expected = write(tmp_path / "b.slc", CONTENT).read_bytes()
        path = tmp_path / "a.slc"
        with pytest.raises(error), Writer(path, TOPK.header(), "topk") as out:
            for one in CONTENT[:4]:
                out.add(one)
            raise error
        with Writer(path, TOPK.header(), "topk", resume=True) as out:
            assert out.numbers == {0, 1, 2, 3} and out.coder is not None
            for one in CONTENT[4:]:
                out.add(one)
        assert path.read_bytes() == expected

    def test_a_bad_batch_late_in_a_run(self, tmp_path, monkeypatch):
        """What was added before it survives, and the run goes on."""
        monkeypatch.setattr(TopK, "fit_labels", 60)
        expected = write(tmp_path / "b.slc", CONTENT).read_bytes()
        bad = batch(TOPK, 5)
        bad.labels.value[0, 0] = np.nan
        with pytest.raises(DataError, match="batch 5") as caught:
            added(tmp_path / "a.slc", [*CONTENT[:5], bad])
        assert "keeps the 5 batches" in caught.value.__notes__[0]
        with Writer(tmp_path / "a.slc", TOPK.header(), "topk", resume=True) as out:
            assert out.numbers == set(range(5))
            out.add(CONTENT[5])
        assert (tmp_path / "a.slc").read_bytes() == expected

    def test_another_header_or_codec(self, tmp_path, whole):
        partial = tmp_path / "a.slc.partial"
        partial.write_bytes(whole[:-50])
        for header, codec in (
            (replace(TOPK.header(), epochs=4), "topk"),
            (TOPK.header(), "topk:step=0.5"),
        ):
            with pytest.raises(MismatchError, match="another header"):
                Writer(tmp_path / "a.slc", header, codec, resume=True)
            assert partial.read_bytes() == whole[:-50]

    def test_bad_batch_keeps_the_earlier_runs_work(self, tmp_path, whole):
        partial = tmp_path / "a.slc.partial"
        partial.write_bytes(whole[:-50])
        with pytest.raises(DataError, match="3"):
            added(tmp_path / "a.slc", [CONTENT[3]], resume=True)
        assert self.finish(tmp_path / "a.slc") == whole

    def test_broken_side_information_lets_go_of_the_file(self, tmp_path, whole):
        with RecordReader(tmp_path / "whole" / "a.slc") as records:
            header = records.header
        with labelcodec.container.RecordWriter(tmp_path / "a.slc", header) as out:
            out.add_section(b"S", b"broken")
            out.abort(keep=True)
        for _ in range(2):  # the second one would find the first one's lock
            with pytest.raises(CorruptError, match=r"partial: broken side information"):
                Writer(tmp_path / "a.slc", TOPK.header(), "topk", resume=True)
        assert os.path.exists(tmp_path / "a.slc.partial")

    def test_repaired_instead(self, tmp_path, whole):
        rng = random.Random(0)
        for _ in range(20):
            size = rng.randrange(1000, len(whole))
            (tmp_path / "cut.slc").write_bytes(whole[:size])
            repair(tmp_path / "cut.slc", tmp_path / "out.slc")
            assert verify(tmp_path / "out.slc").problems == ()
            with labelcodec.open(tmp_path / "out.slc") as reader:
                assert all(map(same, reader, CONTENT[: len(reader)]))
            (tmp_path / "out.slc").unlink()


def test_full_disk(tmp_path, monkeypatch):
    """The error comes out, what was written stays and can be resumed."""
    expected = write(tmp_path / "b.slc", CONTENT).read_bytes()
    real, room = os.pwrite, len(expected) * 3 // 4

    def pwrite(fd, data, offset):
        if offset + len(data) > room:
            raise OSError(28, "No space left on device")
        return real(fd, data, offset)

    monkeypatch.setattr(os, "pwrite", pwrite)
    with pytest.raises(OSError, match="No space left"):
        write(tmp_path / "a.slc", CONTENT)
    assert left(tmp_path / "a.slc") == ["a.slc.partial", "b.slc"]
    monkeypatch.undo()
    with Writer(tmp_path / "a.slc", TOPK.header(), "topk", resume=True) as out:
        assert 0 < len(out.numbers) < 6
        for one in CONTENT[len(out.numbers) :]:
            out.add(one)
    assert (tmp_path / "a.slc").read_bytes() == expected


def test_a_writer_that_takes_over_tables_writes_the_same_file(tmp_path):
    """Image names included."""
    content = batches(range(3))
    with Writer(tmp_path / "a.slc", TOPK.header(), "topk", names=NAMES) as first:
        side = first.fit(content).side_information()
        for one in content:
            first.add(one)
    with Writer(tmp_path / "b.slc", TOPK.header(), "topk", names=NAMES) as second:
        second.adopt(side)
        for one in content:
            second.add(one)
    assert (tmp_path / "a.slc").read_bytes() == (tmp_path / "b.slc").read_bytes()
    with labelcodec.open(tmp_path / "b.slc") as reader:
        assert reader.names == tuple(NAMES)
