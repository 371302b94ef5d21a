from __future__ import annotations

import json
from contextlib import suppress

import pytest
import torch

from labelcodec.pipeline.run_folder import load_run
from tests.pipeline import scene
from tests.pipeline.runs import Stop, run, stop


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
        assert f"OMP_NUM_THREADS={before} on as many cores" in line


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
