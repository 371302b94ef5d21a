"""vLLM's prompt_logprobs in JSON lines go into a container, and bad ones are named."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

import labelcodec
from labelcodec.errors import ConfigError, DumpError
from labelcodec.formats import open_dump
from labelcodec.replay import Texts, TokenDataset
from labelcodec.sequences import token_digest
from labelcodec.transcode import decode, encode
from labelcodec.verification import verify
from tests.formats.token_sources import CLASSES

K = 4
RNG = np.random.default_rng(0)
TEXTS = [RNG.integers(0, CLASSES, size) for size in (6, 2, 13)]


def entry(own, ranked, own_rank=77):
    """The map of a position: the text's own token first, then the most probable, by rank."""
    content = {str(own): {"logprob": -9.5, "rank": own_rank, "decoded_token": "a"}}
    for rank, (token, logprob) in enumerate(ranked, 1):
        content[str(token)] = {"logprob": logprob, "rank": rank, "decoded_token": "b"}
    return content


def answers():
    """An answer for each text, and the classes and log-probabilities of each label."""
    lines, index, value = [], [], []
    for text in TEXTS:
        logprobs = [None]
        for place, own in enumerate(text.tolist()[1:]):
            others = RNG.permutation(np.delete(np.arange(CLASSES), own))[:K]
            if place % 2:
                others[1] = own  # one of the most probable
            worth = -np.sort(RNG.gamma(1.0, 2.0, K)).astype(np.float32)
            logprobs.append(entry(own, zip(others.tolist(), worth.tolist(), strict=True)))
            is_beside = [] if place % 2 else [own]
            index.append([*others.tolist(), *is_beside])
            value.append([*worth.tolist(), *(-9.5 for _ in is_beside)])
        lines.append({"prompt_logprobs": logprobs, "prompt_token_ids": text.tolist()})
    return lines, index, value


LINES, INDEX, VALUE = answers()
COUNT = [len(row) for row in INDEX]


def assert_kept(labels, index=INDEX, value=VALUE):
    """These classes and values, and no others."""
    count = np.full(len(labels), labels.k) if labels.count is None else labels.count
    assert count.tolist() == [len(row) for row in index]
    for row, (classes, values) in enumerate(zip(index, value, strict=True)):
        assert labels.index[row, : len(classes)].tolist() == classes
        assert labels.value[row, : len(values)].tolist() == values


def written(lines, path):
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_labels_are_of_the_token_behind_each_position(tmp_path):
    source, target = written(LINES, tmp_path / "a.jsonl"), tmp_path / "a.slc"
    report = encode(source, target, classes=CLASSES)
    assert verify(target).problems == ()
    assert (report.header.shift, report.header.k, report.header.precision) == (1, K + 1, "float32")
    with labelcodec.open(target) as reader:
        (batch,) = reader
    assert_kept(batch.labels)
    assert batch.sequences.length.tolist() == [len(text) - 1 for text in TEXTS]
    assert batch.sequences.tokens.tolist() == np.concatenate([t[:-1] for t in TEXTS]).tolist()
    digests = [token_digest(text).tolist() for text in TEXTS]
    assert batch.sequences.digest.tolist() == digests
    assert labelcodec.compare(source, target).identical


def test_training_meets_the_texts(tmp_path):
    encode(written(LINES, tmp_path / "a.jsonl"), tmp_path / "a.slc", classes=CLASSES)
    for dataset in (
        TokenDataset(tmp_path / "a.slc", Texts(TEXTS, by_digest=True), packed=True),
        TokenDataset(tmp_path / "a.slc", packed=True),
    ):
        batch = dataset[0]
        kept = zip(batch.labels.index.tolist(), COUNT, strict=True)
        assert [row[:count] for row, count in kept] == INDEX
        left_out = torch.arange(K + 1) >= torch.tensor(COUNT)[:, None]
        assert (batch.labels.value == -torch.inf).equal(left_out)
        own = np.concatenate([text[:-1] for text in TEXTS])
        assert batch.tokens.flatten()[batch.predictor].tolist() == own.tolist()


def test_choices_empty_lines_and_no_tokens(tmp_path):
    choices = [{"id": "a", "choices": [line]} for line in LINES]
    source = written(choices, tmp_path / "a.jsonl")
    source.write_text("\n" + source.read_text().replace("\n", "\n\n"))
    encode(source, tmp_path / "a.slc", classes=CLASSES)
    bare = [{"prompt_logprobs": line["prompt_logprobs"]} for line in LINES]
    report = encode(written(bare, tmp_path / "b.jsonl"), tmp_path / "b.slc", classes=CLASSES)
    assert any("has no token ids" in note for note in report.notes)
    for name, has_digests in (("a", True), ("b", False)):
        with labelcodec.open(tmp_path / f"{name}.slc") as reader:
            assert_kept(reader[0].labels)
            assert (reader[0].sequences.digest is not None) == has_digests


def test_the_own_token_may_be_as_probable_as_another(tmp_path):
    """Then it has the rank of that one, and stands where its probability says."""
    line = json.loads(json.dumps(LINES[0]))
    own = line["prompt_token_ids"][1]
    line["prompt_logprobs"][1][str(own)] = {"logprob": VALUE[0][1] - 0.25, "rank": 2}
    encode(written([line], tmp_path / "a.jsonl"), tmp_path / "a.slc", classes=CLASSES)
    with labelcodec.open(tmp_path / "a.slc") as reader:
        assert reader[0].labels.index[0].tolist() == [*INDEX[0][:2], own, *INDEX[0][2:4]]


