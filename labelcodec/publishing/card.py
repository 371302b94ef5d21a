"""The card of a label set: the page of a data set on the Hub, Markdown with a YAML head."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

from labelcodec.analysis.breakdown import Breakdown, stats
from labelcodec.analysis.fidelity import Fidelity
from labelcodec.augmentation.spec import AugmentationSpec
from labelcodec.codecs.registry import from_config, spec_of
from labelcodec.errors import ConfigError, MismatchError
from labelcodec.header import Header
from labelcodec.progress import Progress
from labelcodec.publishing.private import check_private
from labelcodec.reader import Reader
from labelcodec.reader import open as open_labels
from labelcodec.remote import Location, LocationLike

README = "README.md"  # name of the card in a repository
_REPO = re.compile(r"[\w.\-]+/[\w.\-]+")
TAGS = ("labelcodec", "soft-labels", "knowledge-distillation")
TASKS = {"images": "image-classification", "tokens": "text-generation"}
SIZES = [(10**power, f"{10 ** (power % 3)}{'KMBT'[power // 3 - 1]}") for power in range(3, 13)]


@dataclass(frozen=True)
class CardFile:
    """A file of a label set.

    Attributes:
        path: where it is; only its name gets into the card.
        bytes: its size.
        sha256: hex digest of its content.
    """

    path: Path
    bytes: int
    sha256: str

    @property
    def name(self) -> str:
        """Its name, without a folder."""
        return self.path.name

    def to_json(self) -> dict[str, Any]:
        """A dict of JSON-serializable values."""
        return {"name": self.name, "bytes": self.bytes, "sha256": self.sha256}


@dataclass(frozen=True)
class Card:
    """What a card says.

    Attributes:
        title: heading of the page.
        files: the files of the label set.
        header: its header.
        breakdown: what its bytes are spent on.
        repo: 'owner/name' on the Hub; None if it is not there.
        license: terms under which the labels may be used; None if unknown.
        sources: data sets that the images or texts come from.
        fidelity: distances to the source; None if not measured.
    """

    title: str
    files: Sequence[CardFile]
    header: Header
    breakdown: Breakdown
    repo: str | None = None
    license: str | None = None
    sources: Sequence[str] = ()
    fidelity: Fidelity | None = None

    def __str__(self) -> str:
        """The card as Markdown."""
        parts = [
            _front_matter(self),
            f"# {self.title}",
            _summary(self),
            "## Load\n\n" + _loading(self),
            "## Files\n\n" + _files(self),
            "## What the bytes are spent on\n\n" + _storage(self),
        ]
        if self.fidelity is not None:
            parts.append("## Distance to the source\n\n" + _fidelity(self.fidelity))
        parts.append("## How the labels were made\n\n" + _origin(self.header))
        return "\n\n".join(parts) + "\n"


def card(
    labels: LocationLike | Sequence[LocationLike],
    *,
    repo: str | None = None,
    title: str | None = None,
    license: str | None = None,
    sources: Sequence[str] = (),
    fidelity: Fidelity | None = None,
    progress: Progress | None = None,
) -> Card:
    """The card of a label set; every batch is read.

    Args:
        labels: a container, a glob pattern or a list of shards.
        repo: 'owner/name' of the data set on the Hub.
        title: heading; by default the name of `repo`, or of the first file.
        license: terms; by default those of the header.
        sources: data sets that the images or texts come from, by their names on the Hub.
        fidelity: distances to the source, as `labelcodec.compare` measures them.
        progress: called with (batches done, total batches).

    Raises:
        ConfigError: `repo` is not of the form owner/name, or a text is not UTF-8.
        MismatchError: a file is not on this machine, or has the name of the card or of another one.
        DataError: the header names a path, user or host of this machine.
        LabelcodecError: a file is damaged.
    """
    if repo is not None and not _REPO.fullmatch(repo):
        raise ConfigError(f"`repo={repo}` is not of the form owner/name")
    _check_text({"title": title, "license": license, "sources": " ".join(sources)})
    with open_labels(labels) as reader:
        _check_private(reader)
        _check_names(reader.paths)
        files = [_card_file(path) for path in reader.paths]
        return Card(
            title=title or (repo or files[0].name.removesuffix(".slc")).rpartition("/")[2],
            files=files,
            header=reader.header,
            breakdown=stats(reader, progress),
            repo=repo,
            license=license or reader.header.license,
            sources=tuple(sources),
            fidelity=fidelity,
        )


def _check_private(reader: Reader) -> None:
    """Check the header, and the names of images and sequences."""
    where = str(reader.paths[0])
    check_private(reader.header.to_map(), where)
    check_private({"names of images": reader.names or ()}, where)
    if reader.header.kind == "tokens":
        for batch in reader:
            names = batch.sequences.names if batch.sequences is not None else None
            check_private({"names of sequences": names or ()}, where)


def _check_text(texts: Mapping[str, str | None]) -> None:
    """Check that texts can be written; arguments of a terminal may hold any bytes."""
    for name, text in texts.items():
        try:
            (text or "").encode()
        except UnicodeEncodeError:
            raise ConfigError(f"`{name}={text!a}` is not UTF-8 text") from None


def _check_names(paths: Sequence[Location]) -> None:
    """Check that all files can be in one folder with their card, also where case does not count."""
    taken = {README.lower(): "the card"}
    for path in paths:
        owner = taken.setdefault(path.name.lower(), str(path))
        if owner != str(path):
            raise MismatchError(f"{path}: has the name of {owner} in the repository; rename it")


def _card_file(path: Location) -> CardFile:
    if not isinstance(path, Path):
        raise MismatchError(f"{path}: is not on this machine; a card is of local files")
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return CardFile(path, path.stat().st_size, digest)


def _front_matter(card: Card) -> str:
    facts: dict[str, Any] = {
        "license": (card.license or "unknown").lower(),
        "pretty_name": card.title,
        "annotations_creators": ["machine-generated"],
        "task_categories": [TASKS[card.breakdown.kind]],
        "size_categories": [_size_category(card.breakdown.labels)],
        "tags": list(TAGS),
    }
    if card.sources:
        facts["source_datasets"] = list(card.sources)
    lines = []
    for key, value in facts.items():
        if isinstance(value, list):
            lines += [f"{key}:", *(f"- {json.dumps(item)}" for item in value)]
        else:
            lines.append(f"{key}: {json.dumps(value)}")
    return "\n".join(["---", *lines, "---"])


def _size_category(labels: int) -> str:
    """The Hub's name of a number of rows, such as 10K<n<100K."""
    below = "n"
    for limit, name in SIZES:
        if labels < limit:
            return f"{below}<{name}" if below == "n" else f"{below}<n<{name}"
        below = name
    return "n>1T"


