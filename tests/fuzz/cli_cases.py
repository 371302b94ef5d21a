"""Hostile uses of the program: a line that succeeds, whose words and files are changed.

A case is a function of the seed and its number, so that any can be made again.
"""

from __future__ import annotations

import functools
import os
import random
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click

from labelcodec_cli.main import COMMANDS
from tests.fuzz.cli_world import CUT, LINES, world
from tests.fuzz.folder_cases import changed_content, changed_lists
from tests.fuzz.mutate import mutant, mutated

FIFO, LOOP, FOLDER, ENDLESS, AWAY = "a FIFO", "a loop", "a folder", "/dev/zero", "removed"
OTHER_KINDS = (FIFO, LOOP, FOLDER, ENDLESS, AWAY)
NUMBERS = (
    *("0", "1", "2", "3", "-1", "0.5", "1e9", str(10**9), str(10**30), "nan", "inf", "-inf"),
    *("1e-300", "1e300", "-0", "0x10", "1_0", "٣", "", " 1", "1:2", "2:1", "1/2", "3/2", "0/0"),
)
PATHS = (
    *("new.slc", "new/deep.slc", "no/such", "*.slc", "golden*.slc", "part-*.slc", "[", ".", ".."),
    *("null", "zero", "full", "-", "", "n" * 300, "a\nb", "\udcff", "é.slc", "~"),
    *("http://127.0.0.1:9/b.slc", "file:///etc/passwd", "s3://a/b.slc", "hf://a/b", "images/.."),
    *("fifo", "loop", "empty", "empty.slc", "text.json", "labels.slc/", "images/../labels.slc"),
)
CODECS = (
    *("dense", "dense2", "topk:k=2", "topk:k=2,step=1e-30", "transform:bytes=8", "vq", "sampled"),
    *("projector", "transform:rank=2,step=8", "transform:", "topk:k=0", "topk:k=1e9", "topk:k=-1"),
    *("vq:codes=0", "vq:tau=nan", "dense2:rank=9999", "topk:k=2,k=3", "topk:k=é", "dense:x=1"),
    *("transform:bytes=nan", "transform:bytes=1e300", "sampled:n=0", "projector:rank=0,head=0"),
    *(",", ":", "=", "topk:k", "topk k=2", "TOPK:k=2", "labels.slc", "a" * 5000),
    "topk:k=" + "9" * 99,
)
WORDS = (
    *("None", "[]", "{}", "\udcff", "a\nb", "é", "\x1b[31m", "all", "x=1", "=", "model.x=1"),
    *("epochs=1", "epochs=-1", "epochs=nan", "loss=kl", "loss=x", "temperature.last=0"),
    *("phases=[]", "phases=[{share=2}]", "learning_rate=inf", "batch_size=0", "optimizer=sgd"),
    *("nomodule:x", "os:system", "os:nothing", "convnet", "resnet20", "torchvision/no", "timm/no"),
    *("tests.pipeline.scene:small", "tests.pipeline.scene:images", "cuda:9", "cpu", "meta", "mps"),
    *("logits", "MS", "bilinear", "sre2l", "fkd", "lpqld-in1k", "cifar10", "a/b", "a/b/c", "../x"),
    *(
        "grid.seed=[0,1]",
        "state_dict",
        'model="\\u0000"',
        "--json",
        "--force",
        "--resume",
        "--help",
        "--",
        "-h",
    ),
    *("--version", "--no-such"),
)


@dataclass(frozen=True)
class CliCase:
    """What is typed, and what the folder's files have become before.

    Attributes:
        args: words after the program's name.
        files: relative path -> its content, or one of `OTHER_KINDS`.
    """

    args: tuple[str, ...]
    files: dict[str, bytes | str]

    def __len__(self) -> int:
        """Size of the changed files in bytes."""
        return sum(len(data) for data in self.files.values() if isinstance(data, bytes))


def cli_case(seed: int, number: int) -> tuple[str, CliCase]:
    """Command with what was changed, and the case, from seed and number."""
    rng = random.Random(f"{seed} {number}")
    words = shlex.split(rng.choice(LINES))
    name, files = words[0], dict[str, bytes | str]()
    changed = rng.choice(("files", "arguments", "both"))
    if changed != "arguments":
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            _change_file(files, words, rng)
    if changed != "files":
        for _ in range(rng.choice((1, 1, 1, 1, 2, 4))):
            rng.choice(CHANGES)(words, rng)
    if rng.random() < 0.2:
        words.append(rng.choice(("--json", "--force", "--resume")))
    return f"{name}, {changed}", CliCase(tuple(words), files)


