"""Labels on the Hub: revisions, its cache, private repositories, and no network."""

from __future__ import annotations

import pickle
from collections.abc import Iterator

import pytest

import labelcodec
from labelcodec.errors import ConfigError, RemoteError
from labelcodec.remote import RemoteFile, hub
from labelcodec.remote.hub import HubAddress, matches
from tests.labelsets import batches, write
from tests.remote.hub import COMMITS, Hub
from tests.remote.same import assert_same
from tests.remote.server import Web, serving

constants = pytest.importorskip("huggingface_hub.constants")
URL = "hf://datasets/org/name/labels.slc"


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_PROGRESS_BARS", True)
    monkeypatch.delenv("HF_TOKEN", raising=False)


@pytest.fixture
def stub(content, tmp_path) -> Hub:
    other = write(tmp_path / "other.slc", batches(range(200))).read_bytes()
    files = {COMMITS[0]: {"labels.slc": content}, COMMITS[1]: {"labels.slc": other}}
    return Hub({"main": COMMITS[0], "v1": COMMITS[1]}, files)


@pytest.fixture
def web(stub) -> Iterator[Web]:
    with serving(stub.web()) as running:
        yield running


@pytest.fixture
def large(monkeypatch) -> None:
    """All files are too large to be downloaded unasked."""
    monkeypatch.setattr(hub, "SMALL", 0)


def options(web: Web, **more: str) -> dict[str, str]:
    return {"endpoint": web.url, **more}


def test_a_small_file_comes_out_of_the_hubs_cache(web, stub, path, tmp_path) -> None:
    for _ in range(2):
        with labelcodec.open(URL, storage_options=options(web)) as reader:
            assert_same(reader, path)
    assert sum(request.sent for request in web.requests) == path.stat().st_size
    assert list((tmp_path / "hub").glob(f"datasets--org--name/snapshots/{COMMITS[0]}/labels.slc"))


@pytest.mark.usefixtures("large")
def test_a_large_file_is_read_by_ranges_of_one_commit(web, stub, path, content) -> None:
    with labelcodec.open(URL, storage_options=options(web)) as reader:
        stub.revisions["main"] = COMMITS[1]
        assert_same(reader, path)
        assert web.sent < 1.2 * len(content)
        assert stub.resolved.count("main") == 1
        again = pickle.loads(pickle.dumps(reader))
        assert COMMITS[0] in again.paths[0].url
        assert_same(again, path, [250])


@pytest.mark.usefixtures("large")
def test_a_revision_is_read(web) -> None:
    for revision in ("v1", COMMITS[1]):
        url = f"hf://datasets/org/name@{revision}/labels.slc"
        with labelcodec.open(url, storage_options=options(web)) as reader:
            assert len(reader) == 200 and reader[199].number == 199


def test_readers_of_small_files_keep_their_commit(web, stub, path) -> None:
    reader = labelcodec.open(URL, storage_options=options(web))
    sent = pickle.dumps(reader)
    stub.revisions["main"] = COMMITS[1]
    assert_same(pickle.loads(sent), path, [250])


def test_without_the_hub_its_cache_is_read(web, stub, path, monkeypatch) -> None:
    labelcodec.open(URL, storage_options=options(web)).close()
    web.faults = lambda: "503"
    with serving(Web({})) as gone:
        address = gone.url
    with labelcodec.open(URL, storage_options={"endpoint": address}) as reader:
        assert_same(reader, path, [3])
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with labelcodec.open(URL, storage_options=options(web)) as reader:
        assert_same(reader, path, [3])
    with pytest.raises(RemoteError, match=r"is not in the Hub's cache.* offline mode"):
        labelcodec.open("hf://datasets/org/name@v1/labels.slc", storage_options=options(web))


def test_no_network_and_no_copy() -> None:
    with serving(Web({})) as gone:
        address = gone.url
    with pytest.raises(RemoteError, match="no answer of the Hub"):
        labelcodec.open(URL, storage_options={"endpoint": address})


def test_private_repositories(stub, path) -> None:
    stub.token = "hf_secret"
    with serving(stub.web()) as web:
        with pytest.raises(RemoteError, match=r"private or gated: log in .* HF_TOKEN"):
            labelcodec.open(URL, storage_options=options(web))
        for cache in (None, "file"):
            labels = RemoteFile(URL, options(web, token="hf_secret"), cache)
            with labelcodec.open(labels) as reader:
                assert_same(reader, path, [250])


@pytest.mark.usefixtures("large")
def test_the_token_stays_with_the_hub(stub, path) -> None:
    stub.token = "hf_secret"
    with serving(stub.web()) as web:
        with labelcodec.open(URL, storage_options=options(web, token="hf_secret")) as reader:
            assert_same(reader, path, [250])
        content = [each for each in web.requests if each.path.startswith("/content/")]
        assert len(content) == 3 and not any(each.authorization for each in content)


@pytest.mark.parametrize(
    ("url", "error", "said"),
    [
        ("hf://datasets/org/name@gone/labels.slc", RemoteError, "no such revision"),
        ("hf://datasets/org/name/none.slc", FileNotFoundError, "no such file in the repository"),
        ("hf://datasets/org/none/labels.slc", RemoteError, "no such repository"),
        ("hf://datasets/org/name", ConfigError, "expected hf://datasets/OWNER/NAME/FILE"),
        ("hf://datasets/labels.slc", ConfigError, "expected hf://datasets/OWNER/NAME/FILE"),
    ],
)
def test_wrong_addresses(web, url, error, said) -> None:
    with pytest.raises(error, match=said):
        labelcodec.open(url, storage_options=options(web))


def test_unknown_options() -> None:
    with pytest.raises(ConfigError, match="token and endpoint, not key"):
        labelcodec.open(URL, storage_options={"key": "x"})


def test_patterns_are_of_one_commit(web, stub, tmp_path) -> None:
    for rank in range(2):
        shard = write(tmp_path / f"{rank}.slc", batches(range(rank, 20, 2)))
        for where, name in ((stub.files[COMMITS[0]], f"set/a-{rank}-of-2.slc"),):
            where[name] = shard.read_bytes()
            web.files[f"/content/{COMMITS[0]}/{name}"] = where[name]
    labels = labelcodec.open("hf://datasets/org/name/set/*.slc", storage_options=options(web))
    assert labels.index.number.tolist() == list(range(20))
    assert all(COMMITS[0] in path.url for path in labels.paths)
    with pytest.raises(FileNotFoundError, match="no file matches"):
        labelcodec.open("hf://datasets/org/name/*.none", storage_options=options(web))


@pytest.mark.parametrize(
    "url",
    [
        "hf://datasets/org/name/a/b.slc",
        "hf://org/name@v1/b.slc",
        "hf://spaces/org/name@refs%2Fpr%2F1/b.slc",
    ],
)
def test_addresses_are_written_as_they_are_read(url: str) -> None:
    assert HubAddress.of(RemoteFile(url)).url() == url


def test_pull_requests_and_patterns() -> None:
    address = HubAddress.of(RemoteFile("hf://datasets/org/name@refs/pr/1/a/b.slc"))
    assert (address.revision, address.path) == ("refs/pr/1", "a/b.slc")
    assert matches("a/b.slc", "a/*.slc") and not matches("a/b/c.slc", "a/*.slc")
