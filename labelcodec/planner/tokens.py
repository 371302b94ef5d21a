"""Predicted size of labels of tokens, from drawn labels (benchmarks/tokens.py)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import exp, log
from typing import Any

from labelcodec.codecs import registry
from labelcodec.codecs.interface import Codec
from labelcodec.codecs.sampled.codec import Sampled
from labelcodec.codecs.topk.codec import TopK
from labelcodec.errors import ConfigError
from labelcodec.planner.container import NotMeasured

VOCABULARY = 151_936  # of the measured labels
TOKEN_SPECS = ("topk:k=50", "topk:k=50,step=0.5", "topk:k=20,step=0.5,tail=mass", "sampled:n=50")
# Bytes per token without tables, as in benchmarks/results/tokens.json; a test holds them to it.
# From vocabularies of 32 000 to 262 144 they differ by less than 10 %: results/vocabularies.json.
# By k, by the step of k = 50, and by the number of draws.
EXACT: Mapping[int, float] = {10: 28.8, 20: 53.0, 50: 122.0, 128: 321.5}
STEPS: Mapping[float, float] = {0.125: 92.8, 0.5: 80.5, 2.0: 68.7}
DRAWS: Mapping[int, float] = {20: 17.1, 50: 23.0}
TABLES = 0.33e6  # bytes, once per file, where labels name all classes; less where they do not
MASS = 1.5  # bytes of a tail's mass
KEPT = 4.3  # bytes of a kept class of a sampled label


@dataclass(frozen=True)
class TokenPrediction:
    """Prediction for labels of tokens.

    Attributes:
        codec: codec spec.
        tokens: number of labels.
        bytes_total: size of the file, without token ids and digests.
        actual_rate: size of full float16 logits over `bytes_total`.
    """

    codec: str
    tokens: int
    bytes_total: int
    actual_rate: float

    def to_json(self) -> dict[str, Any]:
        """A dict of JSON-serializable values."""
        return {**asdict(self), "bytes_per_token": self.bytes_total / self.tokens}


def predict_tokens(spec: str, classes: int, tokens: int) -> TokenPrediction:
    """Predict the size of labels of tokens.

    The bytes per token are those of a vocabulary of 151 936, the tables grow with C.

    Args:
        spec: of the codec topk with k, or sampled.
        classes: C, the size of the vocabulary.
        tokens: number of labels, 1 and more.

    Raises:
        ConfigError: an invalid spec, or more classes kept than there are.
        NotMeasured: another codec.
    """
    codec = registry.parse(spec)
    per_token, kept = _bytes_per_token(codec, spec, classes), codec.kept(None, None)[0] or 1
    if kept > classes:
        raise ConfigError(f"{spec}: keeps {kept} classes of each label, there are {classes}")
    size = tokens * per_token + TABLES * min(classes, tokens * kept) / VOCABULARY
    return TokenPrediction(spec, tokens, round(size), 2 * classes * tokens / size)


def _bytes_per_token(codec: Codec, spec: str, classes: int) -> float:
    if isinstance(codec, Sampled):
        return _between(DRAWS, codec.n) + KEPT * codec.keep
    if not isinstance(codec, TopK):
        raise NotMeasured(f"{spec}: not measured for tokens, there is no prediction")
    if codec.k is None or codec.k > classes:
        raise ConfigError(f"{spec}: give k, 1..{classes}")
    size = _between(EXACT, codec.k)
    if codec.step is not None:
        size *= _between(STEPS, codec.step) / EXACT[50]
    return size + (MASS if codec.tail in ("mass", "floor") else 0.0)


def _between(table: Mapping[Any, float], at: float) -> float:
    """A figure between measured ones, on logarithmic scales; beyond them it goes on alike."""
    points: Sequence[tuple[float, float]] = [(log(x), log(y)) for x, y in sorted(table.items())]
    right = next((i for i, (x, _) in enumerate(points) if x >= log(at)), len(points) - 1)
    (x0, y0), (x1, y1) = points[max(right, 1) - 1], points[max(right, 1)]
    return exp(y0 + (y1 - y0) * (log(at) - x0) / (x1 - x0))
