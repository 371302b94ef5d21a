"""Uploads to a stand-in of the Hub."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from labelcodec.errors import MismatchError, RemoteError
from labelcodec.publishing import card, push
from tests.cli.call import call
from tests.publishing.writable_hub import COMMIT, WritableHub, serving

constants = pytest.importorskip("huggingface_hub.constants")
EXAMPLE = Path(__file__).parents[2] / "examples/cifar10-ipc10/labels.slc"


@pytest.fixture(autouse=True)
def _no_login(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_PROGRESS_BARS", True)
    monkeypatch.delenv("HF_TOKEN", raising=False)


@pytest.fixture
def hub() -> Iterator[WritableHub]:
    with serving(WritableHub()) as running:
        yield running


@pytest.mark.parametrize("private", [False, True])
def test_one_commit_with_the_card(hub, private) -> None:
    made = card(EXAMPLE, repo="org/name", license="mit")
    report = push(made, private=private, token=hub.token, endpoint=hub.url)
    assert hub.files == {"README.md": str(made).encode(), "labels.slc": EXAMPLE.read_bytes()}
    assert hub.commits == ["name: soft labels in the labelcodec format"]
    assert hub.private == private
    assert (report.commit, report.files) == (COMMIT, ["README.md", "labels.slc"])
    assert (report.bytes, report.url) == (58967, f"{hub.url}/datasets/org/name/commit/{COMMIT}")


def test_what_is_there_is_replaced_only_by_force(hub) -> None:
    hub.files = {"README.md": b"own words", "other": b""}
    made = card(EXAMPLE, repo="org/name")
    with pytest.raises(MismatchError, match=r"org/name: has README\.md already; pass `force=True`"):
        push(made, token=hub.token, endpoint=hub.url)
    assert hub.files["README.md"] == b"own words" and not hub.commits
    push(made, force=True, token=hub.token, endpoint=hub.url)
    assert sorted(hub.files) == ["README.md", "labels.slc", "other"] and len(hub.commits) == 1


def test_without_the_right_token(hub) -> None:
    made = card(EXAMPLE, repo="org/name")
    for token in ("hf_other", None):
        with pytest.raises(RemoteError, match=r"the Hub refuses to write there: log in with `hf"):
            push(made, token=token, endpoint=hub.url)
    assert not hub.files


def test_without_a_network() -> None:
    with pytest.raises(RemoteError, match="org/name: nothing was uploaded"):
        push(card(EXAMPLE, repo="org/name"), token="hf_x", endpoint="http://127.0.0.1:9")


def test_command(hub, capsys, monkeypatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", hub.url)
    monkeypatch.setenv("HF_TOKEN", hub.token)
    outcome = call(capsys, "push", EXAMPLE, "org/name", "--license", "mit", "--json")
    assert outcome.json()["commit"] == COMMIT and "labels.slc" in hub.files
    again = call(capsys, "push", EXAMPLE, "org/name")
    assert again.status == 1 and "--force" in again.err
