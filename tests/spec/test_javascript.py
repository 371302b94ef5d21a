"""The reader in examples/javascript, written from the specification, reads the golden files."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest
import zstandard

from tests.attacks import codecs, container, file, indices, places
from tests.attacks.labelset import LabelSet
from tests.spec.golden import ENTRIES, VECTORS, expected

FOLDER = Path(__file__).parents[2] / "examples" / "javascript"
NODE = shutil.which("node")
READS = ("dense", "topk")
ARRAYS = ("image_index", "label_index", "label_value", "label_floor", "label_count")
SKIPPED = ("crop_", "flip_", "mix_", "cutout_", "seeds_", "randaugment_", "header_k_float")
HEADER = {
    "classes": 10,
    "labels": {"space": "logits", "precision": "float16"},
    "codec": {"name": "dense", "config": {}},
    "creator": "tests",
    "version": "1",
}
DRAWN = ("recipe", "order", "sequences")  # image indices there are drawn, or numbers of sequences

pytestmark = pytest.mark.skipif(NODE is None, reason="node is not installed")


def codec_of(entry: dict[str, Any]) -> str:
    name: str = entry["codec"].partition(":")[0]
    return name


def integers(found: dict[str, Any]) -> Any:
    """Hook of json: integers beyond 2^53 and binaries as the golden files have them."""
    if found.keys() == {"integer"}:
        return int(found["integer"])
    return found["hex"] if found.keys() == {"hex"} else found


def decoded(paths: list[Path]) -> list[dict[str, Any]]:
    """What the reader makes of files."""
    done = subprocess.run(
        [str(NODE), str(FOLDER / "decode.mjs"), *map(str, paths)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line, object_hook=integers) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def results() -> dict[Path, dict[str, Any]]:
    paths = [entry["path"] for entry in ENTRIES]
    return dict(zip(paths, decoded(paths), strict=True))


def arrays_of(result: dict[str, Any], wanted: dict[str, Any]) -> dict[str, Any]:
    """Arrays of a result, in the dtypes and shapes of the golden ones where these have them."""
    out: dict[str, Any] = {}
    for batch in result["batches"]:
        prefix = f"batch{batch['number']}."
        out |= {prefix + "number": batch["number"], prefix + "epoch": batch["epoch"]}
        for name in ARRAYS:
            if batch.get(name) is None:
                continue
            target = wanted[prefix + name]
            bits = f"u{target.dtype.itemsize}" if name in ("label_value", "label_floor") else "i8"
            if bits != "i8":
                assert batch["type"] == f"Uint{8 * target.dtype.itemsize}Array"
            out[prefix + name] = np.array(batch[name], bits).reshape(target.shape)
    return out


@pytest.mark.parametrize(
    "entry",
    [entry for entry in ENTRIES if codec_of(entry) in READS],
    ids=lambda entry: f"{entry['path'].parents[1].name}/{entry['file']}",
)
def test_golden_files_of_dense_and_topk_are_decoded(
    entry: dict[str, Any], results: dict[Path, dict[str, Any]]
) -> None:
    result, wanted = results[entry["path"]], expected(entry)
    assert "error" not in result
    assert result["header"] == json.loads(str(wanted["header"]))
    assert (result["names"] is None) == ("names" not in wanted)
    assert result["names"] is None or result["names"] == wanted["names"].tolist()
    arrays = arrays_of(result, wanted)
    for name, array in arrays.items():
        assert np.asarray(array).tobytes() == wanted[name].tobytes(), name
    drawn = entry["file"].startswith(DRAWN)
    names = [name for name in ("number", "epoch", *ARRAYS) if not (drawn and name == "image_index")]
    missing = {name for name in wanted if name.partition(".")[2] in names} - set(arrays)
    assert not missing


def test_labels_of_other_codecs_are_refused(results: dict[Path, dict[str, Any]]) -> None:
    others = [entry for entry in ENTRIES if codec_of(entry) not in READS]
    with_batches = [entry for entry in others if results[entry["path"]].get("batches") != []]
    assert len(with_batches) > 20
    for entry in with_batches:
        assert codec_of(entry) in results[entry["path"]]["error"]


def test_every_damaged_byte_is_told(tmp_path: Path) -> None:
    """Clauses C-5 and C-11; damage in the preamble, a length or a checksum is none either."""
    data = (VECTORS / "v1.0/container/image-names.slc").read_bytes()
    paths = []
    for position in range(0, len(data), 3):
        paths.append(tmp_path / f"{position}.slc")
        flipped = bytes([data[position] ^ 1 << position % 8])
        paths[-1].write_bytes(data[:position] + flipped + data[position + 1 :])
    for length in range(0, len(data), 7):
        paths.append(tmp_path / f"cut{length}.slc")
        paths[-1].write_bytes(data[:length])
    results = decoded(paths)
    assert [
        path.name for path, result in zip(paths, results, strict=True) if "error" not in result
    ] == []


def reads(made: LabelSet) -> bool:
    codec = made.header.get("codec")
    return not isinstance(codec, dict) or codec.get("name") in READS


def test_hostile_labels_are_refused(tmp_path: Path) -> None:
    """Some of the content attacks of the library's own tests: an error for each, in time."""
    names = [name for name in codecs.CASES if not name.startswith(SKIPPED)]
    made = {tmp_path / f"{name}.slc": codecs.CASES[name][0]() for name in names[::5]}
    paths = [path for path, label_set in made.items() if reads(label_set)]
    for path in paths:
        made[path].write(path)
    assert len(paths) > 30
    results = zip(paths, decoded(paths), strict=True)
    assert [path.name for path, result in results if "error" not in result] == []


