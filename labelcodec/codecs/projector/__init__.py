"""The projector codec: labels as a function of the replayed images (SPEC, section 16)."""
