"""The number of codes per label: as many as a budget holds, or as few as bounds need."""

from __future__ import annotations

from collections.abc import Callable

from labelcodec.codecs.vq.coder import VqCoder
from labelcodec.codecs.vq.format import MAX_CODES
from labelcodec.errors import DataError
from labelcodec.wording import counted

LADDER = (1, 2, 3, 4, 6, 8, 11, 16, 22, 32, 45, 64)  # numbers of codes tried for a bound
TRIALS = 4  # fits to a budget

Fit = Callable[[int, float], VqCoder]  # codes, tau


def most_codes(fit: Fit, first: int, budget: float, tau: float) -> VqCoder:
    """The coder with as many codes as a budget holds.

    Args:
        fit: fits a coder with a number of codes at a temperature, and measures it.
        first: number of codes to try first.
        budget: most bytes per label, tables included.
        tau: temperature of the loss.

    Raises:
        DataError: a budget that cannot be met.
    """
    codes, best = min(max(first, 1), MAX_CODES), None
    for _ in range(TRIALS):
        coder = fit(codes, tau)
        assert coder.reached is not None
        if coder.reached.bytes <= budget:
            best = coder if best is None or codes > best.codebooks.codes else best
            more = int((budget - coder.reached.bytes) * codes / coder.reached.bytes)
            if not more or (best.codebooks.codes > codes) or codes + more > MAX_CODES:
                break
            codes += more
        else:
            over = coder.reached.bytes - budget
            each = coder.reached.bytes / codes
            codes = min(codes - 1, int(codes - over / each))
            if best is not None or codes < 1:
                break
    if best is None:
        raise DataError(_unmet(coder, budget))
    return best


def _unmet(coder: VqCoder, budget: float) -> str:
    reached = coder.reached
    assert reached is not None
    tables = reached.tables * reached.sharing
    text = (
        f"vq: bytes={budget:g} cannot be met: the tables are {tables:.0f} bytes, "
        f"{reached.tables:.3g} per label of {counted(reached.sharing, 'label')}"
    )
    enough = f"they take half the budget from {2 * tables / budget:.0f} labels on"
    return f"{text}; {enough}; use transform for fewer"


def least_codes(
    fit: Fit, budget: float | None, bounds: dict[str, float], tau: float | None
) -> VqCoder:
    """The coder with as few codes as bounds need.

    Args:
        fit: fits a coder with a number of codes at a temperature, and measures it.
        budget: most bytes per label, tables included; None for no budget.
        bounds: largest mean distance to the source, by measure.
        tau: temperature of the loss; None tries that of the bound that is hardest to meet.

    Raises:
        DataError: a budget or bound that cannot be met.
    """
    of_bounds = {measure: float(measure[2:]) if tau is None else tau for measure in bounds}
    tau = min(of_bounds.values())
    for codes in LADDER:
        for _ in set(of_bounds.values()):
            coder = fit(codes, tau)
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
