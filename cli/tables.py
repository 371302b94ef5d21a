"""How bytes and distances look on paper; the numbers come from the library."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from . import show
from .console import count, decimal, say, size, table

if TYPE_CHECKING:
    from labelcodec.demo.path import Students
    from labelcodec.demo.roundtrip import Demo
    from labelcodec.storage import Breakdown, Comparison, DumpTable, Fidelity


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
            show.chosen(facts_)


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


def demo(found: Demo) -> None:
    """The demo's findings, step by step."""
    show.label_set(found.inspected)
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
