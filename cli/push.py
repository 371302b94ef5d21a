"""The `push` command: upload a label set and its card to the Hugging Face Hub."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import card_options, console, options, value_types

if TYPE_CHECKING:
    from labelcodec.remote import RemoteFile


@click.command()
@click.argument("files", metavar="FILE...", type=value_types.LABELS, nargs=-1, required=True)
@click.argument("repo", metavar="OWNER/NAME")
@card_options.described
@click.option(
    "--dry-run", metavar="FOLDER", type=value_types.PATH, help="Write a folder, and upload nothing."
)
@click.option("--private", is_flag=True, help="Make a new repository private.")
@click.option("--force", is_flag=True, help="Replace files that are there, in a new commit.")
@options.as_json
def push(
    files: tuple[Path | RemoteFile, ...],
    repo: str,
    dry_run: Path | None,
    private: bool,
    force: bool,
    json_: bool,
    **said: Any,
) -> None:
    """Upload FILE with its card to the data set OWNER/NAME of the Hugging Face Hub.

    All files go into one commit. The repository is created if it is not there. Log in before with
    `hf auth login`, or set HF_TOKEN. `labelcodec card` says what the card holds.

    \b
    Example:
      labelcodec push labels.slc owner/name --license cc-by-4.0 --against dump --dry-run folder
      labelcodec push "shard-*.slc" owner/name --license cc-by-4.0
    """
    from labelcodec.publishing import push as run
    from labelcodec.publishing import write_folder

    made = card_options.made_card(files, repo, **said)
    names = ["README.md", *(file.name for file in made.files)]
    if dry_run is not None:
        write_folder(made, dry_run)
        if json_:
            console.as_json({"folder": str(dry_run), "files": names})
        else:
            console.say(f"{dry_run}: {', '.join(names)}; nothing was uploaded")
        return
    report = run(made, private=private, force=force)
    if json_:
        console.as_json({**vars(report), "files": list(report.files)})
    else:
        console.say(f"{report.repo}: {console.size(report.bytes)} in {report.url}")
