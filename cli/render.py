"""Rendering of library results as text: facts, tables and sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from .console import count, counted, decimal, note, paragraph, say, size, table, with_own_flags

if TYPE_CHECKING:
    from labelcodec.analysis import Breakdown, Comparison, DumpTable, Fidelity
    from labelcodec.binding.agreement import Agreement
    from labelcodec.codecs.registry import CodecInfo
    from labelcodec.container import RepairReport
    from labelcodec.pipeline.evaluation import Scores
    from labelcodec.pipeline.image_diversity.measurement import DiversityReport

RATES = (
    "actual rate: bytes of the same labels as full float16 logits{layout} over bytes stored, all "
    "counted",
    "theoretical rate: logit values of the full labels over values kept (2k for top-k), so a codec "
    "that keeps all logits has 1x, however few bytes it takes",
)
PRUNED = "; both times the epochs T over the epochs kept"


def label_set(description: dict[str, Any]) -> None:
    """Print a label set from `describe_set`, and under 'batch' one from `describe_batch`."""
    rows = [
        ("files", ", ".join(description["files"])),
        *_flat(description["header"]),
        *_flat(description["index"]),
    ]
    if description["image_names"] is not None:
        rows.append(("image names", str(description["image_names"])))
    if description["damage"] is not None:
        rows.append(("damage", description["damage"]))
    facts("Label set", rows)
    for choice in description["chosen"]:
        chosen(choice)
    if "batch" not in description:
        return
    batch = description["batch"]
    whole = {key: value for key, value in batch.items() if key != "first_samples"}
    click.echo()
    facts(f"Batch {batch['number']}", _flat(whole))
    click.echo()
    first = batch["first_samples"]
    columns = [name for name in first[0] if any(sample[name] is not None for sample in first)]
    cells = [
        [str(i), *(_cell(name, sample[name]) for name in columns)] for i, sample in enumerate(first)
    ]
    table("First samples", ["", *(name.replace("_", " ") for name in columns)], cells)


def facts(title: str, rows: Sequence[tuple[str, str]]) -> None:
    """Print names and values in two columns."""
    width = max(len(name) for name, _ in rows)
    say(title)
    for name, value in rows:
        say(f"  {name:<{width}}  {value}")


def chosen(choice: Mapping[str, Any]) -> None:
    """Print the parameters chosen by fitting a codec, and the result, from `Coder.chosen`."""
    if "encoder" in choice:
        paragraph(
            f"computed from the images by the encoder {choice['encoder']}, updated in "
            f"{choice['layers']} layers, input {choice['input']}"
        )
        if "held_out" in choice:
            paragraph(f"reached on {count(choice['held_out'])} labels: {_distances(choice)}")
        return
    line = f"chose rank {choice['rank']}"
    if "step" in choice:
        line += f", step {choice['step']:.3g}"
    if "codes" in choice:
        line += f", {choice['codes']} codes of {choice['codewords']} codewords"
    if "tau" in choice:
        line += f" searched at tau {choice['tau']:g}"
    if "sample" not in choice:
        paragraph(line)
        return
    if "peaks" in choice:
        line += f", {choice['peaks']:.1f} peaks per label"
    spent = choice["bytes_per_label"]
    paragraph(
        f"{line}: {sum(spent.values()):.1f} B/label, "
        f"{spent['streams']:.1f} of streams and {spent['tables']:.1f} of tables shared by "
        f"{count(choice['sharing'])} labels"
    )
    paragraph(f"reached on {count(choice['sample'])} labels: {_distances(choice)}")


def _distances(choice: Mapping[str, Any]) -> str:
    """Total variation and KL divergence by temperature, in words."""
    return "; ".join(
        f"{kind.upper()} at tau {', '.join(by_tau)}: "
        + ", ".join(f"{value:.3g}" for value in by_tau.values())
        for kind, by_tau in choice.items()
        if kind in ("tv", "kl")
    )


def _flat(values: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Flatten nested values to (name, text) rows with 'outer inner' names; omit None."""
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
    if name == "largest" and value is not None:
        return "  ".join(f"{label}: {_score(score)}" for label, score in value)
    return "-" if value is None else str(value)


def _score(score: float | None) -> str:
    """A logit or probability; None stands for NaN and infinities."""
    return "not finite" if score is None else f"{score:.4g}"


