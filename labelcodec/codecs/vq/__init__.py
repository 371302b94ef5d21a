"""Codec `vq`: labels as sums of codewords in a fitted basis (SPEC, section 15)."""
