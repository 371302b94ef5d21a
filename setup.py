"""The compiled kernels: optional extensions for CPython's stable interface.

Everything else about the package is in pyproject.toml. Without a C compiler the installation goes
on, and the NumPy reference of each kernel runs in its place.
"""

from __future__ import annotations

import gzip
import os
import tarfile
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.sdist import sdist

ROOMS = (
    "entropy",
    "augmentation.crop",
    "codecs.dense",
    "codecs.dense2",
    "codecs.topk",
    "codecs.transform",
    "replay",
    "torch_file",
)
# Floating-point results are the same on every machine: no fused multiply-add.
FLAGS = ["-O3", "-g0", "-ffp-contract=off", "-Wno-unused-function"]


class ReproducibleSdist(sdist):
    """A source distribution whose bytes depend on its files alone.

    They are those of SOURCE_DATE_EPOCH, belong to nobody, and stand in order of name.
    """

    def make_archive(self, base_name: str, *_: object, **__: object) -> str:
        """Write the folder of this name, which holds the files, as a .tar.gz file."""
        moment = int(os.environ.get("SOURCE_DATE_EPOCH", "0"))

        def anonymous(entry: tarfile.TarInfo) -> tarfile.TarInfo:
            entry.mtime, entry.uid, entry.gid, entry.uname, entry.gname = moment, 0, 0, "", ""
            entry.mode = 0o755 if entry.isdir() or entry.mode & 0o100 else 0o644
            return entry

        target = f"{base_name}.tar.gz"
        root = Path(base_name).name
        with (
            Path(target).open("wb") as file,
            gzip.GzipFile("", "wb", 9, file, moment) as packed,
            tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
        ):
            for path in sorted([Path(root), *Path(root).rglob("*")]):
                archive.add(path, recursive=False, filter=anonymous)
        return target


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
    cmdclass={"sdist": ReproducibleSdist},
    ext_modules=modules,
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
