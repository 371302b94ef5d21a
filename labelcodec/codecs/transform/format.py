"""Constants of the transform codec's byte format (SPEC, section 9)."""

# Basis tables (9.1).
MAX_RANK = 1024
MAX_SCORE = 1 << 29  # largest magnitude of a logit, in units
MEAN_SHIFT = 8  # means are multiples of 2^8 units
TAIL = 48  # entries of the tail correction, by distance to the largest logit
MIN_POINT, MAX_POINT = 1, 60
MAX_PEAK = 1 << 24
MAX_SHIFT = 28
MAX_ENTRIES = 1 << 24  # elements of a matrix
MAX_LEVEL = 1 << 15  # matrix entries are below this in magnitude
MATRIX_COLUMN_CLASSES = 32

# Scores in integers (9.4), where coefficients, vectors and sums of magnitudes are within these.
MAX_ENTRY = (1 << 15) - 1
MAX_SUM = 1 << 30
BLOCK = 16  # classes that are computed together

# Contexts of coefficients, gaps and residuals (9.3).
COLUMN_CLASSES = 12
LEVELS = 4  # activity levels per column class
COEFFICIENT_CONTEXTS = COLUMN_CLASSES * LEVELS
MAX_MAGNITUDE = 15
DECAY = 3
LEFT, BEFORE = 6, 7  # a gap's context: classes of the peaks to come, of the previous gap
RANKS, COUNTS = 10, 3  # a residual's context: classes of the position, of the peak count
RESIDUAL_CONTEXTS = RANKS * COUNTS
GAP_CONTEXTS = 1 + LEFT * BEFORE
VALUE_CONTEXTS = COEFFICIENT_CONTEXTS + RESIDUAL_CONTEXTS
MAX_COEFFICIENT = 1 << 15
MAX_RESIDUAL = 1 << 24
MAX_CELLS = 1 << 23  # coefficients plus peaks per batch

# Prediction from image means (9.5).
FINE = 3  # fractional bits of a predicted coefficient: stored differences are multiples of 2^3
MAX_CODED = 1 << 11  # differences to a prediction are below this in magnitude
MAX_PREDICTED = 1 << 14
WEIGHT_BITS = 15  # fixed-point bits of an image's weight in a prediction
HALF = 1 << (WEIGHT_BITS - 1)
EIGHTHS = 8  # crop classes, by the share of the image's area
WHOLE = 256  # the area of a mixed image, in parts
MAX_SIDE = 1 << 20  # network input height and width, in pixels
MAX_KEPT, KEPT_BITS = 255, 7
MAX_UNIT = 1 << 20
