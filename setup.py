"""The compiled kernels: optional extensions for CPython's stable interface.

Everything else about the package is in pyproject.toml. Without a C compiler the installation goes
on, and the NumPy reference of each kernel runs in its place.
"""

from __future__ import annotations

from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

ROOMS = (
    "entropy",
    "augmentation.crop",
    "codecs.dense",
    "codecs.dense2",
    "codecs.topk",
    "codecs.transform",
    "replay",
)
# Floating-point results are the same on every machine: no fused multiply-add.
FLAGS = ["-O3", "-g0", "-ffp-contract=off", "-Wno-unused-function"]


def kernels(room: str) -> Extension:
    """The module `labelcodec.ROOM.compiled`."""
    folder = "labelcodec/" + room.replace(".", "/")
    return Extension(
        f"labelcodec.{room}.compiled",
        [f"{folder}/compiled.pyx"],
        depends=[str(header) for header in Path("labelcodec").rglob("*.h")],
        include_dirs=["."],
        define_macros=[("Py_LIMITED_API", "0x030b0000")],
        py_limited_api=True,
        extra_compile_args=FLAGS,
    )


modules = cythonize([kernels(room) for room in ROOMS], build_dir="build/cython", quiet=True)
for module in modules:
    module.optional = True  # which `cythonize` does not hand on

setup(
    ext_modules=modules,
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
