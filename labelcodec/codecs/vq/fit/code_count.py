"""The number of codes per label: as many as a budget holds, or as few as bounds need."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from labelcodec.codecs.vq.coder import VqCoder
from labelcodec.errors import DataError
from labelcodec.wording import counted

LADDER = (1, 2, 3, 4, 6, 8, 11, 16, 22, 32, 45, 64, 91, 128, 181, 256)  # tried for a bound
TRIALS = 4  # fits to a budget

Fit = Callable[[int, float], VqCoder]  # codes, tau


@dataclass(frozen=True)
class Fitting:
    """How a coder is fitted to some labels.

    Attributes:
        fit: fits a coder with a number of codes at a temperature, and measures it.
        code_bytes: bytes of a code, about.
        most: codes per label that the tables can hold, at least 1.
        least_tables: bytes that the tables take at least.
        sharing: labels of the file, which share the tables.
    """

    fit: Fit
    code_bytes: float
    most: int
    least_tables: float
    sharing: int


def most_codes(fitting: Fitting, budget: float, tau: float) -> VqCoder:
    """The coder with as many codes as a budget holds.

    Args:
        fitting: how coders are fitted.
        budget: most bytes per label, tables included.
        tau: temperature of the loss.

    Raises:
        DataError: a budget that cannot be met.
    """
    if fitting.least_tables >= budget * fitting.sharing:
        raise _unmet(budget, fitting.least_tables, fitting.sharing, "at least ")
    codes, best = min(max(int(budget / fitting.code_bytes), 1), fitting.most), None
    for _ in range(TRIALS):
        coder = fitting.fit(codes, tau)
        assert coder.reached is not None
        if coder.reached.bytes <= budget:
            best = coder if best is None or codes > best.codebooks.codes else best
            more = int((budget - coder.reached.bytes) * codes / coder.reached.bytes)
            if not more or (best.codebooks.codes > codes) or codes == fitting.most:
                break
            codes = min(codes + more, fitting.most)
        else:
            over = coder.reached.bytes - budget
            each = coder.reached.bytes / codes
            codes = min(codes - 1, int(codes - over / each))
            if best is not None or codes < 1:
                break
    if best is None:
        assert coder.reached is not None
        raise _unmet(budget, coder.reached.tables * fitting.sharing, fitting.sharing)
    return best


def _unmet(budget: float, tables: float, sharing: int, least: str = "") -> DataError:
    return DataError(
        f"vq: bytes={budget:g} cannot be met: the tables are {least}{tables:.0f} bytes, "
        f"{tables / sharing:.3g} per label of {counted(sharing, 'label')}; from "
        f"{least}{2 * tables / budget:.0f} labels on, they leave half the budget to the codes; use "
        "transform for fewer"
    )


def least_codes(
    fitting: Fitting, budget: float | None, bounds: dict[str, float], tau: float | None
) -> VqCoder:
    """The coder with as few codes as bounds need.

    Args:
        fitting: how coders are fitted.
        budget: most bytes per label, tables included; None for no budget.
        bounds: largest mean distance to the source, by measure.
        tau: temperature of the loss; None tries that of the bound that is hardest to meet.

    Raises:
        DataError: a budget or bound that cannot be met.
    """
    search = _BoundSearch(fitting, bounds, tau)
    least, met = 0, None
    for codes in (codes for codes in LADDER if codes <= fitting.most):
        coder = search.fit(codes)
        if search.met(coder):
            met = coder
            break
        least = codes
        if budget is not None and coder.reached is not None and coder.reached.bytes > budget:
            break
    while met is not None and met.codebooks.codes - least > max(1, least // 8):
        codes = (least + met.codebooks.codes) // 2
        coder = search.fit(codes)
        least, met = (least, coder) if search.met(coder) else (codes, met)
    coder = met or coder
    assert coder.reached is not None
    if met is None or (budget is not None and coder.reached.bytes > budget):
        raise search.unmet(coder, budget)
    return coder


@dataclass
class _BoundSearch:
    """Fits at the temperature of the bound that was the hardest to meet so far.

    Attributes:
        fitting: how coders are fitted.
        bounds: largest mean distance to the source, by measure.
        tau: temperature of the loss; None follows the bounds.
    """

    fitting: Fitting
    bounds: dict[str, float]
    tau: float | None

    def __post_init__(self) -> None:
        """Start at the lowest temperature."""
        self._taus = {measure: self.tau or float(measure[2:]) for measure in self.bounds}
        self._now = min(self._taus.values())

    def fit(self, codes: int) -> VqCoder:
        """A coder with a number of codes; each temperature of a bound is tried at most once."""
        tried = set()
        while self._now not in tried:
            tried.add(self._now)
            coder = self.fitting.fit(codes, self._now)
            if self.met(coder):
                break
            share = self._shares(coder)
            self._now = self._taus[max(share, key=share.__getitem__)]
        return coder

    def met(self, coder: VqCoder) -> bool:
        """Whether a coder meets all bounds."""
        return max(self._shares(coder).values()) <= 1

    def _shares(self, coder: VqCoder) -> dict[str, float]:
        assert coder.reached is not None
        quality = coder.reached.quality
        return {measure: quality[measure] / most for measure, most in self.bounds.items()}

    def unmet(self, coder: VqCoder, budget: float | None) -> DataError:
        """The error that says what a coder reaches instead."""
        reached = coder.reached
        assert reached is not None
        together = "" if budget is None else f", bytes={budget:g}"
        bounds = ", ".join(f"{measure}={most:g}" for measure, most in self.bounds.items())
        got = ", ".join(f"{measure}={reached.quality[measure]:.3g}" for measure in self.bounds)
        return DataError(
            f"vq: {bounds}{together} cannot be met; {counted(coder.codebooks.codes, 'code')} of "
            f"{reached.bytes:.3g} bytes per label reach {got}; use transform, or top-k for exact "
            "values"
        )
