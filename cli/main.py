"""The program: a group of commands. Command modules import nothing heavy until they run."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from . import console, demo, encode, keep, learn, look, plan, relabel


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Each command has its own --help with an example.",
)
@click.version_option(package_name="labelcodec", message="%(prog)s %(version)s")
def cli() -> None:
    """Store soft labels in small, safe, seekable files, and see what every byte is spent on."""


COMMANDS = {
    command.name: command
    for command in (
        encode.encode,
        encode.decode,
        look.inspect,
        look.stats,
        look.compare,
        look.codecs,
        plan.plan,
        keep.verify,
        keep.repair,
        keep.merge,
        relabel.relabel,
        learn.train,
        learn.evaluate,
        demo.demo,
    )
}
for command in COMMANDS.values():
    cli.add_command(command)


def main(args: Sequence[str] | None = None) -> None:
    """Run the program and exit with its status."""
    sys.exit(console.run(cli, args))
