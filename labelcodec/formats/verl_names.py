"""Names of the arrays in which verl and its kin keep top-k labels."""

from __future__ import annotations

from collections.abc import Iterable

VALUES = (
    "teacher_topk_logps", "teacher_topk_logprobs", "teacher_topk_log_probs", "teacher_topk_logits",
    "topk_logps", "topk_logprobs", "topk_log_probs", "topk_logits",
)  # fmt: skip
CLASSES = ("indices", "ids", "idx")  # endings of the name beside that of the values
TOKENS, MASK = "input_ids", "attention_mask"


def names_in(names: Iterable[object]) -> tuple[str, str] | None:
    """Names of the values and classes among names; None if they are not there."""
    known = set(names)
    for value in VALUES:
        stem = value.rpartition("topk_")[0] + "topk_"
        index = next((stem + end for end in CLASSES if stem + end in known), None)
        if value in known and index is not None:
            return value, index
    return None
