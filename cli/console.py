"""Console output: tables, progress bars, JSON, number formats and one-line errors."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from labelcodec.errors import LabelcodecWarning
from labelcodec.wording import noun_for

from .progress_lines import ProgressLines
from .tables import table_lines
from .value_types import REMOTE_CACHE

if TYPE_CHECKING:
    from labelcodec.progress import Progress

FAILED, USAGE, INTERRUPTED = 1, 2, 130
LONGEST = 400  # characters of a message about arguments


class Interrupted(click.ClickException):
    """Ctrl-C; the message says how to resume."""

    exit_code = INTERRUPTED


def run(command: click.Command, args: Sequence[str] | None) -> int:
    """Run the program; every outcome is an exit status and at most one line on stderr.

    Exit statuses: 1 for failures, 2 for usage errors, 130 for Ctrl-C. A closed pipe (`| head`) is
    handled by click, which exits silently.
    """
    _open_standard_streams()
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # library warnings are meant for programmers
        warnings.filterwarnings("once", category=LabelcodecWarning)
        warnings.showwarning = lambda message, *_: note(str(message))
    try:
        status = command.main(args, prog_name="labelcodec", standalone_mode=False)
        return status if isinstance(status, int) else 0
    except (KeyboardInterrupt, click.Abort):
        return _complain("interrupted", INTERRUPTED)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return USAGE
    except click.ClickException as error:
        hint = ""
        if isinstance(error, click.UsageError) and error.ctx:
            hint = f" (see {error.ctx.command_path} --help)"
        return _complain(_shortened(error.format_message()) + hint, error.exit_code)
    except Exception as error:
        return _report(error, flags(command))


def _shortened(message: str) -> str:
    """A message that may name all of a thousand arguments, with the first and the last of them."""
    return message if len(message) <= LONGEST else f"{message[:200]} … {message[-60:]}"


def _open_standard_streams() -> None:
    """Give standard streams that the caller closed a null device.

    Otherwise the next file that is opened takes the place of a stream, and is written to as such.
    """
    for fd, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            null = os.open(os.devnull, os.O_RDWR)
            if null != fd:
                os.dup2(null, fd)
                os.close(null)
            setattr(sys, name, os.fdopen(fd, mode, closefd=False))


def _report(error: Exception, flag_of: Mapping[str, str]) -> int:
    from labelcodec.errors import ConfigError, LabelcodecError
    from labelcodec.extras import missing_extra

    if isinstance(error, ModuleNotFoundError):
        error = missing_extra(error, "this command") or error
    notes = "".join(f"; {note}" for note in getattr(error, "__notes__", ()))
    if isinstance(error, ConfigError):
        return _complain(with_flags(str(error) + notes, flag_of), USAGE)
    if isinstance(error, LabelcodecError):
        return _complain(with_flags(str(error) + notes, flag_of), FAILED)
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename is not None else ""
        if error.errno == errno.ENOSPC and not where:
            where = "standard output: "  # all files are named
        what = where + (error.strerror or str(error)) + notes + _of_address(error)
        return _complain(with_flags(what, flag_of), FAILED)
    if isinstance(error, MemoryError) or _is_torchs_out_of_memory(error):
        return _complain("out of memory", FAILED)
    frame = traceback.extract_tb(error.__traceback__)[-1]
    what = f"{type(error).__name__}: {error}"
    place = f"{os.path.basename(frame.filename)}:{frame.lineno}"
    return _complain(f"internal error in labelcodec, please report it: {what} ({place})", FAILED)


def _is_torchs_out_of_memory(error: Exception) -> bool:
    told = "can't allocate memory", "Storage size calculation overflowed", "CUDA out of memory"
    return isinstance(error, RuntimeError) and any(text in str(error) for text in told)


def _of_address(error: OSError) -> str:
    """A remark on the address of a file elsewhere, which a path has lost a slash of."""
    if isinstance(error, FileNotFoundError) and re.match(
        r"[a-z][a-z0-9]+:/(?!/)", str(error.filename)
    ):
        return "; this command reads no addresses: download the file and pass its path"
    return ""


# Library parameters of files elsewhere, which commands take from the environment.
ENVIRONMENT = {
    "`cache='file'`": f"{REMOTE_CACHE}=file",
    "`storage_options`": "the environment variable FSSPEC_PROTOCOL, such as FSSPEC_HTTPS",
}
# Library parameters whose flags have another name or belong to several commands.
OTHER_FLAGS = {
    "normalisation": "--mean and --std",
    "image_normalisation": "--images-mean and --images-std",
    "teacher_weights": "--teacher-weights",
    "weights": "--weights",
}


def flags(command: click.Command) -> dict[str, str]:
    """Map from library parameter to the flag that sets it."""
    commands = command.commands.values() if isinstance(command, click.Group) else (command,)
    options = [
        option for each in commands for option in each.params if option.param_type_name == "option"
    ]
    return {option.name or "": option.opts[0] for option in options} | OTHER_FLAGS


def with_flags(message: str, flag_of: Mapping[str, str]) -> str:
    """Replace `parameter` and `parameter=VALUE` in a library message by flags and variables."""

    def spelled(match: re.Match[str]) -> str:
        if match[0] in ENVIRONMENT:
            return ENVIRONMENT[match[0]]
        name, value = match["name"], match["value"]
        if name not in flag_of:
            return match[0]
        return flag_of[name] if value in (None, "True") else f"{flag_of[name]} {value}"

    return re.sub(r"`(?P<name>\w+)(?:=(?P<value>[^`]*))?`", spelled, message)


def with_own_flags(message: str) -> str:
    """A library message with the flags of the running command in place of parameters."""
    context = click.get_current_context(silent=True)
    return with_flags(message, {} if context is None else flags(context.find_root().command))


def _complain(message: str, status: int) -> int:
    with suppress(OSError):  # the status says it, too
        click.echo(printable(f"labelcodec: error: {' '.join(message.split())}"), err=True)
    return status


@contextmanager
def progress(what: str, shown: bool = True) -> Iterator[Progress | None]:
    """A progress bar on a terminal, else a line now and then; yields None if not `shown`."""
    with stages(shown) as start:
        yield start(what)


@contextmanager
def stages(shown: bool = True) -> Iterator[Callable[[str], Progress | None]]:
    """Progress of several stages; the yielded function starts one (None if not shown)."""
    if not shown or not sys.stderr.isatty():
        yield lambda what: ProgressLines(what, note) if shown else None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        SpinnerColumn,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Bar

    text = TextColumn("{task.description}", markup=False)
    columns = (SpinnerColumn(), text, BarColumn(), MofNCompleteColumn())
    console = Console(stderr=True)
    with Bar(*columns, TimeRemainingColumn(), console=console, transient=True) as bar:

        def start(what: str) -> Progress:
            task = bar.add_task(printable(what), total=None)

            def moved(done: int, total: int, /, doing: str | None = None) -> None:
                doing = None if doing is None else printable(doing)
                bar.update(task, completed=done, total=total, description=doing)

            return moved

        yield start


@contextmanager
def resumable(kept: Path | None = None) -> Iterator[None]:
    """Turn Ctrl-C into an error that says how to resume; a second Ctrl-C is ignored.

    Args:
        kept: file that the command can be resumed from, if no note on the error names one.

    Raises:
        Interrupted: Ctrl-C was pressed.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupt_once)
    try:
        yield
    except KeyboardInterrupt as error:
        notes = "; ".join(getattr(error, "__notes__", ()))
        how = with_flags(notes, {"resume": "--resume", "force": "--force"}) or "nothing is kept"
        if kept is not None and kept.exists():
            how = f"{kept} is kept; run the same command with --resume to continue"
        raise Interrupted(f"interrupted; {how}") from None
    finally:
        if signal.getsignal(signal.SIGINT) is _interrupt_once:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def _interrupt_once(number: int, frame: object) -> NoReturn:
    signal.signal(number, signal.SIG_IGN)  # so that partial results are saved undisturbed
    raise KeyboardInterrupt


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table; the first column is left-aligned, the others are right-aligned.

    On a terminal, a table that is wider is split into several that repeat the first column.
    """
    columns = [printable(name) for name in columns]
    cells = [[printable(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        from rich.console import Console
        from rich.text import Text

        console = Console()
        console.print(Text(printable(title), "bold"))
        width: int | None = console.width
    else:
        say(title)
        width = None
    click.echo("\n".join(table_lines(columns, cells, width)))


def printable(text: str) -> str:
    """Escape control characters, which file names and contents may hold."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in text
    )


