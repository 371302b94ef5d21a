"""Token sequences of a batch (SPEC, section 18): its samples are their positions."""

from labelcodec.sequences.data import Sequences, check_sequences, token_digest

__all__ = ["Sequences", "check_sequences", "token_digest"]
