"""The fuzz and all golden files, with the compiled kernels under AddressSanitizer and UBSan.

python -m tests.fuzz.sanitizers --mutations 2000

The kernels are built a second time, into a temporary folder, and found there in place of the
installed ones. Exits with 77 where there is no compiler that can do it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import click
import numpy as np

ROOT = Path(__file__).parents[2]
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
CHECKS = "-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer"
SKIPPED = 77


def use(folder: Path) -> None:
    """Have every room find its kernels in `folder` first."""
    for room in ROOMS:
        package = import_module(f"labelcodec.{room}")
        package.__path__.insert(0, str(folder.joinpath("labelcodec", *room.split("."))))
        compiled = import_module(f"labelcodec.{room}.compiled")
        assert Path(compiled.__file__).is_relative_to(folder), compiled.__file__


def built(folder: Path, plain: bool) -> dict[str, str] | None:
    """Build the kernels; the environment in which they run, or None without a compiler."""
    switches = {
        "CFLAGS": f"-O1 {CHECKS}{' -DLABELCODEC_PLAIN' if plain else ''}",
        "LDFLAGS": CHECKS,
    }
    command = [sys.executable, "setup.py", "-q", "build_ext", "--parallel", "2"]
    command += ["--build-lib", str(folder / "lib"), "--build-temp", str(folder / "objects")]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | switches, check=False)
    libraries = [
        subprocess.run(
            ["gcc", f"-print-file-name={name}.so"], capture_output=True, text=True, check=False
        ).stdout.strip()
        for name in ("libasan", "libubsan")
    ]
    if done.returncode or not all(os.path.isabs(library) for library in libraries):
        return None
    return os.environ | {
        "LD_PRELOAD": " ".join(libraries),
        "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=0:allocator_may_return_null=1",
        "UBSAN_OPTIONS": "print_stacktrace=1",
        "PYTHONMALLOC": "malloc",  # so that numpy's arrays have red zones, too
    }


def resize_random_crops(seed: int) -> None:
    """Resize crops that touch every edge of images, whose bytes end where their arrays do."""
    from labelcodec.augmentation.crop import compiled

    rng = np.random.default_rng(seed)
    for interpolation in ("bilinear", "bicubic") * 300:
        sides, size = rng.integers(1, 40, 2), rng.integers(1, 40, 2)
        image, out = np.ones((*sides, 3), np.uint8), np.empty((*size, 3), np.uint8)
        extent = rng.integers(1, sides + 1)
        compiled.crop_resize(image, (*(sides - extent), *extent), interpolation, True, out)
        if (out != 1).any():
            raise AssertionError("a crop of an even image is uneven")


def convert_random_fractions(seed: int) -> None:
    """Look for the pixels of any bits as fractions of any sides."""
    from labelcodec.augmentation.crop import compiled

    rng = np.random.default_rng(seed)
    for bits, dtype in (("u2", np.float16), ("u4", np.float32)) * 300:
        rows = rng.integers(1, 5)
        fraction = np.frombuffer(rng.bytes(4 * rows * np.dtype(bits).itemsize), dtype)
        size = rng.integers(-(1 << 31), 1 << 31, (rows, 2)).astype(np.int32)
        compiled.whole_pixels(fraction.reshape(rows, 4), size)
        with np.errstate(invalid="ignore"):
            compiled.whole_pixels(np.abs(fraction.reshape(rows, 4)) % 1, np.abs(size))


def encode_random_labels(seed: int) -> None:
    """Encode labels of many shapes, NaN and ties among them, and read them again."""
    from labelcodec.batch import Labels
    from labelcodec.codecs import registry

    rng = np.random.default_rng(seed)
    for precision in ("float16", "float32") * 30:
        rows, classes = rng.integers(1, 140), rng.integers(1, 300)
        value = rng.normal(0, 2.0 ** rng.integers(-3, 9), (rows, classes)).astype(precision)
        value[rng.random(value.shape) < 0.1] = rng.choice([np.nan, np.inf, 0, 1, -1])
        labels = Labels(int(classes), value, precision=precision)
        for spec in ("dense", "dense2", f"topk:k={rng.integers(1, classes + 1)}"):
            codec = registry.parse(spec)
            prepared = codec.prepare(labels, True)
            coder = codec.fit([prepared], labels.classes)
            streams = {stream: memoryview(part) for stream, part in coder.encode(prepared).items()}
            blank = replace(prepared, value=value[:0], index=None)
            decoded = coder.decode(streams, int(rows), blank)
            assert decoded.value.tobytes() == prepared.value.tobytes(), spec


def read_hostile_dumps(count: int, seed: int) -> None:
    """Read hostile torch files with the compiled reader and with the reference."""
    from tests.fuzz.dump_cases import case
    from tests.torch_file.archives import at_once_or_declined

    for number in range(count):
        at_once_or_declined(case(seed, number)[1])


def check(mutations: int, seed: int) -> bool:
    """Read every golden file whole, then mutants of them and dumps; whether nothing failed."""
    import labelcodec
    from labelcodec.errors import NeedsImagesError
    from tests.fuzz import mutate

    for path in mutate.golden():
        with labelcodec.open(path) as reader:
            for i in range(len(reader)):
                with suppress(NeedsImagesError):
                    reader[i].labels.dense()
    resize_random_crops(seed)
    convert_random_fractions(seed)
    encode_random_labels(seed)
    read_hostile_dumps(mutations, seed)
    report = mutate.run(mutate.golden(), mutations, fix_crc=True, seed=seed)
    click.echo("\n".join(report.lines()))
    return not report.failures


@click.command()
@click.option("--mutations", default=2000, help="Mutants to read.")
@click.option("--seed", default=0, help="Seed of the mutations.")
@click.option("--plain", is_flag=True, help="Without what only some processors have.")
@click.option("--lib", type=click.Path(path_type=Path), hidden=True)
def main(mutations: int, seed: int, plain: bool, lib: Path | None) -> None:
    """Build, then run in a process that has the sanitizers loaded."""
    if lib is not None:
        use(lib)
        sys.exit(not check(mutations, seed))
    with tempfile.TemporaryDirectory() as folder:
        environment = built(Path(folder), plain)
        if environment is None:
            click.echo("no compiler with AddressSanitizer and UBSan", err=True)
            sys.exit(SKIPPED)
        command = [sys.executable, "-m", "tests.fuzz.sanitizers", f"--mutations={mutations}"]
        command += [f"--seed={seed}", f"--lib={Path(folder) / 'lib'}"]
        sys.exit(subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode)


if __name__ == "__main__":
    main()
