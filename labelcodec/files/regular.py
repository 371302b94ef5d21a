"""Regular files only: a device or FIFO is neither read, which may take forever, nor replaced."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from labelcodec.errors import LabelcodecError, MismatchError
from labelcodec.files.os_errors import add_name

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
_PIECE = 1 << 20  # bytes that are read at once of what a file holds beyond its size


def open_regular(path: str | Path, error: type[LabelcodecError], what: str) -> int:
    """Open a file for reading, without waiting for anything.

    Args:
        path: the file; symbolic links are followed.
        error: raised for what is not a file.
        what: what the file should be, for that error: 'a container'.

    Returns:
        Its file descriptor.

    Raises:
        LabelcodecError: `path` is a folder, FIFO, socket or device; of the type `error`.
        OSError: it cannot be opened.
    """
    check_regular(path, error, what)
    # whoever replaces it now by a FIFO does not make the open wait
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        check_regular(path, error, what)
        raise error(f"{path}: is not a regular file")
    return fd


def read_regular(path: str | Path, error: type[LabelcodecError], what: str) -> bytes:
    """The content of a file; arguments and errors as in `open_regular`."""
    fd = open_regular(path, error, what)
    try:
        size = os.fstat(fd).st_size
        data = os.read(fd, size + 1)  # no file object: half the time
        if len(data) == size > 0:
            return data
        pieces = [data]  # the system says 0, returns at most 2 GiB, or somebody writes to the file
        while piece := os.read(fd, max(size - len(data), _PIECE)):
            pieces.append(piece)
        return b"".join(pieces)
    except OSError as failed:
        add_name(failed, path)
        raise
    finally:
        os.close(fd)


def check_regular(path: str | Path, error: type[LabelcodecError], what: str) -> None:
    """Check that a path names a file, without opening it; arguments as in `open_regular`.

    Raises:
        LabelcodecError: it is a folder, FIFO, socket or device; of the type `error`.
        OSError: it does not exist, or cannot be looked up.
    """
    kind = _KINDS.get(stat.S_IFMT(os.stat(path).st_mode))
    if kind is not None:
        raise error(f"{path}: is {kind}, expected {what}")


def target_of(path: Path) -> Path:
    """The file to write where `path` is to be written: what a symbolic link points to.

    Raises:
        MismatchError: it is a FIFO, socket or device, or a link that leads to itself.
    """
    try:
        target = real_path(path) if path.is_symlink() else path
        kind = _KINDS.get(stat.S_IFMT(os.stat(target).st_mode))
    except FileNotFoundError:
        return target
    except OSError:
        if not path.is_symlink():
            raise
        raise MismatchError(f"{path}: is a symbolic link that leads nowhere; name a file") from None
    if kind == "a folder":
        raise MismatchError(f"{path}: is a folder; give the name of a file")
    if kind is not None:
        raise MismatchError(f"{path}: is {kind}, which is not replaced; give the name of a file")
    return target


def open_partial(partial: Path, flags: int) -> int:
    """Open a partial file, which this library alone creates: never through a link.

    Args:
        partial: the file.
        flags: of `os.open`.

    Returns:
        Its file descriptor.

    Raises:
        MismatchError: it is a symbolic link, FIFO, socket, device or folder.
        OSError: it cannot be opened.
    """
    flags |= os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        fd = os.open(partial, flags, 0o666)
        if stat.S_ISREG(os.fstat(fd).st_mode):
            return fd
        os.close(fd)
    except OSError:
        if not os.path.lexists(partial) or (partial.is_file() and not partial.is_symlink()):
            raise
    raise MismatchError(
        f"{partial}: is no file that a writer left behind but a link, a folder or a device; "
        "move it, or write to another name"
    )


def real_path(path: Path) -> Path:
    """Absolute path without links. A link to itself stays, for which `Path.resolve` raises."""
    return Path(os.path.realpath(path))
