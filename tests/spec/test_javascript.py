"""The reader in examples/javascript, written from the specification, reads the golden files."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest

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
