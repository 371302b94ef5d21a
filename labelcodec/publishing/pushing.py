"""Upload of a label set and its card to the Hugging Face Hub; needs huggingface_hub."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from labelcodec.errors import MismatchError, RemoteError
from labelcodec.extras import needing_extra
from labelcodec.publishing.card import README, Card

_FORBIDDEN = (401, 403)


@dataclass(frozen=True)
class PushReport:
    """What was uploaded.

    Attributes:
        repo: 'owner/name'.
        files: names in the repository.
        bytes: size of the label files.
        commit: hex digest of the commit.
        url: address of the commit.
    """

    repo: str
    files: Sequence[str]
    bytes: int
    commit: str
    url: str


def write_folder(card: Card, folder: Path) -> None:
    """Write what `push` would upload: the files and their card, README.md.

    Args:
        card: the card.
        folder: a folder that is new or empty.

    Raises:
        MismatchError: the folder holds something.
        OSError: a file cannot be written.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise MismatchError(f"{folder}: is not empty; name a new folder")
    folder.mkdir(parents=True, exist_ok=True)
    for file in card.files:
        shutil.copyfile(file.path, folder / file.name)
    (folder / README).write_text(str(card), encoding="utf-8")


def push(
    card: Card,
    *,
    private: bool = False,
    force: bool = False,
    token: str | None = None,
    endpoint: str | None = None,
) -> PushReport:
    """Upload a label set and its card as one commit; the repository is created if it is not there.

    Args:
        card: the card, with `repo`.
        private: whether a new repository is private.
        force: replace a card and files of the same names that are there already.
        token: of the Hub; by default that of `hf auth login` or HF_TOKEN.
        endpoint: address of the Hub; by default HF_ENDPOINT, or huggingface.co.

    Raises:
        MissingExtraError: huggingface_hub is not installed.
        MismatchError: the repository has a card or files of these names.
        RemoteError: the Hub cannot be reached, or refuses.
    """
    assert card.repo is not None
    with needing_extra("uploading to the Hub"):
        import huggingface_hub as hub
    names = [README, *(file.name for file in card.files)]
    api = hub.HfApi(endpoint=endpoint, token=token)
    repo: dict[str, Any] = {"repo_id": card.repo, "repo_type": "dataset"}
    try:
        api.create_repo(**repo, private=private, exist_ok=True)
        there = sorted(set(names) & set(api.list_repo_files(**repo)))
        if there and not force:
            raise MismatchError(
                f"{card.repo}: has {', '.join(there)} already; pass `force=True` to replace them "
                "in a new commit"
            )
        contents: list[bytes | Path] = [str(card).encode(), *(file.path for file in card.files)]
        added = [
            hub.CommitOperationAdd(path_in_repo=name, path_or_fileobj=content)
            for name, content in zip(names, contents, strict=True)
        ]
        summary = f"{card.title}: soft labels in the labelcodec format"
        commit = api.create_commit(**repo, operations=added, commit_message=summary)
    except MismatchError:
        raise
    except Exception as error:  # of the HTTP library, which differs between releases
        _refuse(card.repo, error)
    return PushReport(card.repo, names, card.breakdown.bytes_total, commit.oid, commit.commit_url)


def _refuse(repo: str, error: Exception) -> NoReturn:
    """Raise what a failed request means."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status in _FORBIDDEN or type(error).__name__ == "LocalTokenNotFoundError":
        raise RemoteError(
            f"{repo}: the Hub refuses to write there: log in with `hf auth login`, or set HF_TOKEN "
            "to a token that may write, and check the owner's name"
        ) from None
    first = (str(error).strip().splitlines() or [type(error).__name__])[0]
    raise RemoteError(f"{repo}: nothing was uploaded: {first}") from None
