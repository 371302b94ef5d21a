from __future__ import annotations

from collections import OrderedDict, namedtuple
from dataclasses import dataclass

import pytest
import torch

from labelcodec.errors import MismatchError
from labelcodec.pipeline.model_output import logits_of
from labelcodec.pipeline.teacher import load_teacher
from tests.pipeline import scene

LOGITS, FEATURES, OTHER = torch.ones(4, 6), torch.zeros(4, 9), torch.zeros(4, 6)
Named = namedtuple("Named", "features logits")


@dataclass
class Output:
    """As transformers' ModelOutput, in part."""

    logits: torch.Tensor
    hidden: torch.Tensor


@pytest.mark.parametrize(
    ("returned", "output"),
    [
        (LOGITS, None),
        ((LOGITS, OTHER), None),
        ([LOGITS], None),
        ((FEATURES, LOGITS), None),
        ((OTHER, LOGITS), "1"),
        ((OTHER, LOGITS), 1),
        ({"logits": LOGITS, "aux": OTHER}, None),
        (OrderedDict(out=LOGITS, aux=OTHER), None),
        ({"features": FEATURES, "head": LOGITS}, None),
        ({"a": OTHER, "b": LOGITS}, "b"),
        (Named(FEATURES, LOGITS), None),
        (Named(OTHER, LOGITS), "logits"),
        (Output(LOGITS, OTHER), None),
        (Output(OTHER, LOGITS), "hidden"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_logits_among_several_outputs(returned, output) -> None:
    assert logits_of(returned, (4, 6), "the teacher", output) is LOGITS


@pytest.mark.parametrize(
    ("returned", "output", "message"),
    [
        ({"a": OTHER, "b": LOGITS}, None, r"pass `output`; the dict has a: \(4, 6\), b: \(4, 6\)"),
        ({"a": FEATURES}, None, r"pass `output`; the dict has a: \(4, 9\)"),
        ({"a": LOGITS}, "b", r"no output 'b'; the dict has a: \(4, 6\)"),
        ((LOGITS,), 1, r"no output '1'; the tuple has 0: \(4, 6\)"),
        ({"a": FEATURES}, "a", r"output 'a', gave \(4, 9\) for 4 images, expected \(4, 6\)"),
        ({"a": 3}, "a", "output 'a', gave a int, expected a tensor"),
        (FEATURES, None, r"gave \(4, 9\) for 4 images"),
        (LOGITS, "logits", "no output 'logits'; the Tensor has no entries"),
        (None, None, "gave a NoneType, expected a tensor of logits"),
        ((), None, "gave a tuple, expected a tensor of logits"),
    ],
)
def test_what_cannot_be_told(returned, output, message) -> None:
    with pytest.raises(MismatchError, match=message):
        logits_of(returned, (4, 6), "the teacher", output)


class Two(torch.nn.Module):
    def forward(self, images):
        return {"a": images.new_zeros(len(images), 6), "b": images.new_ones(len(images), 6)}


def test_a_teacher_labels_by_the_output_that_was_chosen() -> None:
    plain = {"normalisation": None, "autocast": None, "precision": "float16"}
    images = torch.zeros(2, 3, scene.SIDE, scene.SIDE, dtype=torch.uint8)
    teacher = load_teacher(Two(), None, 6, torch.device("cpu"), output="b", **plain)
    assert (teacher.label(images, None).value == 1).all()
    assert teacher.facts["output"] == "b"
    unsaid = load_teacher(Two(), None, 6, torch.device("cpu"), **plain)
    with pytest.raises(MismatchError, match="which of its outputs are logits"):
        unsaid.label(images, None)
