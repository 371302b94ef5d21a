"""Projector files: trained to labels or teachers, read with their encoder and with no other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

import labelcodec
from labelcodec.analysis.fidelity import Accumulator
from labelcodec.codecs.projector.format import FORMS
from labelcodec.codecs.projector.matrix import Matrix
from labelcodec.codecs.projector.tables import ProjectorTables
from labelcodec.errors import (
    ConfigError,
    DataError,
    MismatchError,
    NeedsImagesError,
)
from labelcodec.pipeline import AdaptSettings, materialise, project_teacher, train
from labelcodec.pipeline.projection.encoder import load_encoder
from labelcodec.pipeline.projection.inputs import encoder_inputs, probe_image
from labelcodec.pipeline.projection.labelling import Adapted, ProjectorLabeller
from labelcodec.replay.dataset import ReplayDataset
from labelcodec.replay.labelling import labeller_for
from spec.reference_decoder import projector as reference
from tests.pipeline import scene
from tests.pipeline.projection.conftest import projected

CPU = torch.device("cpu")


def other_weights(world, path):
    state = load_file(world / "teacher.safetensors")
    save_file({name: value * 1.01 for name, value in state.items()}, path)
    return path


def of(world):
    return {"encoder": scene.SMALL, "encoder_weights": world / "teacher.safetensors"}


def dataset(path, world, **more):
    with labelcodec.open(path) as reader:
        labeller = labeller_for(reader, scene.SMALL, world / "teacher.safetensors", CPU)
    return ReplayDataset(path, world / "images", labeller=labeller, **more)


def test_the_labels_are_those_of_the_target(world, tiny):
    data, distances = dataset(tiny, world), Accumulator()
    with labelcodec.open(world / "labels.slc") as source:
        assert len(data) == len(source)
        for i, batch in enumerate(source):
            own = data.label_batch(i)
            assert (own.number, own.epoch) == (batch.number, batch.epoch)
            distances.add(batch.labels, own.labels)
    found = distances.result()
    assert found.kl[1] < 0.02 and found.top1_agreement > 0.9
    with labelcodec.open(tiny) as reader:
        assert reader.header.fingerprint and reader.header.agreement
        assert reader.chosen()[0]["kl"]["1"] < 0.05
        assert all(int(size) < 24 for size in reader.index.size)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("uint8", [True, False])
def test_loaders_give_the_labels_of_the_images(world, tiny, uint8, workers):
    data = dataset(tiny, world, uint8=uint8)
    loader = torch.utils.data.DataLoader(data, batch_size=None, num_workers=workers)
    for i, batch in enumerate(loader):
        done = data.finish(batch) if uint8 else batch
        expected = data.label_batch(i).labels.value
        found = done.labels.value.half().numpy()
        np.testing.assert_allclose(found, expected, rtol=2e-3, atol=2e-3)


def test_the_labels_are_what_the_specification_says(world, tiny):
    """PJ-5 and PJ-9, in binary64 from the weights and the tables alone."""
    with labelcodec.open(tiny) as reader:
        tables = reader[0].labels.compact.tables
    (layer,) = tables.layers
    large = Matrix.of(np.random.default_rng(0).normal(size=layer.up.entries.shape), FORMS["int8"])
    tables = replace(tables, layers=[replace(layer, up=large)])
    encoder = load_encoder(scene.SMALL, world / "teacher.safetensors", scene.CLASSES, None, CPU)
    adapted = Adapted(encoder, tables)
    read = reference.projector_tables(tables.to_parts(), scene.CLASSES)
    model = scene.small(scene.CLASSES).double().eval()
    model.load_state_dict(load_file(world / "teacher.safetensors"))
    model[0].weight.data = torch.from_numpy(
        reference.updated(model[0].weight.detach().numpy(), "0", read)
    )
    images = torch.rand(4, 3, scene.SIDE, scene.SIDE)
    facts = read["encoder"]
    mean, std = (torch.tensor(facts[key])[:, None, None] for key in ("mean", "std"))
    features = model[:4]((images.double() - mean) / std).detach().numpy()
    expected = reference.logits(features, read)
    np.testing.assert_allclose(adapted.logits(images).numpy(), expected, rtol=1e-3, atol=1e-3)
    probe = reference.probe_image(facts["height"], facts["width"])
    np.testing.assert_allclose(probe_image(tables.encoder, CPU)[0].numpy(), probe, atol=1e-6)


def test_inputs_are_resized_as_the_specification_says(world, tiny):
    with labelcodec.open(tiny) as reader:
        facts = replace(
            reader[0].labels.compact.tables.encoder,
            height=5,
            width=13,
            mean=(0, 0, 0),
            std=(1, 1, 1),
        )
    image = torch.rand(1, 3, 8, 9)
    found = encoder_inputs(image, facts)[0].numpy()

    def positions(new, old):
        at = np.maximum((np.arange(new) + 0.5) * old / new - 0.5, 0)
        low = np.minimum(at.astype(int), old - 1)
        return low, np.minimum(low + 1, old - 1), at - low

    rows, columns = positions(5, 8), positions(13, 9)
    source = image[0].numpy()
    high, low, part = rows[1], rows[0], rows[2][:, None]
    tall = source[:, low] * (1 - part) + source[:, high] * part
    expected = tall[..., columns[0]] * (1 - columns[2]) + tall[..., columns[1]] * columns[2]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_student_is_trained_on_them(world, tiny, tmp_path):
    report = train(tiny, world / "images", scene.settings(), tmp_path / "run", **of(world))
    assert report.agreement.share > 0.5
    with pytest.raises(NeedsImagesError, match=r"encoder 'tests\.pipeline\.scene:small'"):
        train(tiny, world / "images", scene.settings(), tmp_path / "none")
    with pytest.raises(ConfigError, match="holds its labels"):
        train(
            world / "labels.slc", world / "images", scene.settings(), tmp_path / "no", **of(world)
        )


def test_another_encoder_is_refused(world, tiny, tmp_path):
    weights = other_weights(world, tmp_path / "other.safetensors")
    with pytest.raises(MismatchError, match="whose weights have SHA-256"):
        train(
            tiny, world / "images", scene.settings(), tmp_path / "run",
            encoder=scene.SMALL, encoder_weights=weights,
        )  # fmt: skip


class Strided(nn.Sequential):
    """The world's network with the same weights, and other features."""

    def __init__(self, state):
        network = scene.small(scene.CLASSES)
        network.load_state_dict(state)
        super().__init__(*network[:1], nn.GELU(), *network[2:])


