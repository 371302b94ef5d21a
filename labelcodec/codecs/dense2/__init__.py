"""The dense2 codec: every logit, bit for bit, predicted in a basis (SPEC, section 14)."""
