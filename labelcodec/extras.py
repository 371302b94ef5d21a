"""Optional dependencies: what needs one says in one line how to install it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from labelcodec.errors import MissingExtraError

# Module -> name of the package and the extra that installs it.
_MODULES = {
    "torch": ("torch", "torch"),
    "PIL": ("Pillow", "torch"),
    "safetensors": ("safetensors", "torch"),
    "pyarrow": ("pyarrow", "parquet"),
    "fsspec": ("fsspec", "remote"),
    "aiohttp": ("aiohttp", "remote"),
    "huggingface_hub": ("huggingface_hub", "remote"),
}


@contextmanager
def needing_extra(what: str) -> Iterator[None]:
    """Run imports; `what` says in an error message what they are for.

    Raises:
        MissingExtraError: a module is missing that an extra installs.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        missing = missing_extra(error, what)
        if missing is None:
            raise
        raise missing from error


def missing_extra(error: ModuleNotFoundError, what: str) -> MissingExtraError | None:
    """The error that names the extra; None if the missing module belongs to none."""
    package, extra = _MODULES.get((error.name or "").partition(".")[0], (None, None))
    if package is None:
        return None
    return MissingExtraError(
        f"{what} needs {package}, which is not installed: pip install 'labelcodec[{extra}]'"
    )