def _summary(card: Card) -> str:
    stats, header = card.breakdown, card.header
    unit, of = ("token", "tokens") if stats.kind == "tokens" else ("label", "images")
    codec = header.codec
    if stats.undecoded is None:
        codec = spec_of(from_config(header.codec, header.config, card.files[0].name))
    per_label = "" if stats.bytes_per_label is None else f", {stats.bytes_per_label:.2f} per {unit}"
    form = "full float16 logits" if stats.kind == "tokens" else "full logits in SRe2L's files"
    rate = "" if stats.actual_rate is None else f", {stats.actual_rate:.1f} times fewer than {form}"
    return (
        f"A teacher's soft labels of {of}: {stats.labels:,} {unit}s of {stats.classes:,} classes "
        f"in {stats.bytes_total:,} bytes{per_label}{rate}. Codec `{codec}`, in the "
        "labelcodec container format (`.slc`): no pickle, a checksum on every record, random "
        "access by batch."
    )


def _loading(card: Card) -> str:
    names = [file.name for file in card.files]
    first = names[0] if len(names) == 1 else f"{_common_start(names)}*.slc"
    where = first if card.repo is None else f"hf://datasets/{card.repo}/{first}"
    install = "labelcodec[torch]" if card.repo is None else "labelcodec[remote,torch]"
    if card.breakdown.kind == "tokens":
        use = (
            "from labelcodec.replay import TokenDataset\n\n"
            f'dataset = TokenDataset("{where}")  # with `Texts` if it stores no token ids'
        )
    else:
        use = (
            "from labelcodec.replay import ReplayDataset\n\n"
            f'dataset = ReplayDataset("{where}", "images")  # the images that they are of'
        )
    return (
        f"```\npip install '{install}'\n```\n\n```python\nimport labelcodec\n\n"
        f'with labelcodec.open("{where}") as labels:\n'
        f"    logits = labels[0].labels.rows(slice(4)).dense()  # float32, (4, classes)\n```\n\n"
        f"For training in PyTorch:\n\n```python\n{use}\n```"
    )


