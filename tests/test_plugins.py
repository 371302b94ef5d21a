from __future__ import annotations

import importlib
import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import labelcodec
from labelcodec.codecs.registry import CODECS, CodecEntry
from labelcodec.container import RecordWriter
from labelcodec.errors import ConfigError, UnsupportedError
from labelcodec.plugins import Registry
from labelcodec.verification import verify
from tests import fake_codec
from tests.cli.call import FIXTURE, call

GROUP = "labelcodec.tests"


def registry() -> Registry[CodecEntry]:
    own = CodecEntry("own", "nowhere:Own", "of the library", ("own",))
    return Registry("codec", GROUP, CodecEntry, (own,))


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Make a package installed, with these entry points: name -> object."""

    def install(**points: str) -> None:
        metadata = tmp_path / "another_package-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: another-package\n")
        lines = [f"{name.replace('_', '-')} = {value}" for name, value in points.items()]
        (metadata / "entry_points.txt").write_text("\n".join([f"[{GROUP}]", *lines, ""]))
        monkeypatch.syspath_prepend(tmp_path)
        importlib.invalidate_caches()

    return install


@pytest.fixture
def plain():
    """The fake codec, registered."""
    CODECS.register(fake_codec.ENTRY)
    yield
    if CODECS.find("x-plain") is not None:
        CODECS.unregister("x-plain")


def test_entries_of_installed_packages(installed) -> None:
    installed(x_plain="tests.fake_codec:ENTRY", plain="tests.fake_codec:ENTRY")
    codecs = registry()
    assert codecs.names() == ["own", "x-plain"]
    assert codecs.find("x-plain") is fake_codec.ENTRY
    assert codecs.find("plain") is None  # names of other packages start with x-
    assert [entry.name for entry in codecs.entries()] == ["own", "x-plain"]
    assert codecs.failures() == {}


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("not_there:ENTRY", "cannot be loaded: No module named 'not_there'"),
        ("tests.fake_codec:OTHER", "cannot be loaded"),
        ("tests.fake_codec:Plain", "is not a CodecEntry of that name"),
        ("tests.fake_codec:ENTRY", "is not a CodecEntry of that name"),
    ],
)
def test_an_entry_that_cannot_be_loaded_leaves_the_others(installed, path, reason) -> None:
    installed(x_broken=path)
    codecs = registry()
    with pytest.raises(UnsupportedError, match=f"'x-broken' of {path} {reason}"):
        codecs.find("x-broken")
    assert [entry.name for entry in codecs.entries()] == ["own"]
    assert list(codecs.failures()) == ["x-broken"]


def test_registering_by_hand() -> None:
    codecs = registry()
    codecs.register(fake_codec.ENTRY)
    assert codecs.names() == ["own", "x-plain"]
    with pytest.raises(ConfigError, match="'x-plain' is registered already"):
        codecs.register(fake_codec.ENTRY)
    codecs.unregister("x-plain")
    assert codecs.find("x-plain") is None
    with pytest.raises(ConfigError, match="start with 'x-'"):
        codecs.register(CodecEntry("plain", "a:b", "no private name", ()))


def test_names_of_the_library_are_not_private() -> None:
    """SPEC V-3 reserves `x-` for others."""
    assert not [name for name in registry().names() if name.startswith("x-")]
    assert "x-" in (Path(__file__).parents[1] / "spec/SPEC.md").read_text()


def test_a_registered_codec_is_everywhere(capsys, plain, tmp_path, monkeypatch) -> None:
    from labelcodec.replay import ReplayDataset
    from tests.replay import scene

    monkeypatch.chdir(tmp_path)
    assert "x-plain: logits as they are" in call(capsys, "codecs").out
    assert call(capsys, "encode", FIXTURE, "a.slc", "--codec", "x-plain").status == 0
    stats = call(capsys, "stats", "a.slc", "--json", "--plot", "a.png").json()
    assert stats["components"]["label values"] == 2 * 1000 * 256
    assert Path("a.png").exists()
    plan = ("plan", "--classes", 1000, "--ipc", 10)
    rows = call(capsys, *plan).out.splitlines()
    assert any("x-plain: not measured" in row for row in rows)
    assert "sound" in call(capsys, "verify", "a.slc").out
    assert call(capsys, "compare", "a.slc", FIXTURE).out.startswith("identical")
    scene.folder(Path("images"))
    batch = scene.batch(0, range(3))
    half = labelcodec.Labels(batch.labels.classes, batch.labels.value.astype("float16"))
    batch = labelcodec.LabelBatch(0, 0, batch.image_index, batch.augmentation, half)
    scene.write(Path("b.slc"), [batch], codec="x-plain")
    assert len(ReplayDataset("b.slc", "images")[0].labels.value) == 3


@pytest.fixture
def orphan(plain, tmp_path, monkeypatch) -> Path:
    """A container whose codec is no longer there."""
    monkeypatch.chdir(tmp_path)
    path = Path("orphan.slc")
    labelcodec.encode(FIXTURE, path, codec="x-plain")
    CODECS.unregister("x-plain")
    return path


MISSING = "orphan.slc: codec 'x-plain' is not installed; install the package that provides it"


def test_labels_of_a_missing_codec(capsys, orphan) -> None:
    with labelcodec.open(orphan) as reader:
        assert reader.missing_codec() == MISSING
        assert "x-plain" in repr(reader)
        assert sum(reader.component_bytes(0).values()) == reader.index.size[0]
        with pytest.raises(UnsupportedError, match=r"^orphan\.slc: .*codec 'x-plain' is not inst"):
            reader[0]
    for args in (("decode", orphan, "dump"), ("compare", orphan, orphan)):
        outcome = call(capsys, *args)
        assert (outcome.status, outcome.out) == (1, "")
        assert outcome.err.startswith("labelcodec: error: orphan.slc: ")
        assert "codec 'x-plain' is not installed; install the package" in outcome.err


def test_what_needs_no_labels_works_without_the_codec(capsys, orphan) -> None:
    assert "x-plain" in call(capsys, "inspect", orphan).out
    stats = call(capsys, "stats", orphan, "--json").json()
    assert stats["undecoded"] == MISSING
    assert sum(stats["components"].values()) == stats["bytes_total"] == orphan.stat().st_size
    assert stats["components"]["crop"] > 0
    assert call(capsys, "stats", orphan).status == 0
    assert call(capsys, "merge", "merged.slc", orphan).status == 0
    assert verify("merged.slc").batches == 2


def test_verify_checks_checksums_without_the_codec(capsys, orphan) -> None:
    report = verify(orphan)
    assert (report.batches, report.problems, report.undecoded) == (2, (), MISSING)
    assert not report.sound
    outcome = call(capsys, "verify", orphan, "--json")
    assert outcome.status == 1
    assert json.loads(outcome.out)["undecoded"] == MISSING
    data = bytearray(orphan.read_bytes())
    data[len(data) // 2] ^= 1
    orphan.write_bytes(data)
    assert "checksum" in str(verify(orphan).problems)


def test_a_name_in_a_file_imports_nothing(orphan, monkeypatch, tmp_path) -> None:
    (tmp_path / "evil.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    with labelcodec.open(orphan) as reader:
        header = reader.header
    for name in ("evil", "x-evil", "evil:ENTRY", "x-evil:ENTRY", "tests.evil"):
        path = tmp_path / "named.slc"
        with RecordWriter(path, replace(header, codec=name).to_map(), force=True):
            pass
        with labelcodec.open(path) as reader:
            assert repr(name) in str(reader.missing_codec())
    assert "evil" not in sys.modules