def test_the_same_weights_in_another_network_are_refused(world, tiny):
    with labelcodec.open(tiny) as reader:
        other = Strided(load_file(world / "teacher.safetensors"))
        with pytest.raises(MismatchError, match="probe image differ"):
            labeller_for(reader, other, None, CPU)


def test_tables_for_other_layers_are_refused(world, tiny):
    with labelcodec.open(tiny) as reader:
        compact = reader[0].labels.compact
        labeller = labeller_for(reader, scene.SMALL, world / "teacher.safetensors", CPU)
    assert isinstance(labeller, ProjectorLabeller)
    (layer,) = compact.tables.layers
    renamed = replace(compact.tables, layers=[replace(layer, name="7")])
    with pytest.raises(MismatchError, match="in the layer '7'"):
        labeller.adapted(renamed)
    halved = replace(layer, up=replace(layer.up, entries=layer.up.entries[:, :4]))
    with pytest.raises(MismatchError, match="4 x 27"):
        labeller.adapted(replace(compact.tables, layers=[halved]))


@pytest.mark.parametrize("codec", ["dense", "topk:k=2"])
def test_materialising(world, tiny, tmp_path, codec):
    materialise(tiny, tmp_path / "out.slc", codec, world / "images", **of(world))
    data = dataset(tiny, world)
    with labelcodec.open(tmp_path / "out.slc") as reader:
        assert reader.header.source["lossy"][-1] == "projector"
        for i, batch in enumerate(reader):
            full = data.label_batch(i).labels.value
            kept = batch.labels.value if batch.labels.k else batch.labels.value.max(1)[:, None]
            np.testing.assert_array_equal(kept[:, :1].max(1), full.max(1))


def test_teachers_as_targets(world, tmp_path):
    report = project_teacher(
        world / "images", tmp_path / "t.slc", [scene.SMALL, scene.SMALL], scene.SMALL,
        weights=[world / "teacher.safetensors"] * 2, shares=[3, 1], image_size=scene.SIDE,
        normalisation=scene.NORMALISATION, batch_size=4, epochs=50, keep=0.5,
        encoder_weights=world / "teacher.safetensors", encoder_classes=scene.CLASSES,
        codec="projector:rank=2,head=4", settings=AdaptSettings(steps=40), seed=5,
    )  # fmt: skip
    assert report.fidelity.kl[1] < 0.1
    assert report.target_agreement.labels == report.agreement.labels > 0
    with labelcodec.open(report.file) as reader:
        assert len(reader) == report.batches == 125
        assert reader.header.teacher["shares"] == [0.75, 0.25]
    train(report.file, world / "images", scene.settings(), tmp_path / "run", **of(world))


