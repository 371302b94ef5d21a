"""The examples for labels of tokens: a teacher's labels are stored, and a student learns them."""

from __future__ import annotations

import importlib
import math
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

import labelcodec
from labelcodec import Augmentation, Header, LabelBatch, Labels, Sequences
from labelcodec.sequences import token_digest

EXAMPLES = Path(__file__).parents[1] / "examples/tokens"
CLASSES, CYCLE = 64, 7


@pytest.fixture(autouse=True)
def _importable(monkeypatch) -> None:
    monkeypatch.syspath_prepend(EXAMPLES)
    for name in ("tiny_gpt", "trl_sft"):
        sys.modules.pop(name, None)


def example(name: str) -> ModuleType:
    return importlib.import_module(name)


@pytest.fixture
def gpt(monkeypatch) -> ModuleType:
    """The example, small."""
    module = example("tiny_gpt")
    monkeypatch.setattr(module, "VOCABULARY", CLASSES)
    monkeypatch.setattr(module, "LENGTH", 12)
    monkeypatch.setattr(module, "ROWS", 4)
    return module


def cycles(rows: int) -> np.ndarray:
    """Texts that count from 0 to 6 again and again, so that they can be learned."""
    first = np.random.default_rng(0).integers(CYCLE, size=(rows, 1))
    return ((first + np.arange(12)) % CYCLE).astype(np.int32)


@pytest.mark.parametrize("codec", ["sampled:n=12", "topk:k=8,tail=mass", "dense"])
def test_a_student_learns_from_a_teacher(gpt, tmp_path, codec):
    torch.manual_seed(0)
    text = cycles(40)
    teacher = gpt.GPT(32, 1)
    gpt.learn_text(teacher, text, 120, 0)
    of_teacher = gpt.quality(teacher, text)
    assert of_teacher.perplexity < 12
    gpt.store_labels(teacher, text, tmp_path / "a.slc", codec)
    with labelcodec.open(tmp_path / "a.slc") as reader:
        assert (len(reader), reader.header.kind, reader.header.shift) == (10, "tokens", 1)
    student = gpt.GPT(32, 1)
    before = gpt.quality(student, text).loss
    gpt.learn_labels(student, tmp_path / "a.slc", 120, 0)
    after = gpt.quality(student, text)
    assert after.loss < before - 0.5 and after.loss < of_teacher.loss + 0.5
    assert 0 <= after.ece <= 1


def test_the_manual(monkeypatch):
    module = example("tiny_gpt")
    learned, held_out = module.manual()
    assert learned.shape[1] == module.LENGTH and len(learned) > 8 * len(held_out) > 0
    assert learned.min() >= 0 and learned.max() < module.VOCABULARY
    assert math.log2(len(np.unique(learned))) > 10


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning")
def test_trl(tmp_path):
    """Labels meet their texts in another order, and the loss falls."""
    pytest.importorskip("trl")
    from datasets import Dataset
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    module = example("trl_sft")
    text = cycles(16)
    header = Header(CLASSES, k=3, tail="zero", kind="tokens", shift=1)
    with labelcodec.Writer(tmp_path / "a.slc", header, "topk") as writer:
        for number in range(4):
            rows = text[4 * number : 4 * number + 4]
            index = (rows.ravel()[:, None] + np.array([1, 2, 3])) % CYCLE
            value = np.tile(np.float16([2, 0, -1]), (len(index), 1))
            sequences = Sequences(
                np.full(4, 12), np.zeros(4, np.int64), np.stack([token_digest(r) for r in rows])
            )
            row = np.repeat(4 * number + np.arange(4), 12)
            labels = Labels(CLASSES, value, index.astype(np.int64), tail="zero")
            writer.add(LabelBatch(number, 0, row, Augmentation(), labels, sequences))
    texts = Dataset.from_dict({"input_ids": text[::-1].tolist()})
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 2}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=CLASSES, **sizes, **heads))
    vocabulary = Tokenizer(WordLevel({str(i): i for i in range(CLASSES)}, unk_token="0"))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=vocabulary, pad_token="0", eos_token="1")
    trainer = module.StoredLabelTrainer(
        str(tmp_path / "a.slc"),
        texts,
        model=model,
        processing_class=tokenizer,
        args=module.config_for(str(tmp_path / "out"), epochs=8, use_cpu=True, bf16=False),
    )
    trainer.train()
    logged = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    assert len(logged) == 8 and logged[-1] < logged[0] - 0.5
