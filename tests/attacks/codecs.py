"""Hostile label sets: containers without a flaw around content that is wrong.

Every checksum, the index and the batch prefixes are right (`RecordWriter` writes them), so each
file gets as far as its content can. A case is a function that returns a `LabelSet`; `CASES` says
which error a reader must raise for it, and how much memory it may take in doing so.
"""

from __future__ import annotations

from tests.attacks import (
    content_headers,
    content_streams,
    content_tables,
    dense2,
    kept_counts,
    projector,
    sampled,
    transform_streams,
    transform_tables,
    vq,
)
from tests.attacks.labelset import Cases

MODULES = (
    content_headers,
    content_tables,
    content_streams,
    dense2,
    kept_counts,
    projector,
    sampled,
    transform_tables,
    transform_streams,
    vq,
)
CASES: Cases = {name: case for module in MODULES for name, case in module.CASES.items()}
