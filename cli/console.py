"""Output for people and for machines: tables, progress bars, sizes, one-line errors."""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn, Protocol

import click

FAILED, USAGE, INTERRUPTED = 1, 2, 130


class Progress(Protocol):
    """A progress bar: what is done, of how many, and what is going on now."""

    def __call__(self, done: int, total: int, /, doing: str | None = None) -> None:
        """Move it."""


class Interrupted(click.ClickException):
    """Ctrl-C, with a word on how to go on."""

    exit_code = INTERRUPTED


def run(command: click.Command, args: Sequence[str] | None) -> int:
    """Run the program; whatever happens ends in an exit status and at most one line.

    A reader that leaves early (`| head`) is click's business: it exits quietly.
    """
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # libraries address programmers with them
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
        return _complain(error.format_message() + hint, error.exit_code)
    except Exception as error:
        return _report(error)


def _report(error: Exception) -> int:
    from labelcodec.errors import ConfigError, LabelcodecError

    notes = "".join(f"; {note}" for note in getattr(error, "__notes__", ()))
    if isinstance(error, ConfigError):
        return _complain(str(error) + notes, USAGE)
    if isinstance(error, LabelcodecError):
        return _complain(str(error) + notes, FAILED)
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename is not None else ""
        return _complain(where + (error.strerror or str(error)) + notes, FAILED)
    if isinstance(error, MemoryError):
        return _complain("out of memory", FAILED)
    frame = traceback.extract_tb(error.__traceback__)[-1]
    what = f"{type(error).__name__}: {error}"
    place = f"{os.path.basename(frame.filename)}:{frame.lineno}"
    return _complain(f"a mistake in labelcodec, please report it: {what} ({place})", FAILED)


def _complain(message: str, status: int) -> int:
    click.echo(printable(f"labelcodec: error: {' '.join(message.split())}"), err=True)
    return status


@contextmanager
def progress(what: str, shown: bool = True) -> Iterator[Progress | None]:
    """A progress bar on a terminal; without one, or not shown, None, and nothing is printed."""
    with stages(shown) as start:
        yield start(what)


@contextmanager
def stages(shown: bool = True) -> Iterator[Callable[[str], Progress | None]]:
    """A progress bar for each stage that is started; without a terminal none."""
    if not shown or not sys.stderr.isatty():
        yield lambda what: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    text = TextColumn("{task.description}", markup=False)
    columns = (text, BarColumn(), MofNCompleteColumn())
    console = Console(stderr=True)
    with Bar(*columns, TimeRemainingColumn(), console=console, transient=True) as bar:

        def start(what: str) -> Progress:
            task = bar.add_task(printable(what), total=None)

            def moved(done: int, total: int, /, doing: str | None = None) -> None:
                bar.update(task, completed=done, total=total, description=doing)

            return moved

        yield start


@contextmanager
def resumable(kept: Path | None = None) -> Iterator[None]:
    """Ctrl-C says how the command can go on, or that nothing is kept; another one is not heard.

    Args:
        kept: file that it would go on from, where no note on the error says so.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupt_once)
    try:
        yield
    except KeyboardInterrupt as error:
        how = "; ".join(getattr(error, "__notes__", ())) or "nothing is kept"
        if kept is not None and kept.exists():
            how = f"{kept} is kept; run the same command with --resume to go on"
        raise Interrupted(f"interrupted; {how}") from None
    finally:
        if signal.getsignal(signal.SIGINT) is _interrupt_once:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def _interrupt_once(number: int, frame: object) -> NoReturn:
    signal.signal(number, signal.SIG_IGN)  # so that what is to be kept is put away in peace
    raise KeyboardInterrupt


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table; the first column to the left, the others to the right."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    fancy = sys.stdout.isatty()
    drawn = Table(box=box.SIMPLE_HEAD if fancy else None)
    for i, name in enumerate(columns):
        drawn.add_column(Text(printable(name)), justify="right" if i else "left", no_wrap=not fancy)
    title = printable(title)
    for row in rows:
        drawn.add_row(*(Text(printable(cell)) for cell in row))
    if fancy:
        Console().print(Text(title, "bold"), drawn)
        return
    plain = Console(no_color=True, color_system=None, force_terminal=False, width=10_000)
    with plain.capture() as captured:
        plain.print(drawn)
    click.echo("\n".join([title, *(line.rstrip() for line in captured.get().splitlines())]))


def printable(text: str) -> str:
    """The text with control characters spelled out: files and their names may bring any."""
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in text
    )


def say(line: str) -> None:
    """Print a line in which a file may have a say."""
    click.echo(printable(line))


def as_json(value: Any) -> None:
    """Print a value for machines."""
    click.echo(json.dumps(value, indent=2, allow_nan=False))


def note(message: str) -> None:
    """A remark on stderr, out of the way of what a program reads."""
    click.echo(printable(f"labelcodec: {message}"), err=True)


def size(number: float | None) -> str:
    """'1.5 MB' (powers of 1000), whole bytes below 10 000, '-' for None."""
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
    """'12 345'."""
    return f"{number:,}".replace(",", " ")


def decimal(number: float | None, digits: int = 1) -> str:
    """A number with that many digits behind the point, '-' for None."""
    return "-" if number is None else f"{number:.{digits}f}"
