/* rANS with symbols from frequency tables, and tokens of integers (SPEC, sections 6.1 to 6.4).
 *
 * Symbol i belongs to lane i mod lanes. A lane is one 32-bit state; all lanes take 16-bit words
 * from one shared sequence. The frequencies of a context sum to 4096.
 * Reference: labelcodec/entropy/reference/rans.py and lanes.py.
 */
#ifndef LABELCODEC_RANS_H
#define LABELCODEC_RANS_H

#include "labelcodec/entropy/bitio.h"
#include "labelcodec/entropy/rans_avx2.h"

#define SLOT_BITS 12
#define SLOTS 4096
#define FIRST_STATE 65536u
#define MAX_LANES 32
#define MAX_TOKEN 123    /* of integers below 2^32 */
#define DIRECT 8         /* integers below this are their own token */
#define ESCAPE_BITS 8    /* an escaped token is named by this many extra bits */

/* ---- Decoding ------------------------------------------------------------------------------ */

/* Decoding tables of K contexts over S symbols.
 * symbol: (K, 4096) symbol that owns each slot; interval: (K, S) start << 16 | frequency.
 * Invariant, from the table's construction: a slot lies in its symbol's interval. */
typedef struct {
    const uint8_t *symbol;
    const uint32_t *interval;
    size_t contexts, symbols;
} rans_tables;

/* A decoder's position. Invariant: read <= count; words[count ..] are never read.
 * `words` may begin at any byte of a stream, so words are copied out and never dereferenced. */
typedef struct {
    uint32_t state[MAX_LANES];
    unsigned lanes, lane;
    const uint16_t *words;
    size_t count, read;
} rans_decoder;

INLINED uint32_t load_word(const uint16_t *words, size_t i) {
    uint16_t word;
    memcpy(&word, (const uint8_t *)words + 2 * i, 2);
    return word;
}

/* lanes: 1..32. */
INLINED void rans_open(rans_decoder *rans, const void *states, size_t lanes,
                       const uint16_t *words, size_t count) {
    memcpy(rans->state, states, lanes * sizeof *rans->state);
    rans->lanes = (unsigned)lanes;
    rans->lane = 0;
    rans->words = words;
    rans->count = count;
    rans->read = 0;
}

/* Open a rANS part: the lanes' states, then words to its end. MALFORMED if these are not whole. */
INLINED int rans_part_open(rans_decoder *rans, const uint8_t *data, size_t size, unsigned lanes) {
    if (size < 4 * (size_t)lanes || size % 2)
        return MALFORMED;
    rans_open(rans, data, lanes, (const uint16_t *)(const void *)(data + 4 * lanes),
              size / 2 - 2 * (size_t)lanes);
    return GOOD;
}

/* Open a coded part: the length of its rANS part, that part, and extra bits. */
static int coded_open(rans_decoder *rans, bit_reader *bits, const uint8_t *data, size_t size,
                      unsigned lanes) {
    size_t length, begin;
    if (varint_read(data, size, &length, &begin) || length > size - begin)
        return MALFORMED;
    *bits = bits_open(data + begin + length, size - begin - length, 0);
    return rans_part_open(rans, data + begin, length, lanes);
}

/* Whether all words are read and every state is back at the encoder's first. */
INLINED int rans_closed(const rans_decoder *rans) {
    int closed = rans->read == rans->count;
    for (unsigned lane = 0; lane < rans->lanes; lane++)
        closed &= rans->state[lane] == FIRST_STATE;
    return closed;
}

/* Move `lane` past the interval [start, start + freq) that holds `slot`. Reads a word if the state
 * falls below 2^16; the caller knows that there is one. */
INLINED void rans_advance(uint32_t *state, uint32_t slot, uint32_t start, uint32_t freq,
                          const uint16_t *words, size_t *read) {
    uint32_t next = freq * (*state >> SLOT_BITS) + slot - start;
    uint32_t low = next < FIRST_STATE;
    *state = next << (low << 4) | (load_word(words, *read) & (0 - low)); /* no branch: a coin toss */
    *read += low;
}