def test_hostile_containers_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those with a wrong index before any batch is read."""
    monkeypatch.setattr(file.small, "__defaults__", (msgpack.packb(HEADER), None))
    attacks = {tmp_path / f"{name}.slc": what for name, what in container.ATTACKS.items()}
    for path, (attack, _) in attacks.items():
        path.write_bytes(attack())
    results = {
        path.stem: result["error"]
        for path, result in zip(attacks, decoded(list(attacks)), strict=True)
    }
    assert len(results) == len(attacks)
    for name in [*places.ATTACKS, *indices.ATTACKS]:
        assert results[name].startswith(("index", "zstd frame")), name


def with_prefix(prefix: bytes, side: bytes = b"\0\0") -> bytes:
    """The file of section 11, with another side number and prefix of its batch, checksums right."""
    data = (VECTORS / "v1.0/container/one-batch.slc").read_bytes()
    made = file.File()
    made.section(b"H", data[21:144])
    made.section(b"S", side + data[155:289])
    made.batch(7, prefix + data[303:337], samples=3)
    made.columns[0][4] = 1  # epoch
    return made.bytes()


@pytest.mark.parametrize(
    ("made", "error"),
    [
        (with_prefix(b"\0\0\3\7\1"), None),
        (with_prefix(b"\0\0\x83\0\7\1"), "more bytes than it needs"),
        (with_prefix(b"\0\0\3\6\1"), "not as the index says"),
        (with_prefix(b"\1\0\3\7\1"), "no side information 1"),
        (with_prefix(b"\0\0\3\7\1", b"\1\0"), "it has another number"),
    ],
    ids=["as it is", "long varint", "another number", "no such side", "side misnumbered"],
)
def test_prefixes_of_batches(made: bytes, error: str | None, tmp_path: Path) -> None:
    """Clauses C-13 to C-15."""
    path = tmp_path / "batch.slc"
    path.write_bytes(made)
    (result,) = decoded([path])
    assert (
        error is None if "error" not in result else error is not None and error in result["error"]
    )


FRAMES = """
import { readFileSync } from "node:fs";
import { createHash } from "node:crypto";
import { argv } from "node:process";
import { decompress } from "ZSTD";
for (const path of argv.slice(2)) {
  const content = decompress(new Uint8Array(readFileSync(path)), 0, 2 ** 24);
  console.log(createHash("sha256").update(content).digest("hex"));
}
"""


def test_zstd_frames_of_all_levels(tmp_path: Path) -> None:
    """Predefined, repeated and one-symbol tables; literals in one stream and in four."""
    rng = np.random.default_rng(0)
    contents = [b"", b"a", b"a" * 1000, b"ab" * 70_000, rng.bytes(150_000), rng.bytes(50) * 99]
    for n in (5, 300, 5000, 200_000):
        contents += [
            np.minimum(rng.geometric(0.2, n), 255).astype(np.uint8).tobytes(),
            np.cumsum(rng.integers(0, 9, n)).astype("<i8").tobytes()[: 4 * n],
            " ".join(f"n{i:08d}/{i % 7}.JPEG" for i in rng.integers(0, 99, n // 16)).encode(),
        ]
    paths, digests = [], []
    for content in contents:
        for level in (-5, 1, 6, 19):
            compressor = zstandard.ZstdCompressor(level=level, write_checksum=level == 6)
            paths.append(tmp_path / f"{len(paths)}.zst")
            paths[-1].write_bytes(compressor.compress(content))
            digests.append(hashlib.sha256(content).hexdigest())
    script = tmp_path / "frames.mjs"
    script.write_text(FRAMES.replace("ZSTD", (FOLDER / "zstd.js").as_uri()))
    command = [str(NODE), str(script), *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    assert done.stdout.split() == digests


@pytest.mark.parametrize("page", ["docs/readers.md", "examples/javascript/README.md"])
def test_pages_show_how_it_is_called(page: str, tmp_path: Path) -> None:
    (code,) = re.findall(r"```js\n(.*?)```", (FOLDER.parents[1] / page).read_text(), re.DOTALL)
    path = VECTORS / "v1.0/container/one-batch.slc"
    code = code.replace("./slc.js", (FOLDER / "slc.js").as_uri()).replace(
        "\n\n",
        f'\n\nconst blob = new Blob([(await import("node:fs")).readFileSync("{path}")]);\n',
        1,
    )
    script = tmp_path / "page.mjs"
    script.write_text(code + "console.log(JSON.stringify([k, [...index], [...value]]));\n")
    done = subprocess.run([str(NODE), script], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [2, [2, 0, 1, 4, 1, 2], [3.5, 1, 4, 2, 2.5, 2.5]]


def test_the_reader_is_short() -> None:
    """Its page and zstd apart, as its README says."""
    reader = ("slc.js", "header.js", "labels.js", "entropy.js", "bytes.js")
    lines = [line.strip() for name in reader for line in (FOLDER / name).read_text().splitlines()]
    code = [line for line in lines if line and not line.startswith(("//", "/*", "*"))]
    assert len(code) < 600
