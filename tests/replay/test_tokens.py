"""Labels of token sequences meet their own texts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from labelcodec import Header, Writer
from labelcodec.errors import ConfigError, DataError, MismatchError
from labelcodec.replay import BatchOrder, ReplayDataset, Texts, TokenDataset
from labelcodec.sequences import token_digest
from tests.replay import scene
from tests.sequences import samples

HEADER = Header(samples.CLASSES, k=4, tail="zero", kind="tokens", shift=1)


def write(path, batches, **header):
    with Writer(path, replace(HEADER, **header), "topk") as writer:
        for batch in batches:
            writer.add(batch)
    return path


@pytest.fixture
def batches():
    return [samples.batch(number, (5, 1, 8 - number)) for number in range(3)]


@pytest.fixture
def labels(tmp_path, batches):
    return write(tmp_path / "a.slc", batches)


def texts_of(batches) -> list[np.ndarray]:
    """Texts at the numbers of their sequences, empty ones between."""
    texts = [np.zeros(0, np.int32)] * 40
    for batch in batches:
        for number, first, length in zip(
            batch.image_index[batch.sequences.first], batch.sequences.first,
            batch.sequences.length, strict=True,
        ):  # fmt: skip
            texts[number] = batch.sequences.tokens[first : first + length]
    return texts


@pytest.mark.parametrize("packed", [False, True])
def test_a_batch(labels, batches, packed) -> None:
    dataset = TokenDataset(labels, packed=packed, padding=7)
    item, recorded = dataset[1], batches[1]
    assert (len(dataset), len(item), dataset.classes) == (3, 13, samples.CLASSES)
    assert item.tokens.shape == ((1, 13) if packed else (3, 7))
    flat, sequence = item.tokens.flatten(), item.sequence.flatten()
    assert flat[sequence >= 0].tolist() == recorded.sequences.tokens.tolist()
    assert (flat[sequence < 0] == 7).all()
    assert item.place.flatten()[sequence >= 0].tolist() == [*range(5), 0, *range(7)]
    assert sequence[sequence >= 0].tolist() == [0] * 5 + [1] + [2] * 7
    assert flat[item.predictor].tolist() == recorded.sequences.tokens.tolist()
    assert np.array_equal(item.labels.index.numpy(), recorded.labels.index)
    assert np.array_equal(item.labels.value.numpy(), recorded.labels.value.astype(np.float32))


@pytest.mark.parametrize("packed", [False, True])
def test_labels_of_the_tokens_themselves(tmp_path, batches, packed) -> None:
    """Their logits stand one token before; the first token of a text has none."""
    path = write(tmp_path / "b.slc", batches, shift=0)
    item, recorded = TokenDataset(path, packed=packed)[0], batches[0]
    kept = np.array([i for i in range(14) if i not in (0, 5, 6)])
    assert item.tokens.flatten()[item.predictor].tolist() == (
        recorded.sequences.tokens[kept - 1].tolist()
    )
    assert np.array_equal(item.labels.index.numpy(), recorded.labels.index[kept])


def test_positions_outside_the_loss_mask_are_left_out(tmp_path) -> None:
    mask = np.arange(14) % 2 == 0
    path = write(tmp_path / "b.slc", [samples.batch(mask=mask)])
    item, whole = TokenDataset(path)[0], samples.batch()
    assert np.array_equal(item.labels.index.numpy(), whole.labels.index[mask])
    tokens = item.tokens.flatten()[item.predictor]
    assert tokens.tolist() == whole.sequences.tokens[mask].tolist()


@pytest.mark.parametrize("workers", [0, 2])
def test_a_stock_loader_resumes(labels, workers) -> None:
    dataset = TokenDataset(labels)
    order = BatchOrder(len(dataset), per_epoch=7, seed=3)
    whole = list(BatchOrder(len(dataset), per_epoch=7, seed=3))
    loader = DataLoader(dataset, batch_size=None, sampler=order, num_workers=workers)
    counted = order.counted(loader)
    begun = [next(counted).position for _ in range(3)]
    state = order.state_dict()
    counted.close()
    order = BatchOrder(len(dataset), per_epoch=7, seed=3)
    order.load_state_dict(state)
    loader = DataLoader(dataset, batch_size=None, sampler=order, num_workers=workers)
    assert begun + [item.position for item in order.counted(loader)] == whole


@pytest.mark.parametrize("by_digest", [False, True])
def test_texts_are_joined(tmp_path, batches, by_digest) -> None:
    own = texts_of(batches)
    bare = [replace(batch, sequences=replace(batch.sequences, tokens=None)) for batch in batches]
    path = write(tmp_path / "b.slc", bare)
    with pytest.raises(ConfigError, match="stores no token ids; pass `texts`"):
        TokenDataset(path)
    texts = own[::-1] if by_digest else own
    dataset = TokenDataset(path, Texts(texts, by_digest=by_digest))
    for item, batch in zip(dataset, batches, strict=False):
        flat = item.tokens.flatten()[item.sequence.flatten() >= 0]
        assert flat.tolist() == batch.sequences.tokens.tolist()


def test_another_text_is_refused(labels, batches) -> None:
    texts = texts_of(batches)
    wrong = TokenDataset(labels, Texts(texts[::-1]))
    with pytest.raises(MismatchError, match=r"batch 1, sequence 0: text 10 has other tokens"):
        wrong[1]
    with pytest.raises(MismatchError, match=r"batch 2, sequence 0: is text 20, and there are 15"):
        TokenDataset(labels, Texts(texts[:15]))[2]
    missing = Texts([text for i, text in enumerate(texts) if i != 12], by_digest=True)
    with pytest.raises(MismatchError, match=r"batch 1, sequence 2: none of the 39 texts has its"):
        TokenDataset(labels, missing)[1]


def test_another_tokenizer_or_a_shorter_text(tmp_path, batches) -> None:
    bare = replace(batches[0], sequences=replace(batches[0].sequences, digest=None))
    path, texts = write(tmp_path / "b.slc", [bare]), texts_of(batches)
    texts[0] = texts[0] + samples.CLASSES
    with pytest.raises(MismatchError, match="another tokenizer"):
        TokenDataset(path, Texts(texts))[0]
    texts[0] = texts_of(batches)[0][:3]
    with pytest.raises(MismatchError, match="labels up to position 5, and its text 3 tokens"):
        TokenDataset(path, Texts(texts))[0]
    with pytest.raises(MismatchError, match="has no digest to find its text by"):
        TokenDataset(path, Texts(texts, by_digest=True))[0]


def test_a_text_spread_over_batches_keeps_its_beginning(tmp_path) -> None:
    """A later part comes with all tokens before it, which its labels depend on."""
    text = np.arange(20, dtype=np.int32)
    digest = token_digest(text)[None]
    parts = [
        samples.batch(i, (10,), start=np.array([10 * i]), tokens=text[10 * i :][:10], digest=digest)
        for i in range(2)
    ]
    path = write(tmp_path / "b.slc", [replace(p, image_index=np.zeros(10, int)) for p in parts])
    item = TokenDataset(path, Texts([text]))[1]
    assert item.tokens.tolist() == [text.tolist()]
    assert item.predictor.tolist() == [*range(10, 20)]
    with pytest.raises(MismatchError, match="begins inside its text; pass `texts`"):
        TokenDataset(path)[1]


def test_each_kind_has_its_own_dataset(tmp_path, labels) -> None:
    images = scene.folder(tmp_path / "images")
    with pytest.raises(MismatchError, match="token sequences; use a TokenDataset"):
        ReplayDataset(labels, images)
    path = scene.write(tmp_path / "b.slc", [scene.batch(0, [1])])
    with pytest.raises(MismatchError, match="labels of images; use a ReplayDataset"):
        TokenDataset(path)
    with pytest.raises(ConfigError, match="batch_size=None"):
        next(iter(DataLoader(TokenDataset(labels), batch_size=2)))


def test_labels_that_cannot_be_trained_on(tmp_path) -> None:
    batch = samples.batch()
    batch.labels.value[3] = np.nan
    with Writer(tmp_path / "b.slc", HEADER, "topk", allow_nonfinite=True) as writer:
        writer.add(batch)
    with pytest.raises(DataError, match="the label of position 3 has NaN"):
        TokenDataset(tmp_path / "b.slc")[0]


def test_moving_to_a_device(labels) -> None:
    item = TokenDataset(labels)[0].to("meta")
    tensors = (item.tokens, item.place, item.sequence, item.predictor, item.labels.value)
    assert {tensor.device for tensor in tensors} == {torch.device("meta")}
