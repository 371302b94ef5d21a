"""How findings look on paper; the numbers come from the library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from .console import count, decimal, note, say, size, table

if TYPE_CHECKING:
    from labelcodec.codecs.registry import CodecInfo
    from labelcodec.container import RepairReport
    from labelcodec.demo.path import Students
    from labelcodec.demo.roundtrip import Demo
    from labelcodec.storage import Breakdown, Comparison, DumpTable, Fidelity


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


def dump(name: str, found: DumpTable) -> None:
    """Table VI of a dump."""
    files = found.files
    say(
        f"{name}: layout {files.layout}, {count(files.count)} files, {size(files.bytes)}; "
        f"{found.first} has {count(found.first_bytes)} bytes"
    )
    columns = ["part", "F or z", "shape", "dtype", "payload", "torch.save", "%", "paper"]
    rows = [
        [
            *(row.component, row.kind, row.shape, row.dtype, count(row.payload_bytes)),
            *(count(row.bytes), decimal(row.percent, 2)),
            "-" if row.paper_bytes is None else count(row.paper_bytes),
        ]
        for row in found.rows
    ]
    table("Bytes of its parts, each saved alone", columns, rows)
    click.echo()


def breakdowns(sets: Sequence[tuple[str, Breakdown]]) -> None:
    """Containers side by side: totals, components, rates, streams."""
    if not sets:
        return
    names = [name for name, _ in sets]
    found = [one for _, one in sets]
    rows = [
        ["labels", *(count(one.labels) for one in found)],
        ["batches", *(count(one.batches) for one in found)],
        ["classes", *(count(one.classes) for one in found)],
        ["bytes", *(count(one.bytes_total) for one in found)],
        ["bytes per label", *(decimal(one.bytes_per_label, 2) for one in found)],
        ["the dump on disk", *(size(one.source_bytes) for one in found)],
        ["as raw SRe2L files", *(size(one.raw_bytes) for one in found)],
        ["theoretical rate", *(decimal(one.theoretical_rate) for one in found)],
        ["actual rate", *(decimal(one.actual_rate) for one in found)],
    ]
    if any(one.actual_rate_kept_epochs for one in found):
        kept = [decimal(one.actual_rate_kept_epochs) for one in found]
        rows.append(["actual rate, pruning counted", *kept])
    table("Label sets", ["", *names], rows)
    click.echo()
    components = [
        [name, *(_share(one.components[name], one) for one in found)]
        for name in found[0].components
        if any(one.components[name] for one in found)
    ]
    components.append(["in all", *(f"{count(one.bytes_total)}  100.0 %" for one in found)])
    table("Bytes by component", ["", *names], components)
    for name, one in sets:
        _streams(name, one)
        for facts_ in one.chosen:
            click.echo()
            chosen(facts_)


def _share(part: int, whole: Breakdown) -> str:
    return f"{count(part)}  {100 * part / whole.bytes_total:5.1f} %"


def _streams(name: str, found: Breakdown) -> None:
    if not found.streams:
        return
    rows = [
        [
            *(stream, count(cost.bytes), decimal(cost.entropy_bytes)),
            f"{cost.overhead_percent:+.2f} %",
        ]
        for stream, cost in found.streams.items()
    ]
    click.echo()
    table(f"Entropy-coded streams of {name}", ["", "bytes", "entropy", "above it"], rows)


def comparison(found: Comparison) -> None:
    """Identical, or how far apart."""
    if found.identical:
        click.echo(f"identical: {count(found.batches)} batches, bit for bit")
        return
    say(f"different: {found.difference}")
    if found.fidelity is not None:
        fidelity(found.fidelity)


def fidelity(distance: Fidelity) -> None:
    """Distances by temperature."""
    columns = ["tau", "mean KL (nats)", "worst KL", "mean TV", "worst TV"]
    measures = (distance.kl, distance.kl_max, distance.tv, distance.tv_max)
    rows = [[f"{tau:g}", *(f"{value[tau]:.4g}" for value in measures)] for tau in distance.kl]
    table(f"Over {count(distance.labels)} labels", columns, rows)
    if distance.infinite:
        click.echo(
            f"KL is infinite for {count(distance.infinite)} labels: classes that the reference "
            "gives probability were left out; TV tells how much"
        )
    click.echo(f"same top class: {100 * distance.top1_agreement:.2f} %")
    if distance.max_dz is not None:
        of = " of the finite logits" if distance.unmeasured else ""
        click.echo(f"largest |dz|: {distance.max_dz:.6g}{of}")
    if distance.unmeasured:
        values = count(distance.unmeasured)
        click.echo(f"NaN or infinite in A or B: {values} values, which have no distance")


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


def demo(found: Demo) -> None:
    """The demo's findings, step by step."""
    label_set(found.inspected)
    click.echo()
    breakdowns([(f"{stage.source} ({stage.codec})", stage.storage) for stage in found.stages])
    click.echo()
    rows = [
        [
            *(stage.source, stage.codec),
            decimal(stage.source_bytes / stage.storage.labels),
            decimal(stage.storage.bytes_per_label),
            f"{stage.source_bytes / stage.storage.bytes_total:.2f}x",
            "identical" if stage.identical else "DIFFERENT",
        ]
        for stage in found.stages
    ]
    columns = ["dump", "codec", "B/label as dumped", "B/label as .slc", "smaller", "decoded again"]
    table("Encoded, decoded, compared", columns, rows)
    click.echo()
    click.echo("How far the top-k labels are from the full ones")
    fidelity(found.top_k)


def students(found: Students) -> None:
    """What each codec costs, how far it is from the teacher, and what its student learns."""
    rows = [
        [
            one.codec,
            decimal(one.storage.bytes_per_label),
            f"{decimal(one.storage.theoretical_rate)}x",
            f"{decimal(one.actual_rate)}x",
            decimal(one.fidelity.kl[4.0], 3),
            decimal(one.fidelity.tv[4.0], 3),
            decimal(100 * one.top1),
        ]
        for one in found.outcomes
    ]
    columns = ["codec", "B/label", "theoretical rate", "actual rate", "KL at tau 4", "TV at tau 4"]
    title = f"Students of {found.size.characters} characters, two images each"
    table(title, [*columns, "student top-1 %"], rows)
    click.echo(
        f"The teacher names {decimal(100 * found.teacher)} % of the test images. Rates count "
        f"that {100 * found.size.keep:g} % of the batches are kept. KL is inf where classes are "
        "left out."
    )
