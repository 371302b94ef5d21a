"""The loop over iterations: valid pixels, reports, and the peers' optimiser."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from labelcodec.pipeline.norm_layers import LayerInputs, norm_layers
from labelcodec.pipeline.recovery.jobs import jobs_of
from labelcodec.pipeline.recovery.norm_targets import network_targets
from labelcodec.pipeline.recovery.objective import Objective
from labelcodec.pipeline.recovery.pixels import valid_range
from labelcodec.pipeline.recovery.settings import RecoverySettings
from labelcodec.pipeline.recovery.synthesis import REPORTS, frozen, is_out_of_memory, synthesise
from labelcodec.pipeline.recovery.views import draw_view
from labelcodec.pipeline.teacher import load_teacher
from tests.pipeline.recovery.networks import Network
from tests.pipeline.scene import CLASSES, NORMALISATION, SIDE

CPU = torch.device("cpu")
SETTINGS = RecoverySettings(method="classwise", ipc=3, iterations=9, learning_rate=5.0)


def synthesised(settings: RecoverySettings, calls: list | None = None):
    teacher = load_teacher(
        Network(), None, CLASSES, CPU, normalisation=NORMALISATION, autocast=None,
        precision="float32",
    )  # fmt: skip
    objective = Objective(teacher, LayerInputs(norm_layers(teacher.model, "it"), "it"), settings)
    initial = torch.zeros(settings.ipc, 3, SIDE, SIDE)
    targets = network_targets(teacher.model, objective.layers(initial[:1]), "it", CPU)
    limits = valid_range(NORMALISATION, CPU)
    job, heard = jobs_of(settings, [2])[0], [] if calls is None else calls
    with frozen(teacher.model):
        made = synthesise(
            initial, job, objective, targets, limits, settings, lambda *call: heard.append(call)
        )
    return initial, made, objective, targets, job


def test_pixels_stay_in_the_valid_range() -> None:
    initial, (images, _), *_ = synthesised(SETTINGS)
    low, high = valid_range(NORMALISATION, CPU)
    assert ((images >= low) & (images <= high)).all()
    assert (images == low).any() and (images == high).any()  # such steps leave it
    assert not initial.any()  # unchanged


def test_the_first_step_is_that_of_adam() -> None:
    settings = replace(SETTINGS, iterations=1, learning_rate=0.01)
    initial, (images, loss), objective, targets, job = synthesised(settings)
    leaf = initial.clone().requires_grad_()
    view = draw_view(settings, job.number, 0, (SIDE, SIDE))
    terms = objective.backward(leaf, torch.tensor(job.classes), targets, [view])
    moved = leaf.grad.abs() > 1e-5  # Adam's first step has the length of the learning rate
    expected = initial - 0.01 * leaf.grad.sign()
    torch.testing.assert_close(images[moved], expected[moved], rtol=1e-2, atol=1e-5)
    assert loss.norm == pytest.approx(float(terms.norm))
    assert loss.cross_entropy == pytest.approx(float(terms.cross_entropy))


@pytest.mark.parametrize("iterations", [1, 9, 250])
def test_every_iteration_is_reported_and_the_loss_is_read_now_and_then(iterations: int) -> None:
    calls: list = []
    _, (_, loss), *_ = synthesised(replace(SETTINGS, iterations=iterations), calls)
    assert [done for done, _ in calls] == list(range(1, iterations + 1))
    readings = {id(reading) for _, reading in calls}
    assert min(iterations, REPORTS // 2) <= len(readings) <= REPORTS + 1
    assert calls[-1][1] is loss


def test_errors_of_memory_are_told_from_others() -> None:
    assert is_out_of_memory(MemoryError())
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    assert is_out_of_memory(RuntimeError("DefaultCPUAllocator: can't allocate memory"))
    assert not is_out_of_memory(RuntimeError("sizes differ"))