def _change_file(files: dict[str, bytes | str], words: list[str], rng: random.Random) -> None:
    """Change one of the files that the words name, or that are in a folder they name."""
    there = contents()
    entries = sorted({path.partition("/")[0] for path in there})
    entry = rng.choice([entry for entry in entries if entry in words] or entries)
    path = rng.choice([path for path in there if path.partition("/")[0] == entry])
    kind = rng.random()
    if kind < 0.1:
        files[path] = rng.choice(OTHER_KINDS)
    elif kind < 0.2:
        files[path] = there[rng.choice(sorted(there))]
    else:
        files[path] = _changed(path, there[path], rng)


def _changed(path: str, data: bytes, rng: random.Random) -> bytes:
    """Containers and torch files are mostly changed inside, JSON value by value."""
    if path.endswith(".slc") and data and path != CUT and rng.random() < 0.8:
        return mutant(world() / path, rng)
    if rng.random() < 0.6:
        files = {path: data}
        (changed_lists if path.endswith(".json") else changed_content)(files, rng)
        return files[path]
    return mutated(data, rng)


@functools.cache
def contents() -> dict[str, bytes]:
    """Relative path -> content of every file of the folder."""
    root = world()
    files = (path for path in sorted(root.rglob("*")) if path.is_file() and not path.is_symlink())
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


def _value_changed(words: list[str], rng: random.Random) -> None:
    """One word after the command becomes another."""
    at = rng.randrange(1, len(words)) if len(words) > 1 else 0
    old = words[at]
    if old in CODECS or words[at - 1] == "--codec":
        words[at] = rng.choice(CODECS)
    elif _is_number(old) and rng.random() < 0.8:
        words[at] = rng.choice(NUMBERS)
    elif "=" in old and rng.random() < 0.8:
        words[at] = f"{old.partition('=')[0]}={rng.choice((*NUMBERS, *WORDS))}"
    else:
        words[at] = _word(rng)


def _word(rng: random.Random) -> str:
    return rng.choice(rng.choice((NUMBERS, PATHS, CODECS, WORDS, tuple(os.listdir(world())))))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _option_added(words: list[str], rng: random.Random) -> None:
    """Any option of the command, mostly with a value of its kind."""
    command = COMMANDS.get(words[0])
    options = [p for p in command.params if isinstance(p, click.Option)] if command else []
    if not options:
        return
    option = rng.choice(options)
    values = [] if option.is_flag else [_fitting(option, rng) for _ in range(option.nargs)]
    at = rng.choice((len(words), rng.randrange(1, len(words) + 1)))
    words[at:at] = [option.opts[0], *values]


def _fitting(option: click.Option, rng: random.Random) -> str:
    if rng.random() < 0.15:
        return _word(rng)
    if isinstance(option.type, click.Choice):
        return str(rng.choice(list(option.type.choices)))
    if isinstance(option.type, click.Path):
        return rng.choice((*PATHS, *os.listdir(world())))
    if option.name == "codec":
        return rng.choice(CODECS)
    return rng.choice(NUMBERS if option.type is not click.STRING else WORDS)


def _word_removed(words: list[str], rng: random.Random) -> None:
    if len(words) > 1:
        del words[rng.randrange(1, len(words))]


def _word_repeated(words: list[str], rng: random.Random) -> None:
    at = rng.randrange(len(words))
    words[at:at] = words[at : at + rng.choice((1, 2))]


def _word_spoilt(words: list[str], rng: random.Random) -> None:
    """A character of a word becomes another, or is left out."""
    at = rng.randrange(len(words))
    characters = list(words[at]) or [" "]
    characters[rng.randrange(len(characters))] = rng.choice(("", "-", "0", "é", ":", ",", "*"))
    words[at] = "".join(characters)


def _words_swapped(words: list[str], rng: random.Random) -> None:
    first, second = (rng.randrange(len(words)) for _ in range(2))
    words[first], words[second] = words[second], words[first]


def _other_command(words: list[str], rng: random.Random) -> None:
    words[0] = rng.choice([name for name in COMMANDS if name != "demo"])


Change = Callable[[list[str], random.Random], None]
CHANGES: tuple[Change, ...] = (
    *(_value_changed,) * 6,
    *(_option_added,) * 6,
    *(_word_removed, _word_removed, _word_repeated, _word_spoilt, _words_swapped, _other_command),
)


def write(root: Path, files: dict[str, bytes | str]) -> None:
    """Put changed files in place of those in the folder."""
    for name, content in files.items():
        path = root / name
        path.unlink()
        if isinstance(content, bytes):
            path.write_bytes(content)
        elif content == FIFO:
            os.mkfifo(path)
        elif content == FOLDER:
            path.mkdir()
        elif content != AWAY:
            path.symlink_to(path.name if content == LOOP else content)