def repaired(report: RepairReport) -> None:
    """Print what a repair recovered, and what was lost where."""
    numbers = f", numbers {_ranges(report.numbers)}" if report.kept else ""
    say(f"{report.target}: {counted(report.kept, 'intact batch')}{numbers}")
    if report.unfinished:
        replaces = f"{report.target}.partial" == str(report.source)
        also = f" and --force, as {report.target} now exists" if replaces else ""
        note(
            f"{report.source} is unfinished and was kept: the run that wrote it can still be "
            f"continued with --resume{also}"
        )
    if report.problem:
        note(f"damage in {report.source}: {report.problem.removeprefix(f'{report.source}: ')}")
    if report.lost:
        lost = sum(last - first + 1 for first, last in report.lost)
        note(f"{counted(lost, 'batch')} lost, numbers {_ranges(report.lost)}")
    elif report.lost is None and not report.unfinished:
        note("the index is lost: it is unknown whether there were other batches")
    if report.damage:
        places = [f"{count(size)} at offset {offset}" for offset, size in report.damage]
        note(f"{counted(report.skipped, 'byte')} without an intact record: {_first(places)}")
    if report.dropped:
        note(
            f"{counted(report.dropped, 'intact batch')} left out: side information lost, or batch "
            "number repeated"
        )
    if report.original is not None and not report.unfinished:
        note(f"the original is {report.original}")


def _ranges(numbers: Sequence[tuple[int, int]]) -> str:
    return _first([f"{low}" if low == high else f"{low}-{high}" for low, high in numbers])


def _first(parts: Sequence[str], most: int = 8) -> str:
    """The first few parts, and the number of the remaining ones."""
    more = f" and {count(len(parts) - most)} more" if len(parts) > most else ""
    return ", ".join(parts[:most]) + more


def codecs(entries: Sequence[CodecInfo]) -> None:
    """Print the codecs with their options and examples."""
    for codec in entries:
        click.echo(f"{codec.name}: {codec.summary}")
        for key, (default, meaning) in codec.keys.items():
            usual = "" if default is None else f" (default {default})"
            click.echo(f"  {key}: {meaning}{usual}")
        click.echo(f"  examples: {', '.join(codec.examples)}\n")


def dump_parts(name: str, dump: DumpTable) -> None:
    """Print the sizes of the parts of a dump's first file."""
    files = dump.files
    paragraph(
        f"{name}: layout {files.layout.name}, {count(files.count)} files, {size(files.bytes)}; "
        f"{dump.first} has {count(dump.first_bytes)} bytes"
    )
    if not dump.rows:
        return
    columns = ["part", "F or z", "shape", "dtype", "payload", "torch.save", "%", "paper"]
    rows = [
        [
            *(row.component, row.kind, row.shape, row.dtype, count(row.payload_bytes)),
            *(count(row.bytes), decimal(row.percent, 2)),
            "-" if row.paper_bytes is None else count(row.paper_bytes),
        ]
        for row in dump.rows
    ]
    table("Bytes of its parts, each saved separately", columns, rows)
    click.echo()


def breakdowns(sets: Sequence[tuple[str, Breakdown]]) -> None:
    """Print containers side by side: totals, components, rates and streams."""
    if not sets:
        return
    names = [name for name, _ in sets]
    results = [result for _, result in sets]
    are_tokens = all(each.kind == "tokens" for each in results)
    unit = "token" if are_tokens else "label"
    raw = "as full float16" if are_tokens else "as raw SRe2L files"
    rows = [[f"{unit}s", *(count(each.labels) for each in results)]]
    if are_tokens:
        rows.append(["sequences", *(_known(each.sequences) for each in results)])
    rows += [
        ["batches", *(count(each.batches) for each in results)],
        ["classes", *(count(each.classes) for each in results)],
        ["bytes", *(count(each.bytes_total) for each in results)],
        [f"bytes per {unit}", *(decimal(each.bytes_per_label, 2) for each in results)],
        ["source dump on disk", *(size(each.source_bytes) for each in results)],
        [raw, *(size(each.raw_bytes) for each in results)],
        ["actual rate", *(_times(each.actual_rate) for each in results)],
    ]
    if any(each.actual_rate_kept_epochs for each in results):
        kept = [_times(each.actual_rate_kept_epochs) for each in results]
        rows.append(["actual rate, with pruning", *kept])
    rows.append(["theoretical rate", *(_times(each.theoretical_rate) for each in results)])
    if any(each.kept_mass is not None for each in results):
        rows.append(["mass of kept classes", *(_percent(each.kept_mass) for each in results)])
    if any(each.nonfinite_labels for each in results):
        rows.append(
            ["labels with NaN or infinity", *(str(each.nonfinite_labels) for each in results)]
        )
    table("Label sets", ["", *names], rows)
    rates(pruned=False, are_tokens=are_tokens)
    click.echo()
    components = [
        [name, *(_share(each.components[name], each) for each in results)]
        for name in results[0].components
        if any(each.components[name] for each in results)
    ]
    components.append(["total", *(f"{count(each.bytes_total)}  100.0 %" for each in results)])
    table("Bytes by component", ["", *names], components)
    for name, result in sets:
        _streams(name, result)
        for choice in result.chosen:
            click.echo()
            chosen(choice)


