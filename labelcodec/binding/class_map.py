"""Class maps: which class of the labels each class folder is."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.batch import MAX_CLASSES
from labelcodec.binding.names import same_name
from labelcodec.errors import ConfigError, MismatchError
from labelcodec.files.regular import read_regular
from labelcodec.images import ClassNumbers
from labelcodec.wording import counted

_WNID = re.compile(r"n\d{8}\b")
EXPECTED = (
    "expected the teacher's class names in order, one per line or as a JSON list, or a JSON map "
    "from name to class or from class to name"
)


@dataclass(frozen=True)
class ClassMap:
    """Names of the teacher's classes.

    Attributes:
        index_of: name in one spelling -> class, -1 where several classes have it; a class may have
            several names.
        classes: one more than the largest class.
    """

    index_of: Mapping[str, int]
    classes: int

    def names(self, folders: Sequence[str], classes: int, where: str) -> tuple[str, ...]:
        """The name of each class 0..C-1: its folder's if it has one, else its first; '' if unknown.

        Args:
            folders: names of the class folders.
            classes: C.
            where: the image folder, for error messages.

        Raises:
            MismatchError: a folder is in no class of the map, two are in one, or the map has a
                class outside of 0..C-1.
        """
        if self.classes > classes:
            raise MismatchError(
                f"the class map has a class {self.classes - 1}, the teacher "
                f"{counted(classes, 'class')}"
            )
        names = [""] * classes
        for name, index in self.index_of.items():
            if index >= 0:
                names[index] = names[index] or name
        taken: dict[int, str] = {}
        for folder in () if isinstance(folders, ClassNumbers) else folders:
            index = self.index_of.get(same_name(folder), -1)
            if index < 0:
                many = same_name(folder) in self.index_of
                has = "several classes" if many else "no class"
                raise MismatchError(f"{where}: the class map has {has} {folder!r}")
            if index in taken:
                raise MismatchError(
                    f"{where}: {taken[index]!r} and {folder!r} are both class {index} of the map"
                )
            taken[index] = folder
            names[index] = same_name(folder)
        return tuple(names)


def as_class_map(source: ClassMap | Mapping[str, int] | Sequence[str] | Path | str) -> ClassMap:
    """A class map from a file, a list of names or a map from name to class.

    A text file has one name per line, in the order of the teacher's classes; if every line starts
    with a WordNet id, that id is the name. A JSON file holds a list of names, a map from name to
    class, or a map from class to name or names, as ImageNet's `imagenet_class_index.json`.

    Args:
        source: the file or the names.

    Raises:
        ConfigError: the file is missing, or not a class map.
        OSError: it cannot be read.
    """
    if isinstance(source, ClassMap):
        return source
    if isinstance(source, (str, Path)):
        path = Path(source)
        return _class_map(_content(path), str(path))
    return _class_map(source, "class_map")


def _content(path: Path) -> Any:
    try:
        text = read_regular(path, ConfigError, "a class map").decode("utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such class map") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not a class map; {EXPECTED}") from None
    if path.suffix == ".json" or text.lstrip()[:1] in ("[", "{"):
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ConfigError(f"{path}: not a JSON file ({error}); {EXPECTED}") from None
    lines = [line.strip() for line in text.splitlines()]
    while lines and not lines[-1]:
        lines.pop()
    if lines and all(_WNID.match(line) for line in lines):
        return [line[:9] for line in lines]
    return lines


def _class_map(content: Any, where: str) -> ClassMap:
    names: list[tuple[str, Any]] = []
    if isinstance(content, Mapping):
        for key, value in content.items():
            if isinstance(value, str):
                names.append((value, key))
            elif isinstance(value, list):
                names += [(name, key) for name in value]
            else:
                names.append((key, value))
    elif isinstance(content, Sequence) and not isinstance(content, (str, bytes)):
        names = [(name, i) for i, name in enumerate(content)]
    index_of: dict[str, int] = {}
    largest = -1
    for name, index in names:
        number = _number(index)
        if not isinstance(name, str) or not name or number is None:
            raise ConfigError(
                f"{where}: {str(name)[:40]!r} is class {str(index)[:40]!r}; {EXPECTED}"
            )
        if index_of.setdefault(same_name(name), number) != number:
            index_of[same_name(name)] = -1
        largest = max(largest, number)
    if largest < 0:
        raise ConfigError(f"{where}: holds no class; {EXPECTED}")
    return ClassMap(index_of, largest + 1)


def _number(index: Any) -> int | None:
    if isinstance(index, str) and re.fullmatch(r"\d{1,7}", index):
        index = int(index)
    if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < MAX_CLASSES:
        return None
    return index


def folder_classes(
    folders: Sequence[str],
    names: Sequence[str] | None,
    classes: int,
    where: str,
    whose: str = "the labels",
) -> NDArray[np.int64]:
    """(folders,) the class of the labels that each class folder is.

    Without names the folders are the first classes, in order. So are classes that are numbers.

    Args:
        folders: names of the class folders, in order.
        names: names of the classes 0..C-1, '' where unknown; None if nothing is known.
        classes: C.
        where: the image folder, for error messages.
        whose: what has the C classes, for error messages.

    Raises:
        MismatchError: more folders than classes, or a folder that no class is named after.
    """
    if names is None or isinstance(folders, ClassNumbers):
        if len(folders) > classes:
            raise MismatchError(f"{where}: has {counted(len(folders), 'class')}, {whose} {classes}")
        return np.arange(len(folders), dtype=np.int64)
    index_of = {same_name(name): i for i, name in enumerate(names) if name}
    unknown = next((name for name in folders if same_name(name) not in index_of), None)
    if unknown is not None:
        known = [name for name in names if name]
        named = f"but {len(known)} from {known[0]!r} to {known[-1]!r}" if known else "at all"
        raise MismatchError(
            f"{where}: has a class {unknown!r}, {whose} none of that name {named}; pass "
            "`class_map` if the class has another name there"
        )
    return np.array([index_of[same_name(name)] for name in folders], np.int64)


def folder_notes(folders: Sequence[str], where: str, *, mapped: bool = False) -> tuple[str, ...]:
    """Notes on class folders that are seldom meant as they are listed, a sentence each.

    Args:
        folders: names of the class folders, in the order of the listing.
        where: the image folder.
        mapped: whether a class map says which class each folder is.
    """
    notes = [
        f"{where}: the hidden folder {name!r} holds an image and is listed as class {i}; move it "
        "away if it is no class"
        for i, name in enumerate(folders)
        if name.startswith(".")
    ]
    numbered = None if mapped else numbered_out_of_order(folders)
    if numbered is not None:
        notes.append(f"{where}: {numbered}")
    return tuple(notes)


def numbered_out_of_order(folders: Sequence[str]) -> str | None:
    """A note on class folders that are numbers in the order of text (0, 1, 10, 11, 2); else None.

    Args:
        folders: names of the class folders, in the order of the listing.
    """
    if not folders or not all(re.fullmatch(r"[0-9]{1,7}", name) for name in folders):
        return None
    numbers = [int(name) for name in folders]
    if numbers == sorted(numbers):
        return None
    first = next(i for i, number in enumerate(numbers) if sorted(numbers)[i] != number)
    return (
        f"the class folders are numbers, and are listed as text: class {first} is folder "
        f"{folders[first]!r}. If the teacher's classes are the numbers, pass `class_map` with a "
        "file that has them in order, one per line"
    )
