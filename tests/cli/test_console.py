from __future__ import annotations

import errno
import re
import signal
import subprocess
import sys

import click
import pytest

from labelcodec import errors
from labelcodec_cli import console
from labelcodec_cli.main import COMMANDS, cli
from labelcodec_cli.progress_lines import ProgressLines
from tests.cli.call import call


def outcome(error: BaseException) -> int:
    @click.command()
    def command() -> None:
        raise error

    return console.run(command, [])


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (errors.CorruptError("a.slc: cut"), 1, "labelcodec: error: a.slc: cut"),
        (errors.UnsafeError("names os.system"), 1, "labelcodec: error: names os.system"),
        (errors.ConfigError("no codec 'x'"), 2, "labelcodec: error: no codec 'x'"),
        (
            OSError(errno.ENOSPC, "No space left on device", "out.slc.partial"),
            1,
            "labelcodec: error: out.slc.partial: No space left on device",
        ),
        (OSError("something"), 1, "labelcodec: error: something"),
        (MemoryError(), 1, "labelcodec: error: out of memory"),
        (
            RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 30000000000 bytes"),
            1,
            "labelcodec: error: out of memory",
        ),
        (KeyboardInterrupt(), 130, "labelcodec: error: interrupted"),
        (console.Interrupted("use --resume"), 130, "labelcodec: error: use --resume"),
        (click.UsageError("what?"), 2, "labelcodec: error: what? (see labelcodec --help)"),
        (errors.DumpError("two\nlines"), 1, "labelcodec: error: two lines"),
    ],
)
def test_an_error_is_one_line_and_a_status(capsys, error, status: int, line: str) -> None:
    assert outcome(error) == status
    out, err = capsys.readouterr()
    assert out == ""
    assert err.strip().splitlines() == [line]


def test_ctrl_c_twice(tmp_path) -> None:
    """The second one does not break off what the first one began to put away."""
    kept = tmp_path / "kept"
    with pytest.raises(console.Interrupted, match="kept is kept"), console.resumable(kept):
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            signal.raise_signal(signal.SIGINT)
            kept.touch()
    signal.raise_signal(signal.SIGINT)  # nor the way out
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_ctrl_c_is_as_before_after_a_command() -> None:
    with console.resumable():
        pass
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("error", [errors.DataError("bad"), OSError(errno.ENOSPC, "full", "a")])
def test_notes_of_an_error_follow_it(capsys, error) -> None:
    error.add_note("a.partial was kept")
    assert outcome(error) == 1
    assert capsys.readouterr().err.endswith("; a.partial was kept\n")


def test_a_mistake_of_ours_is_one_line_that_says_where(capsys) -> None:
    assert outcome(KeyError("x")) == 1
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "please report" in err
    assert "KeyError: 'x' (test_console.py:" in err


def test_status_of_a_command(capsys) -> None:
    @click.command()
    @click.argument("status", type=int)
    @click.pass_context
    def command(context: click.Context, status: int) -> None:
        context.exit(status)

    assert console.run(command, ["0"]) == 0
    assert console.run(command, ["1"]) == 1
    assert console.run(command, ["--help"]) == 0
    assert console.run(command, ["x"]) == 2
    assert capsys.readouterr().err.endswith("(see labelcodec --help)\n")


