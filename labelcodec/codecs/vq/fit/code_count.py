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
    of_bounds = {measure: float(measure[2:]) if tau is None else tau for measure in bounds}
    tau = min(of_bounds.values())
    for codes in (codes for codes in LADDER if codes <= fitting.most):
        for _ in set(of_bounds.values()):
            coder = fitting.fit(codes, tau)
            assert coder.reached is not None
            reached = coder.reached
            share = {measure: reached.quality[measure] / most for measure, most in bounds.items()}
            hardest = max(share, key=share.__getitem__)
            if share[hardest] <= 1 and (budget is None or reached.bytes <= budget):
                return coder
            before, tau = tau, of_bounds[hardest]
            if tau == before:
                break
        if budget is not None and reached.bytes > budget:
            break
    asked_for = ", ".join(f"{measure}={most:g}" for measure, most in bounds.items())
    got = ", ".join(f"{measure}={reached.quality[measure]:.3g}" for measure in bounds)
    raise DataError(
        f"vq: {asked_for} cannot be met; {counted(codes, 'code')} of {reached.bytes:.3g} bytes per "
        f"label reach {got}; use transform, or top-k for exact values"
    )
