from __future__ import annotations

import json
from contextlib import suppress

import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from labelcodec.pipeline.run_folder import load_run
from labelcodec.pipeline.threads import torch_threads
from labelcodec.replay.loading import start_worker
from tests.pipeline import scene
from tests.pipeline.runs import Stop, run, stop


class Threads(Dataset[int]):
    """One item: how many threads torch has where it is loaded."""

    def __len__(self) -> int:
        return 1

    def __getitem__(self, number: int) -> int:
        if number:
            raise IndexError
        return torch.get_num_threads()


@pytest.mark.parametrize("threads", [2, 3])
def test_a_resumed_run_of_several_threads_is_uninterrupted(world, tmp_path, threads) -> None:
    """Whatever their number is: `-W error` has it that nothing is said of them."""
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    torch.set_num_threads(threads)
    run(world, whole)
    with pytest.raises(Stop):
        run(world, stopped, progress=scene.after(9, stop))
    run(world, stopped, resume=True)
    for name in ("student.pt", "run.json"):
        assert (stopped / name).read_bytes() == (whole / name).read_bytes()
    assert load_run(stopped).threads == (threads,)


def test_another_number_of_threads_is_written_down_and_told(world, tmp_path) -> None:
    """Once, and not again for what goes on as it did."""
    told: list[str] = []
    for calls, threads in ((9, 1), (7, 2), (7, 2), (99, 1)):
        torch.set_num_threads(threads)
        with suppress(Stop):
            run(
                world, tmp_path / "run", resume=True, progress=scene.after(calls, stop),
                note=told.append,
            )  # fmt: skip
    assert load_run(tmp_path / "run").threads == (1, 2, 1)
    assert len(told) == 2
    for line, before, now in ((told[0], 1, 2), (told[1], 2, 1)):
        assert line.startswith(f"{tmp_path / 'run/checkpoint.pt'}: torch had threads={before} ")
        assert f"has threads={now} now" in line
        assert f"resume with `threads={before}` on as many cores" in line


def test_a_program_is_warned_of_another_number_of_threads(world, tmp_path) -> None:
    with pytest.raises(Stop):
        run(world, tmp_path / "run", progress=scene.after(9, stop))
    torch.set_num_threads(2)
    with pytest.warns(UserWarning, match="not to the same bits"):
        run(world, tmp_path / "run", resume=True)
    torch.set_num_threads(3)
    run(world, tmp_path / "run", resume=True)  # nothing is left to compute
    assert load_run(tmp_path / "run").threads == (1, 2)


def test_a_run_of_an_earlier_version_goes_on(world, tmp_path) -> None:
    """It did not write its threads down."""
    whole, out = tmp_path / "whole", tmp_path / "run"
    run(world, whole)
    with pytest.raises(Stop):
        run(world, out, progress=scene.after(9, stop))
    state = torch.load(out / "checkpoint.pt", weights_only=True)
    assert state["run"].pop("threads") == [1]
    torch.save(state, out / "checkpoint.pt")
    facts = json.loads((out / "run.json").read_text())
    assert facts.pop("threads") == [1]
    (out / "run.json").write_text(json.dumps(facts))
    assert load_run(out).threads == ()
    run(world, out, resume=True)
    for name in ("student.pt", "run.json"):
        assert (out / name).read_bytes() == (whole / name).read_bytes()


@pytest.mark.parametrize(
    ("variables", "count"),
    [
        ({}, 2),
        ({"LABELCODEC_THREADS": "3"}, 3),
        ({"OMP_NUM_THREADS": "4"}, 5),  # torch has read it already
        ({"LABELCODEC_THREADS": "3", "OMP_NUM_THREADS": "4"}, 3),
    ],
)
def test_what_decides_on_the_threads_of_torch(monkeypatch, variables, count) -> None:
    for name in ("LABELCODEC_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("labelcodec.threads.usable_cpus", lambda: 2)
    torch.set_num_threads(5)
    with torch_threads():
        assert torch.get_num_threads() == count
    assert torch.get_num_threads() == 5


def test_torch_is_given_no_more_threads_than_it_takes(monkeypatch) -> None:
    """Its own number, of cores rather than hyperthreads, is never raised unasked."""
    for name in ("LABELCODEC_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("labelcodec.threads.usable_cpus", lambda: 64)
    torch.set_num_threads(3)
    with torch_threads():
        assert torch.get_num_threads() == 3


def test_a_worker_of_a_loader_has_one_thread() -> None:
    torch.set_num_threads(3)
    loader = DataLoader(Threads(), batch_size=None, num_workers=1, worker_init_fn=start_worker)
    assert list(loader) == [1]