/* One symbol in `context`; the caller knows that there is a word. */
INLINED uint32_t rans_symbol(uint32_t *state, const rans_tables *table, size_t context,
                             const uint16_t *words, size_t *read) {
    uint32_t slot = *state & (SLOTS - 1);
    uint32_t symbol = table->symbol[context * SLOTS + slot];
    uint32_t interval = table->interval[context * table->symbols + symbol];
    rans_advance(state, slot, interval >> 16, interval & 0xFFFF, words, read);
    return symbol;
}

/* Words that a decoder may read blindly: the rest, or a tail that is padded with zeros.
 *
 * A symbol takes at most one word. As long as more words are left than symbols are decoded, no
 * check is needed in between; near the end the words are copied to a padded buffer, and whether
 * more were read than there are shows afterwards. */
#define PADDED 256
#define BEHIND 8 /* words that may be read behind those that are taken */

INLINED const uint16_t *rans_padded(const rans_decoder *rans, size_t symbols, uint16_t *buffer) {
    size_t left = rans->count - rans->read;
    if (left >= symbols + BEHIND)
        return (const uint16_t *)((const uint8_t *)rans->words + 2 * rans->read);
    memcpy(buffer, (const uint8_t *)rans->words + 2 * rans->read, left * sizeof *buffer);
    memset(buffer + left, 0, (symbols + BEHIND - left) * sizeof *buffer);
    return buffer;
}

/* `count` symbols to `symbols`. contexts[i] < table->contexts, or NULL for one `context`. */
SEPARATE int rans_symbols(rans_decoder *rans, const rans_tables *table,
                          const uint16_t *restrict contexts, size_t context, size_t count,
                          uint8_t *restrict symbols) {
    uint16_t buffer[PADDED + BEHIND];
    uint32_t state[MAX_LANES]; /* copies: the compiler must not fear that `symbols` aliases them */
    const rans_tables tables = *table;
    const unsigned lanes = rans->lanes;
    unsigned lane = rans->lane;
    memcpy(state, rans->state, lanes * sizeof *state);
    for (size_t first = 0; first < count; first += PADDED) {
        size_t block = count - first < PADDED ? count - first : PADDED, read = 0;
        const uint16_t *words = rans_padded(rans, block, buffer);
        size_t i = first;
#if defined(LABELCODEC_AVX2)
        if (has_avx2 && lanes == MAX_LANES && !lane) {
            size_t whole = block - block % MAX_LANES;
            read = rans_get_avx2(tables.symbol, tables.interval, tables.symbols,
                                 contexts ? contexts + i : NULL, context, whole, state, words,
                                 symbols + i);
            i += whole;
        }
#endif
        for (; i < first + block; i++) {
            size_t row = contexts ? contexts[i] : context;
            symbols[i] = (uint8_t)rans_symbol(&state[lane], &tables, row, words, &read);
            lane = lane + 1 == lanes ? 0 : lane + 1;
        }
        if (read > rans->count - rans->read)
            return MALFORMED;
        rans->read += read;
    }
    memcpy(rans->state, state, lanes * sizeof *state);
    rans->lane = lane;
    return GOOD;
}

/* Smallest value of each token, and mask and number of its extra bits; SLOW where that takes a
 * closer look. */
#define SLOW 255
typedef struct {
    uint32_t base, mask;
    uint64_t width; /* wide, so that an entry has 16 bytes */
} token_entry;
static token_entry token_entries[256];

/* Tokens of the integers below SMALL, and their numbers of extra bits. */
#define SMALL 1024
static uint8_t small_token[SMALL], small_width[SMALL];

static void fill_tokens(void) {
    for (uint32_t token = 0; token < 256; token++) {
        uint32_t width = token < DIRECT ? 0 : (token - DIRECT) / 4 + 1;
        token_entry entry = {0, 0, SLOW};
        if (token <= MAX_TOKEN) {
            entry.base = token < DIRECT ? token : (4 + token % 4) << width;
            entry.mask = ((uint32_t)1 << width) - 1;
            entry.width = width;
        }
        token_entries[token] = entry;
    }
    for (uint32_t value = 0, token = 0; value < SMALL; value++) {
        token += value == token_entries[token + 1].base;
        small_token[value] = (uint8_t)token;
        small_width[value] = (uint8_t)token_entries[token].width;
    }
}

