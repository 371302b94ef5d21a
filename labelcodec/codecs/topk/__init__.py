"""The topk codec: the k largest classes of a label and their values (SPEC, section 8)."""
