"""Defaults of the environment for the numerical libraries, which read it when they are loaded."""

from __future__ import annotations

import os

DEFAULTS = {
    # labelcodec shares batches among threads itself; threads inside one matrix product would only
    # compete with these. One thread also sums in one order, so that tables that are fitted, and
    # with them the bytes of a file, do not depend on the number of cores.
    "OPENBLAS_NUM_THREADS": "1",
    "VECLIB_MAXIMUM_THREADS": "1",
    # Threads that wait for others sleep. By default they spin, which on a busy machine takes the
    # CPU from the threads that they wait for.
    "OMP_WAIT_POLICY": "PASSIVE",
    "KMP_BLOCKTIME": "0",
}


def set_defaults() -> None:
    """Set the variables of `DEFAULTS` that the user has not set; before NumPy or torch is loaded.

    Child processes inherit them.
    """
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
