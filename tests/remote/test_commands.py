"""Commands that take URLs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import labelcodec
from tests.cli.call import FIXTURE, call
from tests.remote.hub import COMMITS, Hub
from tests.remote.server import Web, serving


@pytest.fixture(scope="module")
def labels(tmp_path_factory):
    path = tmp_path_factory.mktemp("labels") / "labels.slc"
    labelcodec.encode(FIXTURE, path)
    return path


@pytest.fixture
def url(labels):
    with serving(Web({"/labels.slc": labels.read_bytes()})) as web:
        yield f"{web.url}/labels.slc"


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_inspect_stats_and_verify_say_of_a_url_what_they_say_of_its_file(capsys, labels, url):
    for command, *options in (["inspect", "--batch", 0], ["stats"], ["verify"]):
        local = call(capsys, command, labels, *options, "--json").json()
        remote = call(capsys, command, url, *options, "--json").json()
        assert remote == json.loads(json.dumps(local).replace(str(labels), url))
    assert call(capsys, "inspect", url, "--html", "page.html").status == 0


def test_verify_of_a_sample(capsys, labels, url) -> None:
    for file in (labels, url):
        assert call(capsys, "verify", file, "--sample", 1, "--json").json()["checked"] == 1
        done = call(capsys, "verify", file, "--sample", 1)
        assert (done.status, "checked 1 batch, chosen" in done.err) == (0, True)
        assert call(capsys, "verify", file, "--sample", 9, "--json").json()["checked"] == 2


def test_decode_compare_and_encode(capsys, labels, url, tmp_path) -> None:
    assert call(capsys, "decode", url, "copy").status == 0
    assert call(capsys, "compare", "copy", url).status == 0
    assert call(capsys, "compare", url, labels).status == 0
    assert call(capsys, "encode", url, "small.slc", "--codec", "topk:k=5").status == 0
    assert call(capsys, "stats", "small.slc", "--against", url, "--json").json()["fidelity"]
    assert call(capsys, "merge", "merged.slc", url).status == 0
    assert (tmp_path / "merged.slc").stat().st_size == labels.stat().st_size


def test_the_hub_by_its_environment(capsys, labels, monkeypatch, tmp_path) -> None:
    constants = pytest.importorskip("huggingface_hub.constants")
    content = labels.read_bytes()
    with serving(Hub({"main": COMMITS[0]}, {COMMITS[0]: {"labels.slc": content}}).web()) as web:
        template = f"{web.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr(constants, "ENDPOINT", web.url)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
        done = call(capsys, "verify", "hf://datasets/org/name/labels.slc")
        assert (done.status, "sound, 2 batches" in done.out) == (0, True)


def test_the_cache_by_the_environment(capsys, labels, monkeypatch, tmp_path) -> None:
    with serving(Web({"/labels.slc": labels.read_bytes()}, ranges=False)) as web:
        url = f"{web.url}/labels.slc"
        refused = call(capsys, "verify", url)
        assert "open it with LABELCODEC_REMOTE_CACHE=file, which downloads it" in refused.err
        monkeypatch.setenv("LABELCODEC_REMOTE_CACHE", "file")
        assert call(capsys, "verify", url).status == 0
        assert call(capsys, "verify", url).status == 0
        assert len(list((tmp_path / "cache").rglob("*.slc"))) == 1
        whole = [request for request in web.requests if request.range is None]
        assert len(whole) == 1  # the copy of this version is found again
        monkeypatch.setenv("LABELCODEC_REMOTE_CACHE", "disk")
        wrong = call(capsys, "verify", url)
        assert wrong.status == 2 and "is file or blocks, not 'disk'" in wrong.err
        assert call(capsys, "verify", labels).status == 0


@pytest.mark.parametrize("command", ["train", "replay"])
def test_commands_of_training_keep_what_they_read(capsys, monkeypatch, tmp_path, command) -> None:
    folder = Path(__file__).parents[2] / "examples/cifar10-ipc10"
    made = {"train": ("run", "--set", "model=convnet", "--set", "epochs=1"), "replay": ()}[command]
    few = ("--set", "batches_per_epoch=2") if command == "train" else ("--out", "sheet.png")
    monkeypatch.setenv("LABELCODEC_REMOTE_CACHE", "blocks")
    with serving(Web({"/labels.slc": (folder / "labels.slc").read_bytes()})) as web:
        done = call(capsys, command, f"{web.url}/labels.slc", folder / "images", *made, *few)
    assert done.status == 0, done.err
    assert list((tmp_path / "cache").rglob("*.blocks"))


def test_merge_of_a_pattern(capsys, labels) -> None:
    for part in ("1/2", "2/2"):
        assert call(capsys, "encode", FIXTURE, "set.slc", "--part", part).status == 0
    content = {f"/{path.name}": path.read_bytes() for path in Path().glob("set-*.slc")}
    listing = "".join(f'<a href="{name[1:]}">shard</a>' for name in content).encode()
    with serving(Web({"/": listing, **content})) as web:
        merged = call(capsys, "merge", "all.slc", f"{web.url}/set-*.slc", "--json").json()
    assert merged["merged"] == 2
    assert call(capsys, "merge", "here.slc", "set-*.slc").status == 0
    assert Path("here.slc").read_bytes() == Path("all.slc").read_bytes()
    missing = call(capsys, "merge", "none.slc", "nothing-*.slc")
    assert missing.status == 1 and "no file matches 'nothing-*.slc'" in missing.err


def test_credentials_by_the_environment(labels) -> None:
    """fsspec reads its variables when it is imported."""
    with serving(Web({"/labels.slc": labels.read_bytes()}, token="t")) as web:
        command = [sys.executable, "-m", "labelcodec", "verify", f"{web.url}/labels.slc"]
        refused = subprocess.run(command, capture_output=True, text=True, check=False)
        assert "password in the environment variable FSSPEC_PROTOCOL, such as" in refused.stderr
        options = json.dumps({"headers": {"Authorization": "Bearer t"}})
        environment = {**os.environ, "FSSPEC_HTTPS": options}
        done = subprocess.run(command, env=environment, capture_output=True, check=False)
        assert (refused.returncode, done.returncode) == (1, 0)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["inspect", "URL/none.slc"], "none.slc: no such file on the server"),
        (["annotate", "URL/labels.slc", "--note", "x"], "annotate a copy"),
        (["repair", "URL/labels.slc"], "reads no addresses"),
        (["encode", "URL/labels.slc", "a.slc"], "--codec or --tables is required"),
        (["encode", "URL/labels.slc", "a.slc", "--layout", "lpld"], "required to re-encode"),
        (["inspect", "https:/example.org/a.slc"], "pass https://example.org/a.slc"),
        (["stats", "hf:/datasets/org/name/labels.slc"], "pass hf://datasets/org/name/labels.slc"),
        (["inspect", "nothing://x"], "nothing://x: cannot be opened"),
    ],
)
def test_errors_are_one_line(capsys, url, arguments, said) -> None:
    base = url.rpartition("/")[0]
    done = call(capsys, *(argument.replace("URL", base) for argument in arguments))
    assert done.status in (1, 2) and done.err.count("\n") == 1
    assert said in done.err


@pytest.mark.parametrize("content", [b"\x1f\x8b\x08", b"PK\x03\x04", b"BZh9"])
def test_an_archive_elsewhere(capsys, content) -> None:
    with serving(Web({"/dump.tar.gz": content + bytes(500)})) as web:
        done = call(capsys, "encode", f"{web.url}/dump.tar.gz", "a.slc", "--codec", "dense")
    assert done.status == 1 and done.err.count("\n") == 1
    assert "an archive: download and unpack it, and pass the folder" in done.err


def test_what_a_command_reads_is_not_said_to_be_unread(capsys, url) -> None:
    for address in (f"{url}s", f"{url.rpartition('/')[0]}/*.slc"):
        assert "reads no addresses" not in call(capsys, "inspect", address).err


def test_a_missing_extra_is_named(capsys, url, monkeypatch) -> None:
    for package in ("fsspec", "aiohttp"):
        with monkeypatch.context() as patch:
            patch.setitem(__import__("sys").modules, package, None)
            done = call(capsys, "inspect", url)
        assert done.status == 1
        assert f"needs {package}, which is not installed: pip install 'labelcodec[remote]'" in (
            done.err
        )
