"""How label sets, codecs and repairs look on paper; the numbers come from the library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from .console import count, note, say, table

if TYPE_CHECKING:
    from labelcodec.codecs.registry import CodecInfo
    from labelcodec.container import RepairReport


def label_set(found: dict[str, Any]) -> None:
    """Header, index and perhaps a batch, as `describe_set` and `describe_batch` give them."""
    rows = [("files", ", ".join(found["files"])), *_flat(found["header"]), *_flat(found["index"])]
    if found["image_names"] is not None:
        rows.append(("image names", str(found["image_names"])))
    if found["damage"] is not None:
        rows.append(("damage", found["damage"]))
    facts("Label set", rows)
    for one in found["chosen"]:
        chosen(one)
    if "batch" not in found:
        return
    batch = found["batch"]
    whole = {key: value for key, value in batch.items() if key != "first_samples"}
    click.echo()
    facts(f"Batch {batch['number']}", _flat(whole))
    click.echo()
    first = batch["first_samples"]
    columns = [name for name in first[0] if any(one[name] is not None for one in first)]
    rows_ = [[str(i), *(_cell(name, one[name]) for name in columns)] for i, one in enumerate(first)]
    table("First samples", ["", *(name.replace("_", " ") for name in columns)], rows_)


def facts(title: str, rows: Sequence[tuple[str, str]]) -> None:
    """Names and values."""
    width = max(len(name) for name, _ in rows)
    say(title)
    for name, value in rows:
        say(f"  {name:<{width}}  {value}")


def chosen(found: Mapping[str, Any]) -> None:
    """What fitting a codec chose and reached, as `Coder.chosen` gives it."""
    line = f"chose rank {found['rank']}, step {found['step']:.3g}"
    if "sample" not in found:
        click.echo(line)
        return
    spent = found["bytes_per_label"]
    click.echo(
        f"{line}, {found['peaks']:.1f} peaks a label: {sum(spent.values()):.1f} B/label, "
        f"{spent['streams']:.1f} of its own and {spent['tables']:.1f} of tables shared by "
        f"{count(found['sharing'])} labels"
    )
    distances = (
        f"{kind.upper()} at tau {', '.join(by_tau)}: "
        + ", ".join(f"{value:.3g}" for value in by_tau.values())
        for kind, by_tau in found.items()
        if kind in ("tv", "kl")
    )
    click.echo(f"reached on {count(found['sample'])} labels: {'; '.join(distances)}")


def _flat(values: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Nested values as 'outer inner' names; what is None is left out."""
    rows: list[tuple[str, str]] = []
    for key, value in values.items():
        name = f"{prefix}{key}".replace("_", " ")
        if isinstance(value, dict):
            rows += _flat(value, f"{name} ")
        elif isinstance(value, list) and len(value) == 2 and "batch " in name:
            low, high = value
            rows.append((name, str(low) if low == high else f"{low} to {high}"))
        elif value is not None:
            rows.append((name, str(value)))
    return rows


def _cell(name: str, value: Any) -> str:
    if name == "largest":
        return "  ".join(f"{label}: {float(score):.4g}" for label, score in value)
    return "-" if value is None else str(value)


def repaired(found: RepairReport) -> None:
    """What repair saved, and what was lost where."""
    numbers = f", numbers {_stretches(found.numbers)}" if found.kept else ""
    say(f"{found.target}: {count(found.kept)} intact batches{numbers}")
    if found.unfinished:
        in_its_way = f"{found.target}.partial" == str(found.source)
        also = f", and with --force as {found.target} exists now" if in_its_way else ""
        note(
            f"{found.source} is unfinished, and kept: the run that wrote it can still go on with "
            f"--resume{also}"
        )
    if found.problem:
        note(f"damage in {found.source}: {found.problem}")
    if found.lost:
        lost = sum(last - first + 1 for first, last in found.lost)
        note(f"{count(lost)} batches are lost, numbers {_stretches(found.lost)}")
    elif found.lost is None and not found.unfinished:
        note("the index is lost: which batches there were beside these is not known")
    if found.damage:
        places = [f"{count(size)} from byte {offset} on" for offset, size in found.damage]
        note(f"{count(found.skipped)} bytes hold no intact record: {_first(places)}")
    if found.dropped:
        note(
            f"{count(found.dropped)} intact batches left out: their side information is lost or "
            "their number comes twice"
        )
    if found.original is not None and not found.unfinished:
        note(f"the original is {found.original}")


def _stretches(numbers: Sequence[tuple[int, int]]) -> str:
    return _first([f"{low}" if low == high else f"{low}-{high}" for low, high in numbers])


def _first(parts: Sequence[str], most: int = 8) -> str:
    """The first few, and how many more there are."""
    more = f" and {count(len(parts) - most)} more" if len(parts) > most else ""
    return ", ".join(parts[:most]) + more


def codecs(found: Sequence[CodecInfo]) -> None:
    """The registry."""
    for codec in found:
        click.echo(f"{codec.name}: {codec.summary}")
        for key, (default, meaning) in codec.keys.items():
            usual = "" if default is None else f" (default {default})"
            click.echo(f"  {key}: {meaning}{usual}")
        click.echo(f"  for instance {', '.join(codec.examples)}\n")
