"""The pages in docs/ hold what the program does."""

from __future__ import annotations

import re
from pathlib import Path

import labelcodec
from cli import options
from labelcodec.formats import LAYOUTS

PAGE = (Path(__file__).parents[1] / "docs" / "layouts.md").read_text()


def test_own_labels_are_stored_as_the_example_says(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, object] = {}
    exec(compile(code, "layouts.md", "exec"), names)
    assert labelcodec.verify("mine.slc").sound
    with labelcodec.open("mine.slc") as reader:
        batch = reader[5]
        assert (len(reader), batch.epoch, batch.image_index.tolist()) == (6, 2, [*range(32, 64)])
        assert batch.augmentation.mix.partner.tolist() == names["partner"].tolist()
        assert batch.augmentation.mix.box == (4, 20, 8, 24)
        assert (batch.augmentation.crop.box == names["boxes"]).all()
        assert (batch.labels.value == names["logits"]).all()


def test_every_layout_and_option_is_listed() -> None:
    assert set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)) == set(LAYOUTS.names())
    listed = set(re.findall(r"^\| `--([a-z-]+)", PAGE, re.MULTILINE))
    assert listed == {name.replace("_", "-") for name in options.OF_DUMPS}
