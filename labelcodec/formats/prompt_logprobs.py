"""vLLM's answers with `prompt_logprobs`, one JSON object a line.

Each position has a map from token id to {"logprob": x, "rank": r}: the most probable tokens, and
the text's own where it is not one of them. The first position has null, as nothing predicts it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from labelcodec.batch import LabelBatch
from labelcodec.errors import DumpError
from labelcodec.files.regular import open_regular
from labelcodec.formats.interface import Layout, OpenOptions
from labelcodec.formats.token_dump import TokenDump, classes_given, token_info, unused_of_tokens
from labelcodec.formats.token_labels import LabelKind, Positions
from labelcodec.formats.token_plan import plan_batches
from labelcodec.wording import counted

MAX_LINE = 1 << 30  # bytes
MAX_LOGPROB = 1e30  # magnitude
_ID = re.compile("[0-9]{1,9}")


class PromptLogprobs(Layout):
    """The layout; methods as in `interface.Layout`. It is only read."""

    name = "vllm"
    looks_like = "*.jsonl with prompt_logprobs (vllm)"

    def detect(self, root: Path, names: Mapping[str, bool]) -> bool:
        """Never: a dump is one file."""
        return False

    def label_files(self, root: Path) -> list[Path]:
        """The file."""
        return [root]

    def unused_options(self, root: Path, options: Mapping[str, Any]) -> dict[str, str]:
        """Options for images; what the labels are is known."""
        known = "its labels are log-probabilities of the token behind each position"
        return unused_of_tokens(options, "columns") | dict.fromkeys(("shift", "label_type"), known)

    def open(self, root: Path, options: OpenOptions) -> TokenDump:
        """Open a file."""
        return open_lines(root, classes_given(options.classes, root))

    def write(
        self,
        batches: Iterable[LabelBatch],
        root: Path,
        types: Mapping[str, Any],
        names: Sequence[str] | None,
    ) -> int:
        """Refused."""
        raise DumpError("layout vllm is only read; pass `layout=parquet` or `layout=arrays`")


@dataclass(frozen=True, eq=False)
class Line:
    """The content of one line.

    Attributes:
        logprobs: the maps of all positions but the first.
        tokens: the text's token ids; None if the line does not say.
    """

    logprobs: Sequence[Mapping[str, Any]]
    tokens: NDArray[np.int64] | None


class LineSource:
    """Labels in lines of JSON; methods as in `token_dump.TokenSource`.

    Args:
        path: the file.
        offsets: position of each line in it, and the end of the last.
        numbers: number of each line, from 1.
        end: position behind the last of each line's labels.
        k: most tokens that a position holds.
        has_tokens: whether the lines have the texts' tokens.
    """

    def __init__(
        self,
        path: Path,
        offsets: Sequence[tuple[int, int]],
        numbers: Sequence[int],
        end: NDArray[np.int64],
        k: int,
        has_tokens: bool,
    ) -> None:
        self._path, self._offsets, self._numbers = path, offsets, numbers
        self._end, self._k, self._has_tokens = end, k, has_tokens
        self._recent: dict[int, Line] = {}

    def file(self, position: int) -> Path:
        """As `TokenSource.file`."""
        return self._path

    def positions(self, start: int, stop: int) -> Positions:
        """As `TokenSource.positions`."""
        first = int(np.searchsorted(self._end, start, "right"))
        last = int(np.searchsorted(self._end, stop - 1, "right"))
        lines = {number: self._line(number) for number in range(first, last + 1)}
        self._recent = lines
        index: NDArray[np.int64] = np.zeros((stop - start, self._k), np.int64)
        value: NDArray[np.float32] = np.zeros((stop - start, self._k), np.float32)
        tokens: NDArray[np.int64] = np.empty(stop - start, np.int64)
        count: NDArray[np.int64] = np.empty(stop - start, np.int64)
        for number, line in lines.items():
            begin = int(self._end[number]) - len(line.logprobs)
            for at in range(max(start, begin), min(stop, int(self._end[number]))):
                if line.tokens is not None:
                    tokens[at - start] = line.tokens[at - begin]
                ids, logprobs = ranked(line.logprobs[at - begin], self.where(number, at - begin))
                kept = min(len(ids), self._k)
                index[at - start, :kept] = ids[:kept]
                value[at - start, :kept] = logprobs[:kept]
                count[at - start] = len(ids)
        return Positions(value, index, tokens if self._has_tokens else None, count=count)

    def text(self, number: int, start: int, stop: int) -> NDArray[Any] | None:
        """As `TokenSource.text`."""
        return self._line(number).tokens

    def where(self, number: int, position: int) -> str:
        """As `TokenSource.where`."""
        return f"{self._path}: line {self._numbers[number]}, position {position}"

    def _line(self, number: int) -> Line:
        if number not in self._recent:
            begin, stop = self._offsets[number]
            with open(open_regular(self._path, DumpError, "a file of JSON lines"), "rb") as file:
                file.seek(begin)
                text = file.read(stop - begin)
            where = f"{self._path}: line {self._numbers[number]}"
            line = read_line(text, where)
            positions = int(self._end[number] - (self._end[number - 1] if number else 0))
            if len(line.logprobs) != positions or (line.tokens is None) == self._has_tokens:
                raise DumpError(f"{where}: has changed since it was opened")
            return line
        return self._recent[number]


def open_lines(path: Path, classes: int) -> TokenDump:
    """Open a file of JSON lines; all are read once.

    Args:
        path: the file.
        classes: C.

    Raises:
        DumpError: a line is damaged, or some have tokens and others none.
    """
    offsets, numbers, lengths, has_tokens = [], [], [], set[bool]()
    begin = number = k = 0
    with open(open_regular(path, DumpError, "a file of JSON lines"), "rb") as file:
        while text := file.readline(MAX_LINE):
            number += 1
            where = f"{path}: line {number}"
            if len(text) == MAX_LINE:
                raise DumpError(f"{where}: has more than {MAX_LINE} bytes")
            if text.strip():
                line = read_line(text, where)
                offsets.append((begin, begin + len(text)))
                numbers.append(number)
                lengths.append(len(line.logprobs))
                has_tokens.add(line.tokens is not None)
                k = max(k, *map(len, line.logprobs))
            begin += len(text)
    if not offsets:
        raise DumpError(f"{path}: has no lines")
    if len(has_tokens) > 1:
        raise DumpError(f"{path}: some lines have prompt_token_ids, others have none")
    if k > classes:
        raise DumpError(f"{path}: holds k={k} classes of a vocabulary of {classes}")
    kind = LabelKind(classes, k, "logits", "zero", "float32")
    plan = plan_batches(lengths, classes, k)
    source = LineSource(path, offsets, numbers, plan.end, k, True in has_tokens)
    info = token_info("vllm", kind, plan, [path], 1, has_digests=True in has_tokens)
    return TokenDump(info, kind, plan, source)


def read_line(text: bytes, where: str) -> Line:
    """The content of a line.

    Args:
        text: the line.
        where: names it in messages.

    Raises:
        DumpError: it is not the JSON of an answer with `prompt_logprobs`.
    """
    try:
        answer = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise DumpError(f"{where}: damaged, or not JSON ({error})") from None
    choices = answer.get("choices") if isinstance(answer, dict) else None
    if isinstance(choices, list) and len(choices) == 1 and isinstance(choices[0], dict):
        answer = {**answer, **choices[0]}
    logprobs = answer.get("prompt_logprobs") if isinstance(answer, dict) else None
    if not isinstance(logprobs, list) or len(logprobs) < 2:
        _fail(where, "has no prompt_logprobs, or of a single token")
    if logprobs[0] is not None:
        _fail(where, "has logprobs of the first token, expected null")
    bad = next((i for i, entry in enumerate(logprobs[1:]) if not isinstance(entry, dict)), None)
    if bad is not None:
        _fail(f"{where}, position {bad}", "has no map of logprobs")
    empty = next((i for i, entry in enumerate(logprobs[1:]) if not entry), None)
    if empty is not None:
        _fail(f"{where}, position {empty}", "has no logprobs")
    tokens = answer.get("prompt_token_ids")
    if tokens is None:
        return Line(logprobs[1:], None)
    if not isinstance(tokens, list) or not all(type(t) is int and 0 <= t < 1 << 31 for t in tokens):
        _fail(where, "has prompt_token_ids that are no token ids")
    if len(tokens) != len(logprobs):
        _fail(where, f"has {counted(len(tokens), 'token')} and {len(logprobs)} logprobs")
    return Line(logprobs[1:], np.array(tokens, np.int64))


def ranked(entry: Mapping[str, Any], where: str) -> tuple[list[int], list[float]]:
    """Token ids and log-probabilities of a position, the most probable first.

    Args:
        entry: the map of the position.
        where: names the position in messages.

    Raises:
        DumpError: a token that has no {"logprob": x, "rank": r}.
    """
    tokens = []
    for key, content in entry.items():
        fields = content if isinstance(content, dict) else {}
        logprob, rank = fields.get("logprob"), fields.get("rank")
        is_number = isinstance(logprob, (int, float)) and abs(logprob) < MAX_LOGPROB
        if not is_number or type(rank) is not int or not _ID.fullmatch(key):
            _fail(where, f"token {key[:20]!r} has no logprob and rank")
        tokens.append((rank, -float(logprob or 0.0), int(key)))
    tokens.sort()
    return [token for _, _, token in tokens], [-negative for _, negative, _ in tokens]


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _fail(where: str, what: str) -> NoReturn:
    raise DumpError(f"{where}: {what}")
