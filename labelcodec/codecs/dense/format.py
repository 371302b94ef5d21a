"""Constants of the dense codec's byte format (SPEC, section 7)."""

PLAIN, CODED = 0, 1  # first byte of the label stream
TOP_MANTISSA = 3  # upper mantissa bits that are part of the symbol
MAX_SYMBOLS = 255  # patterns of high bits in a table, the escape not counted
MAX_CONTEXTS = 128
CONTEXT_SHIFT = 5  # a context spans 2^5 fixed-point steps of the prediction
WEIGHTS = (10, 5, 3, 2)  # of the four preceding residuals, nearest first, in units of 2^-5
WEIGHT_SHIFT = 5
UNKNOWN = -(1 << 30)  # marks a pattern of high bits without a symbol
MAX_FIXED_POINT = 1 << 24
