"""Entropy coding of integer arrays: rANS, tokens, bit packing, varints (SPEC, section 6)."""
