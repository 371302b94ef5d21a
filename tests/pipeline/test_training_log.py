from __future__ import annotations

import io
import json

from labelcodec.pipeline.training_log import amend, append, truncate


class Watched(io.BytesIO):
    """A log that is never without a line that it had."""

    had = 0

    def truncate(self, size: int | None = None) -> int:
        done = super().truncate(size)
        lines = [json.loads(line) for line in self.getvalue().splitlines()]
        assert len(lines) >= self.had
        self.had = len(lines)
        return done


def test_a_line_is_amended_in_its_place() -> None:
    log = Watched()
    append(log, {"epoch": 0})
    append(log, {"epoch": 1})
    amend(log, {"validation": {"top1": 0.25}})
    amend(log, {"validation": {"top1": 0.5}})
    append(log, {"epoch": 2})
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    assert lines == [{"epoch": 0}, {"epoch": 1, "validation": {"top1": 0.5}}, {"epoch": 2}]


def test_what_was_written_after_a_checkpoint_goes() -> None:
    log = io.BytesIO()
    for epoch in range(3):
        append(log, {"epoch": epoch})
    truncate(log, 2)
    append(log, {"epoch": 2, "again": True})
    assert log.getvalue().splitlines()[2:] == [b'{"epoch": 2, "again": true}']
