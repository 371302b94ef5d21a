from __future__ import annotations

import json
import tracemalloc

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from labelcodec.errors import DumpError
from labelcodec.formats.order_json import parse_lists, read_order_json

numbers = st.lists(st.integers(0, 10**18 - 1), min_size=1, max_size=5)
texts = st.text(max_size=5)


def plain(content):
    """What json would give."""
    if isinstance(content, dict):
        return {key: plain(value) for key, value in content.items()}
    return content.tolist() if isinstance(content, np.ndarray) else [*map(plain, content)]


@given(
    st.lists(numbers, min_size=1) | st.dictionaries(texts, numbers, min_size=1), st.integers(0, 2)
)
def test_lists_are_those_of_the_json_module(content, indent):
    text = json.dumps(content, indent=indent or None)
    parsed = parse_lists(text.encode())
    assert parsed is None or plain(parsed) == json.loads(text)
    if isinstance(content, list) or all(key.isascii() and key.isalnum() for key in content):
        assert parsed is not None


@given(st.text(alphabet='[]{}",:01 \n-.ea', max_size=30))
@example("[[1],]")
@example("[[01]]")
@example('{"a": [1], "a": [2]}')
@example('{"a": [1]]')
@example("[[1]] [")
@example("[[1 2]]")
@example('[[1], "a": [2]]')
def test_other_text_is_left_to_the_json_module(text):
    parsed = parse_lists(text.encode())
    if parsed is not None:
        assert plain(parsed) == json.loads(text)


@pytest.mark.parametrize(
    "text", ["", "[", "[]", "{}", "[[]]", "[[1], [-1]]", "[[1.0]]", "[[" + "1" * 19 + "]]"]
)
def test_what_is_not_parsed(text):
    assert parse_lists(text.encode()) is None


def test_memory_stays_small(tmp_path):
    """Less than twice the text, where Python's numbers would take six times as much."""
    file = tmp_path / "order.json"
    file.write_text(json.dumps([list(range(10**5, 2 * 10**5))] * 20))
    tracemalloc.start()
    lists = read_order_json(file)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2.5 * file.stat().st_size
    assert len(lists) == 20


def test_too_many_lists(tmp_path):
    file = tmp_path / "order.json"
    file.write_bytes(b"[" + b"[]," * (1 << 20) + b"[]]")
    with pytest.raises(DumpError, match="more than 1048576 lists"):
        read_order_json(file)
