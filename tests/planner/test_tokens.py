"""Predicted sizes of labels of tokens are those of the benchmark, and go on between them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from labelcodec.errors import ConfigError
from labelcodec.planner.container import NotMeasured
from labelcodec.planner.tokens import DRAWS, EXACT, KEPT, STEPS, VOCABULARY, predict_tokens
from tests.cli.call import call

LABELS = 16_384  # of each row in results/vocabularies.json
RESULT = Path(__file__).parents[2] / "benchmarks/results/tokens.json"
MEASURED = {
    (row["codec"], row["k"]): row["bytes_per_token"]
    for row in json.loads(RESULT.read_text())["rows"]
}


def per_token(spec: str, tokens: int = 10**9) -> float:
    return predict_tokens(spec, VOCABULARY, tokens).bytes_total / tokens


def test_tables_are_those_of_the_benchmark():
    exact = {50: ("topk", 50), 128: ("topk", 128), 20: ("topk:k=20", 128), 10: ("topk:k=10", 128)}
    assert {k: pytest.approx(MEASURED[key], abs=0.06) for k, key in exact.items()} == EXACT
    assert {
        step: pytest.approx(MEASURED[f"topk:step={step:g}", 50], abs=0.06) for step in STEPS
    } == STEPS
    assert {n: pytest.approx(MEASURED[f"sampled:n={n}", 50], abs=0.06) for n in DRAWS} == DRAWS
    kept = MEASURED["sampled:n=50,keep=1", 50] - MEASURED["sampled:n=50", 50]
    assert pytest.approx(kept, abs=0.06) == KEPT


def test_measured_files_are_predicted_as_they_are():
    for k, size in EXACT.items():
        assert per_token(f"topk:k={k}") == pytest.approx(size, rel=1e-3)
    for step, size in STEPS.items():
        assert per_token(f"topk:k=50,step={step}") == pytest.approx(size, rel=1e-3)
    for n, size in DRAWS.items():
        assert per_token(f"sampled:n={n}") == pytest.approx(size, rel=1e-3)


def test_an_interpolated_file_is_near_the_measured_one():
    """Steps were measured at k = 50 alone; these two files have another k."""
    assert per_token("topk:k=20,step=0.5") == pytest.approx(
        MEASURED["topk:k=20,step=0.5", 128], rel=0.1
    )
    assert per_token("topk:k=128,step=0.5") == pytest.approx(
        MEASURED["topk:step=0.5", 128], rel=0.15
    )
    assert EXACT[20] < per_token("topk:k=35") < EXACT[50]
    assert per_token("topk:k=50,tail=mass") > per_token("topk:k=50")


def test_tables_weigh_on_few_tokens():
    """They list the classes that labels name, at most all of them."""
    assert per_token("sampled:n=50", 1000) > 100 + per_token("sampled:n=50")
    assert per_token("sampled:n=50", 10_000) < 40 + per_token("sampled:n=50")


def test_vocabularies_of_other_sizes_take_as_many_bytes():
    rows = json.loads((RESULT.parent / "vocabularies.json").read_text())["rows"]
    assert min(row["classes"] for row in rows) < VOCABULARY < max(row["classes"] for row in rows)
    for row in rows:
        spec = row["codec"].replace("topk", "topk:k=50").replace("50:step", "50,step")
        tables = predict_tokens(spec, row["classes"], LABELS).bytes_total - LABELS * per_token(spec)
        assert row["table_bytes"] < tables  # those of labels that name all classes
        assert per_token(spec) == pytest.approx(row["bytes_per_token"], rel=0.12)
    for codec in {row["codec"] for row in rows}:
        sizes = [row["bytes_per_token"] for row in rows if row["codec"] == codec]
        assert max(sizes) < 1.1 * min(sizes)


def test_refusals():
    with pytest.raises(NotMeasured, match="transform"):
        predict_tokens("transform:bytes=30", VOCABULARY, 10)
    for spec, classes in (("topk", 100), ("topk:k=50", 10)):
        with pytest.raises(ConfigError, match="give k"):
            predict_tokens(spec, classes, 10)


def test_command(capsys):
    facts = call(capsys, "plan", "--classes", VOCABULARY, "--tokens", 10**8, "--json").json()
    assert facts["predicted"][0]["codec"] == "topk:k=50"
    shown = call(capsys, "plan", "--classes", VOCABULARY, "--tokens", 10**8).out
    assert "B/token" in shown and "SRe2L" not in shown
    assert call(capsys, "plan", "--classes", 10, "--tokens", 5, "--ipc", 1).status == 2
