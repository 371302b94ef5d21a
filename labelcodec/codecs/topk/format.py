"""Constants of the topk codec's byte format (SPEC, section 8)."""

PLAIN, CODED, CONSTANT = 0, 1, 2  # forms of a stream
TIES_BY_CLASS = 0x10  # flag added to the form: equal values are ordered by class
FIRST_GAP = 16  # context of a label's first gap between positions
SET_CONTEXTS = 17
VALUE_CONTEXTS = 33
MAX_K = 4096  # a permutation's intervals are multiples of 1/4096
MAX_CELLS = 1 << 21  # largest B times k of a batch
