"""Constants of the crop stream (SPEC, section 5.4)."""

MAX_SIDE = 1 << 24  # image sides are below this
