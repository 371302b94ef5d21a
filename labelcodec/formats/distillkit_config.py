"""DistillKit's `compression_config.yaml`: how its labels are compressed.

Its fields are those of `DistributionQuantizationConfig` and `LegacyLogitCompressionConfig` in
distillkit/compression/config.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from labelcodec.batch import MAX_CLASSES
from labelcodec.errors import DumpError
from labelcodec.files.regular import read_regular
from labelcodec.formats.plain_yaml import plain_yaml

CONFIG = "compression_config.yaml"
WIDTHS = {"float16": 2, "bfloat16": 2, "float32": 4, "float64": 8}  # bytes of a value
MAX_BITS = 32  # of a residual
MAX_POWER = 64


@dataclass(frozen=True)
class Residuals:
    """Quantized differences between some values and the curve.

    Attributes:
        dtype: of their scale.
        bits: of each, 1..32.
        number: of values.
    """

    dtype: str
    bits: int
    number: int

    @property
    def bytes(self) -> int:
        """Stored bytes per position, the scale included."""
        return WIDTHS[self.dtype] + -(-self.bits * self.number // 8)


@dataclass(frozen=True)
class Curve:
    """How log-probabilities are compressed: some as they are, the others along a curve.

    Attributes:
        classes: C.
        k: number of kept classes, most probable first.
        exact_k: number of values that are stored as they are.
        exact_dtype: their dtype.
        terms: exponents of the curve's terms, or 'sqrt' and 'exp'.
        term_dtype: dtype of their coefficients.
        residuals: differences to the curve, for the first values behind the exact ones.
        is_delta: whether each value is stored as the difference to the one before it.
        is_unit: whether the curve is over 0..1, not over 0..k - exact_k - 1.
    """

    classes: int
    k: int
    exact_k: int
    exact_dtype: str
    terms: tuple[int | str, ...]
    term_dtype: str
    residuals: tuple[Residuals, ...]
    is_delta: bool
    is_unit: bool

    @property
    def bytes(self) -> int:
        """Stored bytes of the values of a position."""
        exact = self.exact_k * WIDTHS[self.exact_dtype]
        curve = len(self.terms) * WIDTHS[self.term_dtype]
        return exact + curve + sum(part.bytes for part in self.residuals)

    @property
    def sum_dtype(self) -> str:
        """Dtype of the sum of the curve and its residuals, by torch's rules."""
        dtypes = {self.exact_dtype} | ({self.term_dtype} if self.terms else set())
        if len(dtypes) == 1:
            return self.exact_dtype
        return "float64" if "float64" in dtypes else "float32"

    @property
    def dtype(self) -> str:
        """Dtype of the values that the decoder gives."""
        return self.exact_dtype if self.is_delta else self.sum_dtype


@dataclass(frozen=True)
class Legacy:
    """How the older compressor stores logits: some as they are, the others along a polynomial.

    Attributes:
        classes: C.
        k: number of kept classes, largest first.
        exact_k: number of values that are stored as they are.
        degree: of the polynomial.
        is_inverse: whether its terms are 1/x, 1/x^2, …
        has_sqrt: whether a square root is its last term.
    """

    classes: int
    k: int
    exact_k: int
    degree: int
    is_inverse: bool
    has_sqrt: bool

    @property
    def coefficients(self) -> int:
        """Number of terms."""
        return self.degree + 1 + self.has_sqrt


def index_bits(classes: int) -> int:
    """Bits in which a class is packed."""
    return (classes - 1).bit_length()


def read_config(folder: Path) -> Curve | Legacy:
    """Read the settings beside the tables.

    Raises:
        DumpError: they are missing or do not fit each other.
    """
    path = folder / CONFIG
    try:
        text = read_regular(path, DumpError, "a file of settings").decode()
    except FileNotFoundError:
        raise DumpError(
            f"{folder}: its labels are compressed by DistillKit, and {CONFIG} is missing, which "
            "says how; put the one they were made with there"
        ) from None
    except UnicodeDecodeError:
        raise DumpError(f"{path}: is no text") from None
    settings = _Settings(plain_yaml(text, path), path)
    return settings.legacy() if "polynomial_degree" in settings.values else settings.curve()


class _Settings:
    """Checked access to the settings of a file."""

    def __init__(self, values: Mapping[str, Any], path: Path) -> None:
        self.values, self.path = values, path

    def curve(self) -> Curve:
        classes = self.number("d", 2, MAX_CLASSES)
        k = self.number("k", 1, classes)
        exact_k = self.number("exact_k", 0, k)
        terms = self.values.get("polynomial_terms") or ()
        known = ("sqrt", "exp")
        if not all((type(t) is int and abs(t) <= MAX_POWER) or t in known for t in terms):
            self.fail(f"polynomial_terms is {terms!r}")
        residuals = tuple(self.residuals())
        if sum(part.number for part in residuals) > k - exact_k:
            self.fail("residual_bins hold more values than k - exact_k")
        if exact_k < k and not terms and not residuals:
            self.fail("says nothing of the values behind exact_k")
        return Curve(
            classes,
            k,
            exact_k,
            self.dtype(self.values, "exact_dtype", "float32"),
            tuple(terms),
            self.dtype(self.values, "term_dtype", "float32"),
            residuals,
            self.flag("delta_encoding", True),
            self.flag("normalize_t", False),
        )

    def legacy(self) -> Legacy:
        classes = self.number("vocab_size", 2, MAX_CLASSES)
        k = self.number("k", 1, classes)
        return Legacy(
            classes,
            k,
            self.number("exact_k", 0, k),
            self.number("polynomial_degree", 0, MAX_POWER),
            self.flag("invert_polynomial", True),
            self.flag("with_sqrt_term", False),
        )

    def residuals(self) -> list[Residuals]:
        stored = self.values.get("residual_bins") or []
        if not isinstance(stored, list) or not all(isinstance(part, dict) for part in stored):
            self.fail(f"residual_bins is {stored!r}")
        return [
            Residuals(
                self.dtype(part, "scale_dtype", None),
                self.number("element_bits", 1, MAX_BITS, part),
                self.number("num_elements", 1, MAX_CLASSES, part),
            )
            for part in stored
        ]

    def number(
        self, name: str, least: int, most: int, values: Mapping[str, Any] | None = None
    ) -> int:
        value = (self.values if values is None else values).get(name)
        if type(value) is not int or not least <= value <= most:
            self.fail(f"{name} is {value!r}, expected {least} to {most}")
        return int(value)

    def flag(self, name: str, default: bool) -> bool:
        value = self.values.get(name, default)
        if type(value) is not bool:
            self.fail(f"{name} is {value!r}, expected true or false")
        return bool(value)

    def dtype(self, values: Mapping[str, Any], name: str, default: str | None) -> str:
        value = values.get(name, default)
        if value not in WIDTHS:
            self.fail(f"{name} is {value!r}, expected {', '.join(WIDTHS)}")
        return str(value)

    def fail(self, what: str) -> NoReturn:
        raise DumpError(f"{self.path}: {what}")
