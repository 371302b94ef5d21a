from __future__ import annotations

from pathlib import Path

from labelcodec.pipeline.study.cells import cells_of
from labelcodec.pipeline.study.study_file import study_of

CONTENT = {
    "grid": {"relabel.keep": [1.0, 0.1], "seed": [0, 1]},
    "rows": [
        {"name": "pool", "train": {"order": "pool"}},
        {"name": "top", "relabel.keep": 0.1, "codec": ["topk:k=2", "topk:k=1"]},
        {"name": "one", "seed": 7},
    ],
}


def test_rows_override_the_grid_and_lists_in_them_are_gone_through() -> None:
    cells = cells_of(study_of(CONTENT, "s", Path()))
    seen = [(cell.row, cell.settings.relabel.keep, cell.settings.codec, cell.settings.seed)
            for cell in cells]  # fmt: skip
    assert seen == [
        *(("pool", keep, "dense", seed) for keep in (1.0, 0.1) for seed in (0, 1)),
        *(("top", 0.1, codec, seed) for codec in ("topk:k=2", "topk:k=1") for seed in (0, 1)),
        *(("one", keep, "dense", 7) for keep in (1.0, 0.1)),
    ]
    assert cells[0].varying == {"relabel.keep": 1.0}
    assert cells[4].varying == {"relabel.keep": 0.1, "codec": "topk:k=2"}
    assert cells[4].title == "top, relabel.keep=0.1, codec=topk:k=2, seed=0"


def test_a_study_without_grid_and_rows_is_one_cell() -> None:
    (cell,) = cells_of(study_of({"codec": "topk:step=0.5,k=2"}, "s", Path()))
    assert (cell.row, dict(cell.varying), cell.title) == (None, {}, "seed=0")
    assert cell.settings.codec == "topk:k=2,step=0.5"  # one spelling, so that it is one stage
