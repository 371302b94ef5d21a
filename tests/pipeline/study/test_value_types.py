from __future__ import annotations

import pytest

from labelcodec.errors import ConfigError
from labelcodec.pipeline.study.tables import RecoverTable, RelabelTable, TeacherTable
from labelcodec.pipeline.study.value_types import checked


def test_values_take_the_types_of_their_fields() -> None:
    table = checked(RelabelTable, {"keep": 1, "scale": [1, 1], "mix": "none"}, "t")
    assert (table.keep, table.scale, table.mix) == (1.0, (1.0, 1.0), None)
    assert isinstance(table.keep, float) and isinstance(table.scale[0], float)
    assert checked(RecoverTable, {"scale": "none", "png": True}, "t").scale is None


@pytest.mark.parametrize(
    ("kind", "values", "problem"),
    [
        (RelabelTable, {"kep": 1}, r"t: unknown setting 'kep'; there are epochs, keep, batch_size"),
        (RelabelTable, {"keep": "much"}, r"t.keep='much' is not a number"),
        (RelabelTable, {"keep": True}, r"t.keep=True is not a number"),
        (RelabelTable, {"keep": 0}, r"t: `keep` is 0, allowed"),
        (RelabelTable, {"batch_size": 1.5}, r"t.batch_size=1.5 is not a whole number"),
        (RelabelTable, {"scale": [1]}, r"t.scale=\[1\] is not a list of 2 numbers or 'none'"),
        (RelabelTable, {"mix": "cutmixx"}, r"is not 'cutmix' or 'mixup' or 'none'"),
        (RelabelTable, {"alpha": float("nan")}, r"t.alpha=nan is not a number"),
        (RelabelTable, [1], r"t is \[1\], expected a table"),
        (RecoverTable, {"method": "lpqld"}, r"t.method='lpqld' is not 'sre2l' or"),
        (RecoverTable, {"ipc": 0}, r"t: `ipc` is 0, allowed"),
        (RecoverTable, {"png": 1}, r"t.png=1 is not true or false"),
        (TeacherTable, {"mean": [0.5, 0.5, 0.5]}, r"t: mean and std go together"),
        (TeacherTable, {"model": 5}, r"t.model=5 is not text or 'none'"),
    ],
)
def test_mistakes_are_named(kind: type, values: object, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        checked(kind, values, "t")
