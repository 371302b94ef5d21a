"""Labels on a web server: requests and bytes, faults, and servers that serve no ranges."""

from __future__ import annotations

import random
from collections import Counter

import pytest

import labelcodec
from labelcodec.errors import FormatError, MismatchError, RemoteError
from labelcodec.positions import in_order
from labelcodec.remote.ranges import HEAD
from tests.labelsets import batches, write
from tests.remote.same import assert_same
from tests.remote.server import Web, serving

OPENING = HEAD + (8 << 10)  # bytes


def web_of(content: bytes, **how) -> Web:
    return Web({"/labels.slc": content}, **how)


def test_opening_costs_two_requests_and_a_batch_a_third(path, content) -> None:
    with serving(web_of(content)) as web, labelcodec.open(f"{web.url}/labels.slc") as reader:
        assert len(web.requests) == 2
        assert len(content) > web.sent
        assert_same(reader, path, [200])
        assert len(web.requests) == 3
        needed = int(reader.index.size[200])
        assert web.requests[-1].sent == needed and web.sent <= needed + OPENING


def test_batches_in_recorded_order_come_in_few_requests(path, content) -> None:
    with serving(web_of(content)) as web, labelcodec.open(f"{web.url}/labels.slc") as reader:
        assert_same(reader, path)
        assert len(web.requests) < len(reader) / 10
        assert web.sent < 1.2 * len(content)


def test_announced_batches_are_fetched_once_and_in_few_requests(path, content) -> None:
    order = list(range(300))
    random.Random(1).shuffle(order)
    with serving(web_of(content)) as web, labelcodec.open(f"{web.url}/labels.slc") as reader:
        for position in in_order(order):
            reader[position]
        spans = Counter(request.range for request in web.requests)
        assert max(spans.values()) == 1
        assert web.sent <= 1.1 * len(content) + OPENING
        assert_same(reader, path, order)


@pytest.mark.parametrize(
    "fault", ["drop", "truncate", "shift", "short", "garble", "429", "503", "500"]
)
def test_every_second_answer_is_wrong_and_no_label_is(path, content, fault) -> None:
    faults = iter([None, fault] * 10_000)
    with (
        serving(web_of(content, faults=lambda: next(faults))) as web,
        labelcodec.open(f"{web.url}/labels.slc") as reader,
    ):
        assert_same(reader, path, range(0, 300, 7))


@pytest.mark.parametrize(
    "first", [[None, "garble"], ["garble"], ["garble_first"], [None, "garble_last"]]
)
def test_a_garbled_head_or_tail_is_fetched_again(path, content, first) -> None:
    faults = iter([*first, *[None] * 1000])
    with (
        serving(web_of(content, faults=lambda: next(faults))) as web,
        labelcodec.open(f"{web.url}/labels.slc") as reader,
    ):
        assert_same(reader, path, [0, 299])


@pytest.mark.parametrize(
    ("fault", "said"), [("drop", "no answer"), ("truncate", "times in a row"), ("503", "503")]
)
def test_a_server_that_never_answers_is_named(content, fault, said) -> None:
    message = rf"labels\.slc: .*{said}.*try again later"
    with (
        serving(web_of(content, faults=lambda: fault)) as web,
        pytest.raises(RemoteError, match=message),
    ):
        labelcodec.open(f"{web.url}/labels.slc")


def test_a_record_that_stays_damaged_is_named_with_its_publisher(content) -> None:
    with serving(web_of(content)) as web, labelcodec.open(f"{web.url}/labels.slc") as reader:
        web.faults = lambda: "garble"
        with pytest.raises(FormatError, match=r"checksum .* tell its publisher"):
            reader[250]


def test_retry_after_is_waited_for(content, monkeypatch) -> None:
    waited = []
    monkeypatch.setattr("labelcodec.remote.retrying.LONGEST_PAUSE", 60.0)
    monkeypatch.setattr("labelcodec.remote.retrying.time.sleep", waited.append)
    faults = iter(["429", *[None] * 100])
    with serving(web_of(content, faults=lambda: next(faults), headers={"Retry-After": "7"})) as web:
        labelcodec.open(f"{web.url}/labels.slc").close()
    assert [seconds for seconds in waited if seconds] == [7.0]


