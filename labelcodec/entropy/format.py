"""Constants of the entropy coders' byte formats (SPEC, section 6)."""

SLOT_BITS = 12  # the frequencies of a context sum to 2^12
SLOTS = 1 << SLOT_BITS
FIRST_STATE = 1 << 16  # initial state of an encoder's lane; states stay in 2^16 .. 2^32 - 1
MAX_LANES = 32
SYMBOLS_PER_LANE = 1024  # each additional lane costs 2 bytes
DIRECT = 8  # integers below this are their own token
MAX_INTEGER = 1 << 32  # tokenised integers are below this
ALPHABET = 124  # number of tokens of integers below MAX_INTEGER
MAX_DIGIT_GROUP = 1 << 62  # largest product of the radices of a digit group