def test_long_texts_are_spread(tmp_path):
    length = 66_000
    ranked = [entry(1, [(2, -0.5)]), entry(1, [(3, -0.25)])]
    line = {
        "prompt_logprobs": [None, *(ranked[i % 2] for i in range(length))],
        "prompt_token_ids": [1] * (length + 1),
    }
    dump = open_dump(written([line], tmp_path / "a.jsonl"), classes=CLASSES)
    batches = [dump.read(i) for i in range(len(dump))]
    assert [batch.sequences.start.tolist() for batch in batches] == [[0], [65536]]
    index = np.concatenate([batch.labels.index for batch in batches])[:, 0]
    assert np.array_equal(index, np.arange(length) % 2 + 2)
    digest = token_digest(np.ones(length + 1, int))
    assert all(np.array_equal(batch.sequences.digest[0], digest) for batch in batches)


def test_it_is_written_in_other_layouts(tmp_path):
    encode(written(LINES, tmp_path / "a.jsonl"), tmp_path / "a.slc", classes=CLASSES)
    with pytest.raises(DumpError, match="pass `layout=parquet` or `layout=arrays`"):
        decode(tmp_path / "a.slc", tmp_path / "copy")
    decode(tmp_path / "a.slc", tmp_path / "copy", layout="parquet")
    encode(tmp_path / "copy", tmp_path / "b.slc", classes=CLASSES)
    with labelcodec.open(tmp_path / "b.slc") as reader:
        assert_kept(reader[0].labels)


def edited(change):
    """The answers, of which the second is changed."""
    lines = json.loads(json.dumps(LINES))
    change(lines[2])
    return lines


def at_three(content):
    def change(line):
        line["prompt_logprobs"][4] = content(line["prompt_logprobs"][4])

    return edited(change)


AT = r"a\.jsonl: line 3, position 3: "
RANKED = [(5, -1.0), (6, -1.5), (7, -2.0), (8, -3.0)]
BAD = {
    "none": (at_three(lambda e: {}), AT + "has no logprobs"),
    "twice": (
        at_three(lambda e: {**entry(9, RANKED), "09": {"logprob": -9.5, "rank": 9}}),
        AT + "has class 9 twice",
    ),
    "no rank": (at_three(lambda e: {**entry(9, RANKED), "6": {"logprob": -1.0}}), "no logprob and"),
    "number": (at_three(lambda e: {**entry(9, RANKED), "6": -1.0}), "has no logprob and rank"),
    "text": (at_three(lambda e: {**entry(9, RANKED), "6": {"logprob": "a", "rank": 2}}), AT),
    "huge": (at_three(lambda e: {**entry(9, RANKED), "6": {"logprob": -1e300, "rank": 2}}), AT),
    "no id": (at_three(lambda e: {**entry(9, RANKED), "the": {"logprob": -1, "rank": 9}}), AT),
    "class outside": (
        at_three(lambda e: entry(9, [(CLASSES, -0.1), *RANKED[1:]])),
        AT + "has class",
    ),
    "null": (at_three(lambda e: None), AT + "has no map of logprobs"),
    "first": (
        edited(lambda line: line["prompt_logprobs"].pop(0)),
        "line 3: has logprobs of the fi",
    ),
    "short": (edited(lambda line: line["prompt_token_ids"].pop()), "has 12 tokens and 13 logprobs"),
    "no tokens": (
        edited(lambda line: line.pop("prompt_token_ids")),
        "some lines have prompt_token",
    ),
    "bad tokens": (edited(lambda line: line.update(prompt_token_ids=["a"])), "no token ids"),
    "no logprobs": (
        edited(lambda line: line.pop("prompt_logprobs")),
        "line 3: has no prompt_logpro",
    ),
    "list": ([*LINES, [1]], "line 4: has no prompt_logprobs"),
    "NaN": (at_three(lambda e: {"1": {"logprob": float("nan"), "rank": 1}}), r"not JSON \(NaN\)"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_lines(tmp_path, case):
    lines, message = BAD[case]
    source = written(lines, tmp_path / "a.jsonl")
    with pytest.raises(DumpError, match=message):
        encode(source, tmp_path / "a.slc", classes=CLASSES)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jsonl"]


@pytest.mark.parametrize("text", ["", "\n\n", "{", "[" * 100_000, "\xff", '{"prompt_logprobs": 1}'])
def test_files_of_something_else(tmp_path, text):
    (tmp_path / "a.jsonl").write_bytes(text.encode("latin-1"))
    with pytest.raises(DumpError, match=r"a\.jsonl: (has no lines|line 1: )"):
        open_dump(tmp_path / "a.jsonl", classes=CLASSES)


def test_truncated_and_changed(tmp_path):
    source = written(LINES, tmp_path / "a.jsonl")
    dump = open_dump(source, classes=CLASSES)
    whole = source.read_bytes()
    source.write_bytes(whole[:-100])
    with pytest.raises(DumpError, match="line 3: damaged"):
        open_dump(source, classes=CLASSES)
    with pytest.raises(DumpError, match="line 3: damaged"):
        dump.read(0)
    with pytest.raises(DumpError, match="holds k=5 classes of a vocabulary of 4"):
        open_dump(written(LINES, source), classes=4)
    with pytest.raises(ConfigError, match="`shift` does not apply here: its labels are log-prob"):
        open_dump(source, classes=CLASSES, shift=0)
