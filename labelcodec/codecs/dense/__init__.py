"""The dense codec: every logit, bit for bit (SPEC, section 7)."""
