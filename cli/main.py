"""The `labelcodec` program: a group of commands, which import heavy modules only when run."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from . import (
    annotate,
    card,
    codecs,
    compare,
    console,
    decode,
    demo,
    encode,
    environment,
    evaluate,
    inspect,
    merge,
    plan,
    project,
    push,
    recipes,
    recover,
    relabel,
    repair,
    replay,
    squeeze,
    stats,
    study,
    train,
    verify,
)

SECTIONS: dict[str, tuple[click.Command, ...]] = {
    "Convert": (encode.encode, decode.decode),
    "Look": (
        inspect.inspect,
        replay.replay,
        stats.stats,
        compare.compare,
        codecs.codecs,
        plan.plan,
    ),
    "Store": (verify.verify, repair.repair, merge.merge, annotate.annotate),
    "Publish": (card.card, push.push),
    "Pipeline": (
        squeeze.squeeze,
        recover.recover,
        relabel.relabel,
        project.project,
        train.train,
        evaluate.evaluate,
        study.study,
        recipes.recipes,
        demo.demo,
    ),
}
COMMANDS = {command.name or "": command for commands in SECTIONS.values() for command in commands}


class Program(click.Group):
    """Command group whose help lists the commands by section."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one help section per entry of `SECTIONS`."""
        width = max(map(len, COMMANDS))
        for title, commands in SECTIONS.items():
            rows = [
                (f"{command.name:<{width}}", command.get_short_help_str(100))
                for command in commands
            ]
            with formatter.section(title):
                formatter.write_dl(rows)


@click.group(
    cls=Program,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Each command has its own --help with an example.",
)
@click.version_option(package_name="labelcodec", message="%(prog)s %(version)s")
def cli() -> None:
    """Store soft labels in compact, safe, seekable files, and account for every byte."""


for command in COMMANDS.values():
    cli.add_command(command)


def main(args: Sequence[str] | None = None) -> None:
    """Run the program and exit with its status."""
    environment.set_defaults()
    sys.exit(console.run(cli, args))
