"""Declarations of the C kernels that the compiled modules share, and their checked entry."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t


cdef extern from "labelcodec/entropy/bitio.h" nogil:
    ctypedef struct bit_reader:
        uint64_t position, end
    bit_reader bits_open(const uint8_t *, size_t, uint64_t)
    int bits_finished(const bit_reader *)
    void pack_bits(const uint64_t *, const int64_t *, size_t, uint8_t *)
    void pack_fixed(const int64_t *, size_t, unsigned, uint8_t *)
    void unpack_fixed32(const uint8_t *, size_t, unsigned, uint32_t *, size_t)
    void unpack_fixed64(const uint8_t *, size_t, unsigned, uint64_t *, size_t)
    void unpack_column(const uint8_t *, size_t, unsigned, int64_t, int64_t *, size_t)
    int unpack_digits(const uint8_t *, size_t, uint64_t, const int64_t *, size_t, int64_t *)
    int shuffle(const int64_t *, size_t, int32_t *)
    size_t pack_permutation(const int32_t *, size_t, int64_t *, int64_t *, uint8_t *)
    int unpack_permutation(
        const uint8_t *, size_t, size_t, size_t, int64_t *, int32_t *, int64_t *
    )

cdef extern from "labelcodec/entropy/rans.h" nogil:
    int MAX_LANES, SLOTS
    ctypedef struct rans_tables:
        const uint8_t *symbol
        const uint32_t *interval
        size_t contexts, symbols
    ctypedef struct rans_decoder:
        uint32_t state[32]
        unsigned lanes, lane
        size_t count, read
    void rans_start()
    void rans_open(rans_decoder *, const uint32_t *, size_t, const uint16_t *, size_t)
    int rans_part_open(rans_decoder *, const uint8_t *, size_t, unsigned)
    int coded_open(rans_decoder *, bit_reader *, const uint8_t *, size_t, unsigned)
    int rans_closed(const rans_decoder *)
    int rans_symbols(
        rans_decoder *, const rans_tables *, const uint16_t *, size_t, size_t, uint8_t *
    )
    int token_values(bit_reader *, const uint8_t *, size_t, uint32_t, int64_t *)
    size_t rans_encode(const uint32_t *, size_t, unsigned, uint16_t *, uint32_t *)
    uint32_t token_of(uint64_t, unsigned *, uint64_t *)
    size_t value_intervals(
        const int64_t *, const uint16_t *, size_t, const uint32_t *, size_t, uint32_t *, uint8_t *
    )
    ctypedef struct rans_part:
        const uint32_t *intervals
        uint16_t *words
        uint32_t *states
        size_t first


cdef enum:
    PADDING = 16  # bytes of room that a bit writer needs behind its output


cdef inline int tables_open(
    rans_tables *table, const uint8_t[:, ::1] symbol, const uint32_t[:, ::1] interval
) except -1:
    """Decoding tables; their shapes must belong together."""
    if symbol.shape[1] != SLOTS or symbol.shape[0] != interval.shape[0] or not interval.size:
        raise ValueError("decoding tables of impossible shape")
    table.symbol, table.interval = &symbol[0, 0], &interval[0, 0]
    table.contexts, table.symbols = interval.shape[0], interval.shape[1]
    return 0


cdef inline int decoder_open(
    rans_decoder *rans, const uint32_t[::1] states, const uint16_t[::1] words
) except -1:
    """A decoder at the first symbol."""
    if not 0 < states.shape[0] <= MAX_LANES:
        raise ValueError(f"{states.shape[0]} rANS lanes, allowed are 1..{MAX_LANES}")
    cdef const uint16_t *first = <const uint16_t *>&states[0]  # of no words: anything but NULL
    if words.shape[0]:
        first = &words[0]
    rans_open(rans, &states[0], states.shape[0], first, words.shape[0])
    return 0


cdef inline bit_reader reader_of(const uint8_t[::1] data, uint64_t position) except *:
    """A reader of the bits from `position` on."""
    if position > 8 * <uint64_t>data.shape[0]:
        raise ValueError(f"bit {position} of {data.shape[0]} bytes")
    return bits_open(&data[0] if data.shape[0] else NULL, data.shape[0], position)


cdef inline int check_rows(const uint16_t *contexts, size_t count, size_t rows) except -1:
    """Every context must name one of the rows of a table."""
    cdef uint16_t highest = 0
    cdef size_t i
    for i in range(count):
        highest = max(highest, contexts[i])
    if count and highest >= rows:
        raise ValueError(f"a context outside 0..{rows - 1}")
    return 0


cdef inline int check_range(const int64_t *values, size_t count) except -1:
    """Tokens must be able to name all values: 0..2^32 - 1."""
    cdef uint64_t seen = 0
    cdef size_t i
    for i in range(count):
        seen |= <uint64_t>values[i]
    if seen >> 32:
        raise ValueError("tokens are for integers in 0..2^32-1")
    return 0