/* The integer that one token and its extra bits stand for, near the end or behind an escape. */
static int token_value(bit_reader *bits, uint32_t token, uint32_t escape, int64_t *value) {
    uint64_t named = token, low;
    if (token == escape && bits_take(bits, ESCAPE_BITS, &named))
        return MALFORMED;
    if (named > MAX_TOKEN || bits_take(bits, token_entries[named].width, &low))
        return MALFORMED;
    *value = (int64_t)(token_entries[named].base + low);
    return GOOD;
}

/* The integers that tokens and their extra bits stand for. */
SEPARATE int token_values(bit_reader *reader, const uint8_t *restrict tokens, size_t count,
                          uint32_t escape, int64_t *restrict values) {
    bit_reader bits = *reader;
    const uint64_t last = bits.end < 64 ? 0 : bits.end - 63; /* from there on a load is too long */
    for (size_t i = 0; i < count; i++) {
        const token_entry own = token_entries[tokens[i]];
        if (UNLIKELY(own.width == SLOW || tokens[i] == escape || bits.position >= last)) {
            if (token_value(&bits, tokens[i], escape, values + i))
                return MALFORMED;
            continue;
        }
        uint64_t word = load64(bits.data + (bits.position >> 3)) >> (bits.position & 7);
        values[i] = (int64_t)(own.base + ((uint32_t)word & own.mask));
        bits.position += own.width;
    }
    *reader = bits;
    return GOOD;
}

/* ---- Encoding ------------------------------------------------------------------------------ */

/* Multipliers for exact division: n / d = (2 * n * reciprocal[d]) >> 64 for n < 2^32, d <= 4096. */
static uint64_t reciprocal[SLOTS + 1];

static void fill_reciprocals(void) {
    for (uint64_t d = 1; d <= SLOTS; d++)
        reciprocal[d] = ((uint64_t)1 << 63) / d + 1;
}

INLINED uint32_t divided(uint32_t n, uint32_t d) {
#if defined(__SIZEOF_INT128__)
    return (uint32_t)(((unsigned __int128)((uint64_t)n << 1) * reciprocal[d]) >> 64);
#else
    return n / d;
#endif
}

/* One symbol: the new state, and a word at words[*used] if the old state is full. */
INLINED uint32_t rans_put(uint32_t interval, uint32_t state, uint16_t *words, size_t *used) {
    uint32_t start = interval >> 16, freq = interval & 0xFFFF;
    words[*used] = (uint16_t)state; /* kept only if the state is full; avoids a branch */
    unsigned full = state >> 20 >= freq;
    *used -= full;
    state >>= full << 4;
    uint32_t quotient = divided(state, freq);
    return (quotient << SLOT_BITS) + start + (state - quotient * freq);
}

/* Encode intervals (start << 16 | frequency), last symbol first.
 *
 * words: room for count + 1; states: (lanes,) receives the final states.
 * Returns the index of the first word in the order in which a decoder reads them. */
SEPARATE size_t rans_encode(const uint32_t *restrict intervals, size_t count, unsigned lanes,
                            uint16_t *restrict words, uint32_t *restrict states) {
    uint32_t state[MAX_LANES];
    size_t used = count, left = 0;
    unsigned lane = (unsigned)(count % lanes);
    for (unsigned i = 0; i < lanes; i++)
        state[i] = FIRST_STATE;
#if defined(LABELCODEC_AVX2)
    if (has_avx2 && lanes == MAX_LANES)
        left = count - lane;
#endif
    for (size_t i = count; i-- > left;) {
        lane = (lane ? lane : lanes) - 1;
        state[lane] = rans_put(intervals[i], state[lane], words, &used);
    }
#if defined(LABELCODEC_AVX2)
    if (left)
        used = rans_put_avx2(intervals, left, state, words, used);
#endif
    memcpy(states, state, lanes * sizeof *states);
    return used + 1;
}

/* A part being encoded: `intervals` (count,), and as in `rans_encode` its words and states. */
typedef struct {
    const uint32_t *intervals;
    uint16_t *words;
    uint32_t *states;
    size_t first; /* index of its first word */
} rans_part;