@pytest.mark.parametrize("cut", [False, True])
def test_a_file_replaced_under_a_reader_is_told(path, content, tmp_path, cut) -> None:
    other = write(tmp_path / "other.slc", batches(range(300)[::-1])).read_bytes()
    with serving(web_of(content)) as web, labelcodec.open(f"{web.url}/labels.slc") as reader:
        assert_same(reader, path, [150])
        web.files["/labels.slc"] = content[:5000] if cut else other
        with pytest.raises(MismatchError, match="was replaced while it was read"):
            reader[200]


def test_another_version_of_the_same_bytes_is_told(path, content) -> None:
    """Labels of another file would be taken where its records stand in the same places."""
    with serving(web_of(content)) as web, labelcodec.open(f"{web.url}/labels.slc") as reader:
        assert_same(reader, path, [150])
        web.etag = lambda _: '"another"'
        with pytest.raises(MismatchError, match="was replaced while it was read"):
            reader[220]


def test_a_small_file_may_come_whole(tmp_path) -> None:
    small = write(tmp_path / "small.slc", batches(range(9)))
    with (
        serving(web_of(small.read_bytes(), ranges=False)) as web,
        labelcodec.open(f"{web.url}/labels.slc") as reader,
    ):
        assert_same(reader, small)
        assert len(web.requests) == 1


def test_without_an_etag_the_size_is_compared(path, content) -> None:
    with (
        serving(web_of(content, etag=None)) as web,
        labelcodec.open(f"{web.url}/labels.slc") as reader,
    ):
        assert_same(reader, path, [7, 290])
        web.files["/labels.slc"] = content + b"more"
        with pytest.raises(MismatchError, match="was replaced"):
            reader[220]


def test_a_server_without_ranges_is_told_and_its_file_downloaded(path, content) -> None:
    faults = iter([None, "truncate", *[None] * 9])
    with serving(web_of(content, ranges=False, faults=lambda: next(faults))) as web:
        url = f"{web.url}/labels.slc"
        with pytest.raises(RemoteError, match=r"ignores ranges .*cache='file'"):
            labelcodec.open(url)
        with labelcodec.open(url, cache="file") as reader:
            assert_same(reader, path)
        assert len(web.requests) == 3


def test_the_copy_of_a_server_without_ranges_is_of_one_version(path, content, tmp_path) -> None:
    other = write(tmp_path / "other.slc", batches(range(280)))

    def etag(content: bytes) -> str:
        return f'"{len(content)}"'

    with serving(web_of(content, ranges=False, etag=etag)) as web:
        url = f"{web.url}/labels.slc"

        def requests_of_opening(file) -> int:
            before = len(web.requests)
            with labelcodec.open(url, cache="file") as reader:
                assert_same(reader, file)
            return len(web.requests) - before

        assert [requests_of_opening(path) for _ in range(2)] == [2, 1]
        web.files["/labels.slc"] = other.read_bytes()
        assert [requests_of_opening(other) for _ in range(2)] == [2, 1]
        versions = iter(['"1"', '"2"'])
        web.etag = lambda _: next(versions)
        with pytest.raises(MismatchError, match="was replaced while it was downloaded; open it"):
            labelcodec.open(url, cache="file")
        web.etag = None
        assert [requests_of_opening(other) for _ in range(2)] == [2, 2]


@pytest.mark.parametrize("cache", ["file", "blocks"])
def test_what_was_read_stays_on_disk_until_the_file_is_another(path, content, cache) -> None:
    with serving(web_of(content)) as web:
        url = f"{web.url}/labels.slc"
        with labelcodec.open(url, cache=cache) as reader:
            assert_same(reader, path)
        opened = len(web.requests)
        with labelcodec.open(url, cache=cache) as reader:
            assert_same(reader, path)
        assert len(web.requests) == opened + 1
        web.files["/labels.slc"] = content[::-1]
        with pytest.raises(FormatError, match="not a labelcodec container"):
            labelcodec.open(url, cache=cache)


def test_damaged_blocks_are_fetched_again(path, content, tmp_path) -> None:
    with serving(web_of(content)) as web:
        url = f"{web.url}/labels.slc"
        with labelcodec.open(url, cache="blocks") as reader:
            assert_same(reader, path)
        (blocks,) = (tmp_path / "cache").glob("*/*.blocks")
        blocks.write_bytes(bytes(len(content)))
        with labelcodec.open(url, cache="blocks") as reader:
            assert_same(reader, path)