@pytest.mark.parametrize("init", ["zero", "class-means", "file"])
@pytest.mark.parametrize("head", [0, 3])
def test_initial_heads(world, tmp_path, init, head):
    if init == "file":
        init = tmp_path / "text.safetensors"
        save_file({"text": torch.randn(scene.CLASSES, 72)}, init)
    settings = AdaptSettings(steps=30, head_init=init, learning_rate=0.01, hard_weight=0.1)
    codec = f"projector:rank=1,head={head},precision=float16"
    made = projected(world, tmp_path / "p.slc", settings=settings, codec=codec)
    untrained = projected(
        world, tmp_path / "q.slc", settings=replace(settings, steps=0), codec=codec
    )
    assert made.fidelity.kl[1] < untrained.fidelity.kl[1]


def test_the_layers_are_trained(world, tmp_path):
    torch.manual_seed(0)
    settings = AdaptSettings(steps=40, head_init="zero", learning_rate=0.01)
    given = {"encoder": scene.still(9), "encoder_weights": None, "encoder_classes": 9}
    made = projected(world, tmp_path / "p.slc", settings=settings, **given)
    with labelcodec.open(made.file) as reader:
        (layer,) = reader[0].labels.compact.tables.layers
    assert np.abs(layer.up.values()).max() > 0  # they start at 0


def test_a_run_is_repeated_by_its_seed(world, tmp_path):
    for name in ("a", "b"):
        projected(world, tmp_path / f"{name}.slc", settings=AdaptSettings(steps=5, seed=3))
    assert (tmp_path / "a.slc").read_bytes() == (tmp_path / "b.slc").read_bytes()


def test_input_that_cannot_be_projected(world, tmp_path, tiny):
    target = tmp_path / "p.slc"
    with pytest.raises(ConfigError, match="projector:rank=8"):
        projected(world, target, codec="dense")
    with pytest.raises(MismatchError, match="6 classes x 72 features, it holds text"):
        save_file({"text": torch.randn(5, 72)}, tmp_path / "text.safetensors")
        settings = AdaptSettings(head_init=tmp_path / "text.safetensors")
        projected(world, target, settings=settings)
    with pytest.raises(ConfigError, match="class-means"):
        projected(world, target, settings=AdaptSettings(head_init="random"))
    with pytest.raises(DataError, match="lower `learning_rate`"):
        projected(world, target, settings=AdaptSettings(learning_rate=1e30, steps=20))
    with pytest.raises(NeedsImagesError, match="`encoder`"):
        projected(world, target, source=tiny)
    with pytest.raises(MismatchError, match="exists"):
        projected(world, tiny)
    assert not list(tmp_path.glob("p.slc*"))


def rewritten(world, path, change, **header):
    """The world's labels with other values or another header."""
    with labelcodec.open(world / "labels.slc") as reader:
        changed = replace(reader.header, codec="dense", config={}, **header)
        with labelcodec.Writer(path, changed, "dense") as writer:
            for batch in reader:
                labels = batch.labels
                writer.add(replace(batch, labels=replace(labels, value=change(labels.value))))
    return path


def test_labels_that_cannot_be_projected(world, tmp_path):
    same = rewritten(world, tmp_path / "same.slc", np.ones_like)
    with pytest.raises(DataError, match="all the same"):
        projected(world, tmp_path / "p.slc", source=same)
    stored = rewritten(world, tmp_path / "stored.slc", np.copy, recipe=None)
    with pytest.raises(DataError, match=r"store their augmentation.*`labelcodec relabel`"):
        projected(world, tmp_path / "p.slc", source=stored)


def test_what_needs_no_encoder(world, tiny, tmp_path):
    from labelcodec.merging import merge

    assert labelcodec.verify(tiny).sound
    assert "projector" in repr(labelcodec.open(tiny))
    with labelcodec.open(tiny) as reader:
        assert labelcodec.stats(tiny).labels == reader.index.samples.sum()
    with pytest.raises(NeedsImagesError, match="another codec"):
        labelcodec.compare(tiny, world / "labels.slc")
    with pytest.raises(NeedsImagesError, match="another codec"):
        labelcodec.recode(tiny, tmp_path / "r.slc", "dense")
    merge([tiny], tmp_path / "m.slc")
    with labelcodec.open(tmp_path / "m.slc") as reader:
        assert isinstance(reader[0].labels.compact.tables, ProjectorTables)