/* Encode three parts of as many symbols each. With few lanes a symbol waits for the one before it;
 * those of other parts keep the processor busy. */
SEPARATE void rans_encode_three(rans_part parts[3], size_t count, unsigned lanes) {
    if (lanes == MAX_LANES) {
        for (unsigned i = 0; i < 3; i++)
            parts[i].first = rans_encode(parts[i].intervals, count, lanes, parts[i].words,
                                         parts[i].states);
        return;
    }
    const uint32_t *restrict a = parts[0].intervals, *restrict b = parts[1].intervals,
                   *restrict c = parts[2].intervals;
    uint16_t *restrict a_words = parts[0].words, *restrict b_words = parts[1].words,
             *restrict c_words = parts[2].words;
    size_t a_used = count, b_used = count, c_used = count;
    uint32_t state[3][MAX_LANES];
    for (unsigned lane = 0; lane < lanes; lane++)
        state[0][lane] = state[1][lane] = state[2][lane] = FIRST_STATE;
    unsigned lane = (unsigned)(count % lanes);
    for (size_t i = count; i-- > 0;) {
        lane = (lane ? lane : lanes) - 1;
        state[0][lane] = rans_put(a[i], state[0][lane], a_words, &a_used);
        state[1][lane] = rans_put(b[i], state[1][lane], b_words, &b_used);
        state[2][lane] = rans_put(c[i], state[2][lane], c_words, &c_used);
    }
    for (unsigned i = 0; i < 3; i++)
        memcpy(parts[i].states, state[i], lanes * sizeof *state[i]);
    parts[0].first = a_used + 1;
    parts[1].first = b_used + 1;
    parts[2].first = c_used + 1;
}

/* Token, number of extra bits and extra bits of an integer below 2^32. */
INLINED uint32_t token_of(uint64_t value, unsigned *width, uint64_t *extra) {
    if (value < SMALL) {
        *width = small_width[value];
        *extra = low_bits(value, *width);
        return small_token[value];
    }
    unsigned bits = highest_bit(value) - 2;
    *width = bits;
    *extra = low_bits(value, bits);
    return DIRECT + 4 * (bits - 1) + (uint32_t)(value >> bits & 3);
}

/* Every module that includes this header calls it once. */
static void rans_start(void) {
    fill_bits();
    fill_tokens();
    fill_reciprocals();
#if defined(LABELCODEC_AVX2)
    avx2_start();
#endif
}

/* Interval of a symbol in a context. One that the table never saw is escaped: its name goes in
 * front of the extra bits. `packed` is (K, S) start << 16 | frequency, the escape last. */
INLINED uint32_t interval_of(const uint32_t *packed, size_t symbols, size_t context,
                             uint32_t symbol, unsigned *width, uint64_t *extra) {
    uint32_t escape = (uint32_t)symbols - 1;
    uint32_t interval = symbol < escape ? packed[context * symbols + symbol] : 0;
    if (UNLIKELY(!(interval & 0xFFFF))) {
        *extra = symbol | *extra << ESCAPE_BITS;
        *width += ESCAPE_BITS;
        interval = packed[context * symbols + escape];
    }
    return interval;
}

/* Intervals and extra bits of values below 2^32 in known contexts, contexts[i] < K. `bits` has room
 * for 37 bits a value and 16 bytes. Returns the size of `bits` in bytes. */
static size_t value_intervals(const int64_t *values, const uint16_t *contexts, size_t count,
                              const uint32_t *packed, size_t symbols, uint32_t *intervals,
                              uint8_t *bits) {
    bit_writer out = {bits, 0, 0};
    uint64_t total = 0;
    for (size_t i = 0; i < count; i++) {
        unsigned width;
        uint64_t extra;
        uint32_t token = token_of((uint64_t)values[i], &width, &extra);
        intervals[i] = interval_of(packed, symbols, contexts[i], token, &width, &extra);
        bits_put(&out, extra, width);
        total += width;
    }
    bits_flush(&out);
    return (size_t)((total + 7) >> 3);
}

#endif
