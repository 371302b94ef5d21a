"""The sampled codec: classes drawn from the teacher's distribution (SPEC, section 19)."""
