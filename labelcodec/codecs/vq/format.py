"""Constants of the vq codec's byte format (SPEC, section 15)."""

MAX_CODES = 256  # codes per label
MAX_CODEWORDS = 4096  # codewords per codebook
MAX_ENTRIES = 1 << 24  # numbers in all codebooks
MAX_COEFFICIENT = 1 << 15  # sums are limited to below this in magnitude
MAX_NETWORK_SHIFT = 40  # bits that sums of a hidden layer are divided by
MAX_NETWORK_SCALE = 1 << 31  # factors of these sums are below this
MAX_WIDTH = 1024  # entries of a network's codeword
MAX_HIDDEN = 1024  # units of the encoder network's hidden layer