def test_a_damaged_copy_is_made_anew(path, content, tmp_path) -> None:
    """The reader that meets the damage says so; the next one has a new copy."""
    with serving(web_of(content)) as web:
        url = f"{web.url}/labels.slc"
        with labelcodec.open(url, cache="file") as reader:
            assert_same(reader, path)
        (copy,) = (tmp_path / "cache").glob("*/labels.slc")
        damaged = bytearray(content)
        damaged[len(content) // 2 : len(content) // 2 + 64] = bytes(64)
        copy.write_bytes(damaged)
        with (
            labelcodec.open(url, cache="file") as reader,
            pytest.raises(labelcodec.LabelcodecError, match="damaged"),
        ):
            assert_same(reader, path)
        with labelcodec.open(url, cache="file") as reader:
            assert_same(reader, path)


def test_blocks_of_a_file_without_versions_are_not_kept(content) -> None:
    with (
        serving(web_of(content, etag=None)) as web,
        pytest.raises(RemoteError, match=r"may not be kept; open it with `cache='file'`"),
    ):
        labelcodec.open(f"{web.url}/labels.slc", cache="blocks")


def test_files_that_are_none(content) -> None:
    with serving(
        Web({"/page": b"<!DOCTYPE html>" * 9, "/empty": b"", "/cut": content[:9000]})
    ) as web:
        with pytest.raises(FormatError, match=r"page: not a labelcodec container.*a web page"):
            labelcodec.open(f"{web.url}/page")
        with pytest.raises(FormatError, match="empty: not a labelcodec container: it is empty"):
            labelcodec.open(f"{web.url}/empty")
        with pytest.raises(FormatError, match=r"cut.*truncated.*download it anew"):
            labelcodec.open(f"{web.url}/cut")
        with pytest.raises(FileNotFoundError, match="no such file on the server"):
            labelcodec.open(f"{web.url}/none.slc")


def test_private_files(path, content) -> None:
    with serving(web_of(content, token="secret")) as web:
        with pytest.raises(RemoteError, match=r"refuses access .*storage_options"):
            labelcodec.open(f"{web.url}/labels.slc")
        options = {"headers": {"Authorization": "Bearer secret"}}
        with labelcodec.open(f"{web.url}/labels.slc", storage_options=options) as reader:
            assert_same(reader, path, [250])


@pytest.mark.parametrize(
    "options", [{"headers": 3}, {"bogus": 3}, {"headers": {"Authorization": "Bearer\nsecret"}}]
)
def test_options_that_do_not_do(content, options) -> None:
    with (
        serving(web_of(content)) as web,
        pytest.raises(RemoteError, match=r"labels\.slc: the address, or an option for it"),
    ):
        labelcodec.open(f"{web.url}/labels.slc", storage_options=options)


def test_an_address_that_is_none() -> None:
    with pytest.raises(RemoteError, match="does not do"):
        labelcodec.open("http://[::1/labels.slc")


def test_secrets_of_an_address_are_not_shown(content) -> None:
    with serving(web_of(content)) as web:
        port = web.url.rpartition(":")[2]
        url = f"http://me:word@127.0.0.1:{port}/labels.slc?signature=secret"
        reader = labelcodec.open(url)
        assert str(reader.paths[0]) == f"{web.url}/labels.slc"
        assert repr(reader).startswith("<Reader labels.slc")


def test_no_network() -> None:
    with serving(Web({})) as web:
        url = web.url
    with pytest.raises(RemoteError, match=r"no answer .* check the network"):
        labelcodec.open(f"{url}/labels.slc")


def test_shards_by_a_pattern_on_a_page_that_lists_them(tmp_path) -> None:
    shards = {
        f"/set/a-{rank}-of-2.slc": write(
            tmp_path / f"{rank}.slc", batches(range(rank, 20, 2))
        ).read_bytes()
        for rank in range(2)
    }
    page = "".join(f'<a href="{name}">x</a>' for name in shards).encode()
    with serving(Web({**shards, "/set/": page, "/set": page})) as web:
        with labelcodec.open(f"{web.url}/set/*.slc") as reader:
            assert reader.index.number.tolist() == list(range(20))
            assert len(list(reader)) == 20
        with pytest.raises(FileNotFoundError, match="no file matches"):
            labelcodec.open(f"{web.url}/set/*.none")