def test_a_reader_that_leaves_is_not_an_error() -> None:
    script = (
        "import sys, click\n"
        "from labelcodec_cli import console\n"
        "@click.command()\n"
        "def chatty():\n"
        "    for _ in range(100_000): click.echo('x' * 50)\n"
        "sys.exit(console.run(chatty, []))\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    with child:
        child.stdout.readline()
        child.stdout.close()
        assert child.stderr.read() == b""


def test_table_without_a_terminal_is_plain_text(capsys, monkeypatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    rows = [["[red]name[/red] :x:", "1"], ["b" * 300, "22"]]
    console.table("Title", ["", "bytes"], rows)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Title"
    assert lines[1].split() == ["bytes"]
    assert lines[2].split() == ["[red]name[/red]", ":x:", "1"]
    assert lines[3].split() == ["b" * 300, "22"]
    assert "\x1b" not in "".join(lines)
    assert all(line == line.rstrip() for line in lines)


EVIL = "a\x1b[2J\x9b31m\x07\r\n\u202eé 標\udcff"
TAMED = "a\\x1b[2J\\x9b31m\\x07\\r\\n\\u202eé 標\\udcff"


def test_control_characters_are_spelled_out(capsys) -> None:
    assert console.printable(EVIL) == TAMED
    console.say(EVIL)
    console.note(EVIL)
    console.table(EVIL, ["", EVIL], [[EVIL, "1"]])
    assert outcome(errors.CorruptError(EVIL.replace("\r\n", ""))) == 1
    out, err = capsys.readouterr()
    assert out.splitlines()[:2] == [TAMED, TAMED]
    assert out.count(TAMED) == 4
    assert err.splitlines()[0] == f"labelcodec: {TAMED}"
    assert "\x1b" not in out + err


def test_progress_is_silent_at_first_without_a_terminal(capsys) -> None:
    with console.progress("work") as progress:
        progress(1, 2)
    with console.progress("work", shown=False) as progress:
        assert progress is None
    assert capsys.readouterr() == ("", "")


def test_a_long_run_without_a_terminal_prints_a_line_now_and_then() -> None:
    times = iter([0.0, 29.0, 31.0, 40.0, 62.0])
    lines: list[str] = []
    progress = ProgressLines("work", lines.append, lambda: next(times))
    progress(0, 9, "reading")
    progress(1, 9, "encoding")
    progress(2, 9)
    progress(3, 9)
    assert lines == ["encoding: 1 of 9", "work: 3 of 9"]


def test_progress_on_a_terminal_shows_the_count(capsys, monkeypatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    with console.progress("work") as progress:
        progress(3, 80)
    out, err = capsys.readouterr()
    assert out == ""
    assert "3/80" in err


def test_an_activity_is_named_on_a_terminal(capsys, monkeypatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    with console.progress("work") as progress:
        progress(0, 80, "fitting\x1b")
    assert re.search(r"fitting\\x1b.* 0/80", capsys.readouterr().err)


def test_every_stage_has_its_bar(capsys, monkeypatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    with console.stages() as stages:
        stages("draw")(2, 2)
        stages("teach")(3, 80)
    err = capsys.readouterr().err
    assert re.search("draw.*2/2", err) and re.search("teach.*3/80", err)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (None, "-"),
        (0, "0 B"),
        (9_999, "9999 B"),
        (10_000, "10.0 kB"),
        (15_480_000, "15.5 MB"),
        (3e9, "3.0 GB"),
        (2.5e12, "2.5 TB"),
    ],
)
def test_sizes(number, text: str) -> None:
    assert console.size(number) == text


def test_counts_and_decimals() -> None:
    assert console.count(1234567) == "1 234 567"
    assert console.decimal(None) == "-"
    assert console.decimal(1.256, 2) == "1.26"


def test_messages_of_the_library_name_flags_on_the_command_line() -> None:
    flag_of = console.flags(cli)
    message = "a.slc exists; pass `force=True`, `codec=dense` or `max_lines=3`, not `B=1` or `k`"
    shown = console.with_flags(message, flag_of)
    assert shown == "a.slc exists; pass --force, --codec dense or `max_lines=3`, not `B=1` or `k`"
    assert console.with_flags("give `normalisation`", flag_of) == "give --mean and --std"
    for name in ("resume", "force", "image_order", "loader_seed", "allow_nonfinite", "classes"):
        assert flag_of[name] == f"--{name.replace('_', '-')}"


def test_the_module_is_the_program(tmp_path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "labelcodec", "inspect", "no.slc"],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("labelcodec: error: no.slc: ")


def test_commands_are_listed_in_groups(capsys) -> None:
    listed = call(capsys, "--help").out
    titles = [line[:-1] for line in listed.splitlines() if line.endswith(":")]
    assert titles[-5:] == ["Convert", "Look", "Store", "Publish", "Pipeline"]
    bare = call(capsys)
    assert bare.status == 2 and "Convert:" in bare.err


def test_recipes_are_listed(capsys) -> None:
    table = call(capsys, "recipes").out.splitlines()
    settings = call(capsys, "recipes", "--json").json()
    assert [line.split()[0] for line in table[2:]] == list(settings)
    assert settings["cifar10"]["model"] in table[2 + list(settings).index("cifar10")]


def test_every_option_says_what_it_is_for() -> None:
    for name, command in COMMANDS.items():
        for option in command.params:
            if option.param_type_name == "option":
                text = getattr(option, "help", None)
                assert text and len(text) > 8 and text.endswith((".", ")")), (name, option.name)


def test_counted_nouns() -> None:
    assert console.counted(1, "batch") == "1 batch"
    assert console.counted(0, "problem") == "0 problems"
    assert console.counted(2, "epoch") == "2 epochs"
    assert console.counted(12345, "batch") == "12 345 batches"
