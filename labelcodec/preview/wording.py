"""What a view says in words, the same on a sheet and on a page."""

from __future__ import annotations

from labelcodec.preview.batch_view import BatchView, SampleView
from labelcodec.wording import counted

TEMPERATURE = "probabilities of the teacher's label, at temperature 1"


def heading(view: BatchView) -> str:
    """The batch in a line."""
    shown = len(view.samples)
    of = "" if shown == view.length else f", the first {shown}"
    return f"batch {view.number} of epoch {view.epoch}: {counted(view.length, 'sample')}{of}"


def mixing(view: BatchView) -> str:
    """How its images are mixed; '' if they are not."""
    if view.mix is None:
        return ""
    if view.box is None:
        return f"{view.mix}, {100 * (1 - view.ratio):.0f} % of the partner"
    row0, row1, column0, column1 = view.box
    return f"{view.mix}, rows {row0} to {row1} and columns {column0} to {column1} of the partner"


def title(sample: SampleView) -> str:
    """A sample's name."""
    return f"{sample.row}: {sample.name or f'image {sample.image}'}"


def facts(view: BatchView, sample: SampleView) -> list[str]:
    """What was recorded of a sample, a few words each."""
    said = [] if sample.class_name is None else [f"folder: {sample.class_name}"]
    if sample.crop is not None:
        top, left, height, width = sample.crop
        if sample.image_size is None:
            said.append(f"crop {height:.3f} x {width:.3f} of the image at {top:.3f}, {left:.3f}")
        else:
            of = f"{sample.image_size[0]} x {sample.image_size[1]}"
            said.append(f"crop {height:.0f} x {width:.0f} at {top:.0f}, {left:.0f} of {of}")
    if sample.is_flipped:
        said.append("flipped")
    if sample.cutout is not None:
        said.append("cutout")
    if view.operations:
        said.append(f"RandAugment, {counted(view.operations, 'operation')}")
    if sample.partner is not None:
        said.append(f"mixed with {sample.partner}")
    if not sample.top:
        said.append("the label has no softmax: NaN or infinite values")
    return said