def rates(pruned: bool, are_tokens: bool = False) -> None:
    """Print what the two rates are, below a table that shows them.

    Args:
        pruned: whether the table's rates include pruning.
        are_tokens: whether the labels are of tokens.
    """
    layout = "" if are_tokens else " in SRe2L's files"
    for sentence in RATES:
        text = sentence.format(layout=layout)
        paragraph(text + PRUNED * (pruned and sentence is RATES[-1]))


def _known(number: int | None) -> str:
    return "-" if number is None else count(number)


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.2f} %"


def _times(rate: float | None) -> str:
    return "-" if rate is None else f"{rate:.1f}x"


def _share(part: int, whole: Breakdown) -> str:
    return f"{count(part)}  {100 * part / whole.bytes_total:5.1f} %"


def _streams(name: str, breakdown: Breakdown) -> None:
    if not breakdown.streams:
        return
    rows = [
        [
            *(stream, count(cost.bytes), decimal(cost.entropy_bytes)),
            f"{cost.overhead_percent:+.2f} %",
        ]
        for stream, cost in breakdown.streams.items()
    ]
    click.echo()
    table(f"Entropy-coded streams of {name}", ["", "bytes", "entropy", "overhead"], rows)


def comparison(outcome: Comparison) -> None:
    """Print whether two label sets are identical, and otherwise their distances."""
    rounding = "labels of float64 were rounded to float32 before they were compared"
    if outcome.identical:
        exactly = f"as float32: {rounding}" if outcome.rounded else "bit for bit"
        paragraph(f"identical: {counted(outcome.batches, 'batch')}, {exactly}")
        return
    paragraph(f"different: {with_own_flags(outcome.difference or '')}")
    if outcome.rounded:
        paragraph(rounding)
    if outcome.fidelity is not None:
        fidelity(outcome.fidelity)


def fidelity(distance: Fidelity) -> None:
    """Print distances by temperature."""
    columns = ["tau", "mean KL (nats)", "worst KL", "mean TV", "worst TV"]
    measures = (distance.kl, distance.kl_max, distance.tv, distance.tv_max)
    rows = [[f"{tau:g}", *(f"{value[tau]:.4g}" for value in measures)] for tau in distance.kl]
    table(f"Over {counted(distance.labels, 'label')}", columns, rows)
    if distance.infinite:
        paragraph(
            f"KL is infinite for {counted(distance.infinite, 'label')}: classes with nonzero "
            "probability in the reference were omitted; TV measures how much"
        )
    if distance.kept_mass is not None:
        paragraph(f"mass of kept classes in the reference: {_percent(distance.kept_mass)}")
    paragraph(f"same top class: {_percent(distance.top1_agreement)}")
    if distance.max_dz is not None:
        of = " of the finite logits" if distance.unmeasured else ""
        paragraph(f"largest |dz|: {distance.max_dz:.6g}{of}")
    if distance.unmeasured:
        values = count(distance.unmeasured)
        paragraph(f"NaN or infinite values in A or B, without a distance: {values}")


def agreement(measured: Agreement | None) -> None:
    """Print how often the teacher's top class is the class of the image's folder."""
    if measured is not None and measured.labels:
        click.echo(f"the teacher's top class is that of the folder for {measured}")


def agreement_map(measured: Agreement | None) -> dict[str, int] | None:
    """The counts of an agreement, for JSON."""
    return None if measured is None else measured.to_map()


def scores(rows: Sequence[tuple[str, Scores]]) -> None:
    """Print the accuracy of students, one row per student."""
    names = ["student", "images", "top-1 %", "top-5 %", "loss (nats)", "teacher agreement %"]
    cells = [
        [
            name,
            count(measured.images),
            decimal(100 * measured.top1, 2),
            decimal(100 * measured.top5, 2),
            decimal(measured.loss, 4),
            decimal(None if measured.agreement is None else 100 * measured.agreement, 2),
        ]
        for name, measured in rows
    ]
    table("Accuracy", names, cells)


def diversity(report: DiversityReport) -> None:
    """Print the similarity within classes, one row per folder, and the MMD of two folders."""
    names = ["folder", "images", "classes", "cosine similarity", "standard error"]
    cells = [
        [
            *(str(each.folder), count(each.images), count(len(each.by_class))),
            *(decimal(each.mean, 4), decimal(each.standard_error, 4)),
        ]
        for each in report.similarities
    ]
    table("Diversity", names, cells)
    if report.mmd is not None:
        mmd = report.mmd
        paragraph(f"MMD² {mmd.squared:.4g}: Gaussian kernel of bandwidth {mmd.bandwidth:.4g}")
    paragraph(
        f"features: {counted(report.dimensions, 'value')} per image, the input of the layer "
        f"{report.layer} of {report.model}"
    )