def say(line: str) -> None:
    """Print a line that may hold untrusted text."""
    click.echo(printable(line))


def paragraph(text: str) -> None:
    """Print sentences that may hold untrusted text; a terminal's lines end between words."""
    text = printable(text)
    if sys.stdout.isatty():
        import textwrap

        from rich.console import Console

        text = textwrap.fill(text, Console().width, break_long_words=False, break_on_hyphens=False)
    click.echo(text)


def as_json(value: Any) -> None:
    """Print a value as JSON."""
    click.echo(json.dumps(value, indent=2, allow_nan=False))


def note(message: str) -> None:
    """Print a remark to stderr; parameters that a library message names become flags."""
    remark(with_own_flags(message))


def remark(message: str) -> None:
    """Print a remark to stderr as it is."""
    with suppress(OSError):  # no reason to fail for what goes on
        click.echo(printable(f"labelcodec: {message}"), err=True)


def size(number: float | None) -> str:
    """Format a size such as '1.5 MB' (powers of 1000); bytes below 10 000, '-' for None."""
    if number is None:
        return "-"
    if number < 10_000:
        return f"{number:.0f} B"
    for unit in ("kB", "MB", "GB"):
        number /= 1000
        if number < 1000:
            return f"{number:.1f} {unit}"
    return f"{number / 1000:.1f} TB"


def count(number: int) -> str:
    """Format an integer with spaces between thousands: '12 345'."""
    return f"{number:,}".replace(",", " ")


def counted(number: int, noun: str) -> str:
    """Format a count with its noun: '1 batch', '12 345 batches'."""
    return f"{count(number)} {noun_for(number, noun)}"


def decimal(number: float | None, digits: int = 1) -> str:
    """Format a number with that many decimal places; '-' for None."""
    return "-" if number is None else f"{number:.{digits}f}"