def _common_start(names: Sequence[str]) -> str:
    """The letters that all names begin with."""
    columns = takewhile(lambda letters: len(set(letters)) == 1, zip(*names, strict=False))
    return "".join(letters[0] for letters in columns)


def _files(card: Card) -> str:
    rows = [(file.name, f"{file.bytes:,}", f"`{file.sha256}`") for file in card.files]
    return _table(("file", "bytes", "SHA-256"), rows)


def _storage(card: Card) -> str:
    stats = card.breakdown
    total = max(stats.bytes_total, 1)
    rows = [
        (name, f"{size:,}", f"{100 * size / total:.1f} %")
        for name, size in stats.components.items()
        if size
    ]
    rows.append(("total", f"{stats.bytes_total:,}", "100.0 %"))
    return _table(("component", "bytes", "share"), rows)


def _fidelity(distance: Fidelity) -> str:
    rows = [
        (f"{tau:g}", f"{distance.kl[tau]:.4g}", f"{distance.tv[tau]:.4g}") for tau in distance.kl
    ]
    table = _table(("temperature", "mean KL divergence, nats", "mean total variation"), rows)
    kept = (
        ""
        if distance.kept_mass is None
        else (
            f" The kept classes have {100 * distance.kept_mass:.2f} % of the source's probability."
        )
    )
    return (
        f"{table}\n\nOver {distance.labels:,} labels; the most probable class is the same in "
        f"{100 * distance.top1_agreement:.2f} %.{kept}"
    )


def _origin(header: Header) -> str:
    facts: dict[str, object] = {
        "teacher": _words(header.teacher),
        "values": f"{header.space}, {header.precision}",
        "kept classes": header.k,
        "tail": header.tail,
        "images": header.images,
        "input size": None if header.image_size is None else "{} x {}".format(*header.image_size),
        "interpolation": header.interpolation,
        "normalisation": _words(header.normalisation),
        "mixing": header.mix,
        "augmentation": _recipe(header),
        "epochs to train": header.epochs,
        "tokenizer": _words(header.tokenizer),
        "shift": header.shift,
        "temperature": header.temperature,
        "converted from": None if header.source is None else header.source.get("layout"),
        "image names, SHA-256": header.fingerprint,
        "image files, SHA-256": header.content,
        "image pixels, SHA-256": None if header.pixels is None else header.pixels.digest,
        "note": header.note,
        "written by": f"{header.creator} {header.version}",
    }
    rows = [(name, str(value)) for name, value in facts.items() if value not in (None, "")]
    return _table(("", ""), rows)


def _recipe(header: Header) -> str | None:
    """The augmentation that a seed draws, in words."""
    if isinstance(header.recipe, AugmentationSpec):
        return f"drawn from seed {header.recipe.seed}, not stored"
    return None


def _words(facts: Mapping[str, Any] | None) -> str | None:
    """A free-form map in one line."""
    if not facts:
        return None
    return ", ".join(f"{key}: {json.dumps(value, default=str)}" for key, value in facts.items())


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in line) + " |"
        for line in lines
    )
