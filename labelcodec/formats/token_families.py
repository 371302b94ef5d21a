"""Names of the columns in which known writers keep token-level labels."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from labelcodec.errors import ConfigError, DumpError

INDEX, VALUE, TOKENS, MASK, TAIL = "index", "value", "tokens", "mask", "tail"
NAMES = (INDEX, VALUE, TOKENS, MASK, TAIL)


@dataclass(frozen=True)
class Family:
    """The columns of one writer.

    Attributes:
        index: column of the kept classes; None if they are in those of the values.
        value: column of their logits or log-probabilities.
        shift: 1 if the label of a position is of the token behind it, 0 if of its own.
    """

    index: str | None
    value: str
    shift: int = 1


FAMILIES = (
    Family("teacher_topk_ids", "teacher_topk_logprobs"),
    Family("teacher_topk_ids", "teacher_topk_logits"),
    Family("teacher_topk_ids", "teacher_topk_probabilities"),
    Family("teacher_topk_indices", "teacher_topk_logprobs"),
    Family("topk_indices", "topk_logprobs"),
    Family("token_ids", "top_values"),  # arcee-ai/LLama-405B-Logits
    Family("target_token_ids", "logprobs", shift=0),  # axolotl, second version
    Family(None, "logprobs", shift=0),  # axolotl, first: {"token": "token_id:N", "logprob": x}
)
_OF_MODEL = re.compile("topk_logits_model_([0-9]{1,6})")  # DAM: columns for each of several models
BESIDE: Mapping[str, Sequence[str]] = {
    TOKENS: ("input_ids",),
    MASK: ("loss_mask", "attention_mask"),
    TAIL: ("teacher_topk_tail",),
}


@dataclass(frozen=True)
class TokenColumns:
    """The columns of a table that are read.

    Attributes:
        index, value, tokens, mask, tail: their names; None where there is none.
        shift: that of the writer.
    """

    index: str | None
    value: str
    tokens: str | None
    mask: str | None
    tail: str | None
    shift: int

    def names(self) -> list[str]:
        """The columns to read."""
        every = (self.index, self.value, self.tokens, self.mask, self.tail)
        return [name for name in every if name is not None]


def find_token_columns(
    names: Sequence[str], stated: Mapping[str, str] | None, where: str
) -> TokenColumns:
    """Find the columns of token-level labels in a table.

    Args:
        names: names of all columns.
        stated: column that holds what a name says, by the caller; None for those of known writers.
        where: the table, for messages.

    Raises:
        ConfigError: the caller names something unknown, or a column that is not there.
        DumpError: no known writer has such columns.
    """
    stated = stated or {}
    for name, column in stated.items():
        if name not in NAMES:
            raise ConfigError(f"`columns`: {name!r} is not one of {', '.join(NAMES)}")
        if column not in names:
            raise ConfigError(f"{where}: has no column {column}; it has {', '.join(names)}")
    family = _of_model(names, stated, where) or _family(names, stated)
    if family is None and {"compressed_logprobs", "packed_indices"} & set(names):
        raise DumpError(
            f"{where}: its labels are compressed by DistillKit; put the compression_config.yaml "
            "that they were made with beside it, and pass the folder"
        )
    if family is None:
        raise DumpError(
            f"{where}: no columns of token-level labels are known among {', '.join(names)}; name "
            "them: `columns=index=COLUMN` and `columns=value=COLUMN`"
        )
    beside = {
        name: stated.get(name, next((column for column in usual if column in names), None))
        for name, usual in _beside(family).items()
    }
    return TokenColumns(family.index, family.value, **beside, shift=family.shift)


def _of_model(names: Sequence[str], stated: Mapping[str, str], where: str) -> Family | None:
    """The columns of the model that the caller names, or of the only one."""
    models = [name for name in names if _OF_MODEL.fullmatch(name)]
    value = stated.get(VALUE, models[0] if len(models) == 1 else None)
    if len(models) > 1 and value is None and _family(names, stated) is None:
        raise ConfigError(
            f"{where}: holds labels of {len(models)} models, {', '.join(models)}: choose with "
            f"`columns=value={models[0]}`"
        )
    if value not in models:
        return None
    index = stated.get(INDEX, f"topk_indices_model_{_number(value)}")
    return Family(index, value) if index in names else None


def _number(value: str) -> str | None:
    """Number of the model of a column of values; None if it is of no model."""
    match = _OF_MODEL.fullmatch(value)
    return None if match is None else match[1]


def _beside(family: Family) -> Mapping[str, Sequence[str]]:
    """The usual names of the other columns: of a model, its own first."""
    number = _number(family.value)
    if number is None:
        return BESIDE
    own = {TOKENS: f"input_ids_{number}", MASK: f"attention_mask_{number}"}
    return {name: (own[name], *usual) if name in own else usual for name, usual in BESIDE.items()}


def _family(names: Sequence[str], stated: Mapping[str, str]) -> Family | None:
    """The first known family whose columns are there, with those that the caller names."""
    for family in FAMILIES:
        has_index = INDEX in stated or family.index is None or family.index in names
        has_value = family.value in names and stated.get(VALUE, family.value) == family.value
        if has_index and has_value:
            return Family(stated.get(INDEX, family.index), family.value, family.shift)
    if VALUE not in stated:
        return None
    usual = next((family.index for family in FAMILIES if family.index in names), None)
    return Family(stated.get(INDEX, usual), stated[VALUE])
