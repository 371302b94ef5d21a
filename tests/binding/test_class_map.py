from __future__ import annotations

import json
import os

import pytest

from labelcodec.binding.class_map import as_class_map, folder_classes, numbered_out_of_order
from labelcodec.errors import ConfigError, MismatchError

RED = {"red": 0, "green": 1, "blue": 2}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("names.txt", "red\ngreen\nblue\n"),
        ("names.txt", "\ufeffred\r\ngreen\r\nblue\r\n\r\n"),
        ("names.json", '["red", "green", "blue"]'),
        ("map.json", '{"blue": 2, "red": 0, "green": 1}'),
        ("map.json", '{"0": "red", "1": "green", "2": "blue"}'),
        ("names", ' {"0": "red", "1": "green", "2": "blue"}'),
    ],
)
def test_every_form_of_a_file(tmp_path, name, text) -> None:
    (tmp_path / name).write_text(text, newline="")
    found = as_class_map(tmp_path / name)
    assert (dict(found.index_of), found.classes) == (RED, 3)


def test_wnids_with_their_words(tmp_path) -> None:
    (tmp_path / "a.txt").write_text("n01440764 tench, Tinca tinca\nn01443537 goldfish\n")
    assert as_class_map(tmp_path / "a.txt").index_of == {"n01440764": 0, "n01443537": 1}


def test_several_names_of_a_class(tmp_path) -> None:
    """ImageNet's index; two of its classes are a crane."""
    index = {"0": ["n1", "crane"], "1": ["n2", "tench"], "2": ["n3", "crane"]}
    (tmp_path / "a.json").write_text(json.dumps(index))
    found = as_class_map(tmp_path / "a.json")
    assert found.names(["tench", "n1"], 3, "images") == ("n1", "tench", "n3")
    with pytest.raises(MismatchError, match="images: the class map has several classes 'crane'"):
        found.names(["crane"], 3, "images")


def test_names_of_a_subset_and_of_unknown_classes() -> None:
    found = as_class_map({"red": 3, "green": 5, "blue": 7})
    assert found.classes == 8
    names = found.names(["blue", "red"], 10, "images")
    assert names == ("", "", "", "red", "", "green", "", "blue", "", "")
    assert folder_classes(["blue", "red"], names, 10, "images").tolist() == [7, 3]


def test_a_name_in_two_spellings_is_one() -> None:
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    names = as_class_map(["x", composed]).names([decomposed], 2, "images")
    assert names == ("x", composed)
    assert folder_classes([decomposed], names, 2, "images").tolist() == [1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no class"),
        ("red\n\nblue\n", "'' is class '1'"),
        ("{", "not a JSON file"),
        ('{"red": -1}', "'red' is class '-1'"),
        ('{"red": 1.5}', "'red' is class '1.5'"),
        ('{"red": true}', "'red' is class 'True'"),
        ('{"red": 1048576}', "'red' is class '1048576'"),
        ("[1]", "'1' is class '0'"),
        ('{"red": null}', "'red' is class 'None'"),
    ],
)
def test_what_is_no_class_map(tmp_path, text, message) -> None:
    (tmp_path / "a").write_text(text)
    with pytest.raises(ConfigError, match=message) as caught:
        as_class_map(tmp_path / "a")
    assert str(tmp_path / "a") in str(caught.value)


def test_files_that_cannot_be_read(tmp_path) -> None:
    with pytest.raises(ConfigError, match="there is no such class map"):
        as_class_map(tmp_path / "none")
    (tmp_path / "a").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not a class map"):
        as_class_map(tmp_path / "a")


def test_maps_that_do_not_fit() -> None:
    with pytest.raises(MismatchError, match="images: the class map has no class 'pink'"):
        as_class_map(RED).names(["pink"], 3, "images")
    with pytest.raises(MismatchError, match="a class 2, the teacher 2 classes"):
        as_class_map(RED).names([], 2, "images")
    with pytest.raises(MismatchError, match="'red' and 'rot' are both class 0"):
        as_class_map({"red": 0, "rot": 0}).names(["red", "rot"], 3, "images")


def test_folders_without_names_are_the_first_classes() -> None:
    assert folder_classes(["b", "a"], None, 5, "images").tolist() == [0, 1]
    with pytest.raises(MismatchError, match="images: has 2 classes, the labels 1"):
        folder_classes(["b", "a"], None, 1, "images")


def test_a_folder_that_no_class_is_named_after() -> None:
    with pytest.raises(MismatchError, match=r"has a class 'pink', the labels none .* but 2 from"):
        folder_classes(["pink"], ["red", "", "blue"], 3, "images")
    with pytest.raises(MismatchError, match="none of that name at all"):
        folder_classes(["pink"], ["", ""], 2, "images")


def test_numbers_in_the_order_of_text_are_told() -> None:
    text = sorted(map(str, range(12)))
    assert "class 2 is folder '10'" in numbered_out_of_order(text)
    assert numbered_out_of_order(list(map(str, range(10)))) is None
    assert numbered_out_of_order([f"{i:02}" for i in range(12)]) is None
    assert numbered_out_of_order([*text, "x"]) is None
    assert numbered_out_of_order([]) is None


def test_only_files_are_read(tmp_path) -> None:
    os.mkfifo(tmp_path / "names.txt")
    for path in (tmp_path / "names.txt", "/dev/zero"):
        with pytest.raises(ConfigError, match=r"is a (FIFO|device), expected a class map"):
            as_class_map(path)
