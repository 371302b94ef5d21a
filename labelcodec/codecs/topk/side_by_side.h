/* Symbols of class sets, values and permutations, decoded side by side (SPEC, 6.3 and 8.2 to 8.4).
 *
 * A part of few symbols has few rANS lanes, so each symbol waits for the one before it. The three
 * parts do not depend on each other: a symbol of each in turn keeps the processor busy, and with
 * AVX2 symbols of four lanes at a time. Reference: reference/labels.py.
 */
#ifndef LABELCODEC_SIDE_BY_SIDE_H
#define LABELCODEC_SIDE_BY_SIDE_H

#include "labelcodec/codecs/topk/permutation.h"
#include "labelcodec/entropy/rans.h"

enum { SET, VALUES, ORDER, PARTS };                  /* the three parts */
enum { BAD_SET = 1, BAD_VALUES = 2, BAD_ORDER = 3 }; /* statuses: which part is malformed */

/* Up to PADDED symbols of each part. The decoders have the same number of lanes and are at the same
 * `lane`; words[i] are padded and read[i] of them are taken, of part i. */
typedef struct {
    rans_decoder *rans[PARTS];
    const rans_tables *set_table, *value_table;
    const uint16_t *contexts; /* of the class set's symbols, below set_table->contexts */
    size_t context;           /* of the values', below value_table->contexts */
    const uint64_t *reciprocals;
    const uint16_t *words[PARTS];
    size_t read[PARTS];
    unsigned lane;
    uint32_t k, left;         /* members of a label, and those that remain of this one */
    uint8_t *set_symbols, *value_symbols;
    int16_t *entries;         /* of the permutation's symbols */
} symbol_block;

/* Symbols first .. stop - 1, one after another. */
SEPARATE void block_in_turn(symbol_block *block, size_t first, size_t stop) {
    const rans_tables sets = *block->set_table, values = *block->value_table;
    const uint16_t *contexts = block->contexts, *set_words = block->words[SET];
    const uint16_t *value_words = block->words[VALUES], *order_words = block->words[ORDER];
    const uint64_t *reciprocals = block->reciprocals;
    const size_t context = block->context;
    const uint32_t k = block->k;
    const unsigned lanes = block->rans[SET]->lanes;
    uint32_t *restrict set_state = block->rans[SET]->state;
    uint32_t *restrict value_state = block->rans[VALUES]->state;
    uint32_t *restrict order_state = block->rans[ORDER]->state;
    uint8_t *restrict set_symbols = block->set_symbols;
    uint8_t *restrict value_symbols = block->value_symbols;
    int16_t *restrict entries = block->entries;
    size_t set_read = block->read[SET], value_read = block->read[VALUES];
    size_t order_read = block->read[ORDER];
    unsigned lane = block->lane;
    uint32_t left = block->left;
    for (size_t i = first; i < stop; i++) {
        set_symbols[i] =
            (uint8_t)rans_symbol(&set_state[lane], &sets, contexts[i], set_words, &set_read);
        value_symbols[i] =
            (uint8_t)rans_symbol(&value_state[lane], &values, context, value_words, &value_read);
        uint32_t slot = order_state[lane] & (SLOTS - 1);
        uint32_t entry = ((slot + 1) * left - 1) >> SLOT_BITS;
        uint32_t start = order_bound(entry, reciprocals[left]);
        uint32_t end = order_bound(entry + 1, reciprocals[left]);
        rans_advance(&order_state[lane], slot, start, end - start, order_words, &order_read);
        entries[i] = (int16_t)entry;
        left = left > 1 ? left - 1 : k;
        lane = lane + 1 == lanes ? 0 : lane + 1;
    }
    block->read[SET] = set_read;
    block->read[VALUES] = value_read;
    block->read[ORDER] = order_read;
    block->lane = lane;
    block->left = left;
}

#if defined(LABELCODEC_AVX2)
#define AVX2_INLINED INLINED __attribute__((target("avx2")))

/* `rans_advance` of four lanes past [start, start + freq): a lane takes its word behind those of
 * the lanes before it. */
AVX2_INLINED __m128i four_advance(__m128i state, __m128i slot, __m128i start, __m128i freq,
                                  const uint16_t *words, size_t *read) {
    __m128i next = _mm_mullo_epi32(freq, _mm_srli_epi32(state, SLOT_BITS));
    next = _mm_add_epi32(next, _mm_sub_epi32(slot, start));
    __m128i takes = _mm_cmpeq_epi32(_mm_srli_epi32(next, 16), _mm_setzero_si128());
    unsigned set = (unsigned)_mm_movemask_ps(_mm_castsi128_ps(takes));
    __m128i some = _mm_loadl_epi64((const __m128i *)(const void *)(words + *read));
    __m128i order = _mm_load_si128((const __m128i *)words_to_lanes[set]);
    __m128i word = _mm_cvtepu16_epi32(_mm_shuffle_epi8(some, order));
    *read += (size_t)__builtin_popcount(set);
    return _mm_blendv_epi8(next, _mm_or_si128(_mm_slli_epi32(next, 16), word), takes);
}

/* `rans_symbol` of four lanes in the contexts a, b, c and d. */
AVX2_INLINED __m128i four_symbols(__m128i state, const rans_tables *table, size_t a, size_t b,
                                  size_t c, size_t d, const uint16_t *words, size_t *read,
                                  uint8_t *symbols) {
    const size_t row = table->symbols;
    __m128i slot = _mm_and_si128(state, _mm_set1_epi32(SLOTS - 1));
    uint64_t low = (uint64_t)_mm_cvtsi128_si64(slot), high = (uint64_t)_mm_extract_epi64(slot, 1);
    const uint8_t first = table->symbol[a * SLOTS + (uint32_t)low];
    const uint8_t second = table->symbol[b * SLOTS + (low >> 32)];
    const uint8_t third = table->symbol[c * SLOTS + (uint32_t)high];
    const uint8_t fourth = table->symbol[d * SLOTS + (high >> 32)];
    symbols[0] = first;
    symbols[1] = second;
    symbols[2] = third;
    symbols[3] = fourth;
    __m128i interval = _mm_cvtsi32_si128((int)table->interval[a * row + first]);
    __m128i others = _mm_cvtsi32_si128((int)table->interval[c * row + third]);
    interval = _mm_insert_epi32(interval, (int)table->interval[b * row + second], 1);
    others = _mm_insert_epi32(others, (int)table->interval[d * row + fourth], 1);
    interval = _mm_unpacklo_epi64(interval, others);
    return four_advance(state, slot, _mm_srli_epi32(interval, 16),
                        _mm_and_si128(interval, _mm_set1_epi32(0xFFFF)), words, read);
}

/* Entries of four lanes, each among its number of remaining ones. In floats, quotients of integers
 * up to 2^24 by such up to 2^12 are rounded down exactly. */
AVX2_INLINED __m128i four_entries(__m128i state, __m128i left, const uint16_t *words, size_t *read,
                                  int16_t *entries) {
    const __m128i one = _mm_set1_epi32(1);
    __m128i slot = _mm_and_si128(state, _mm_set1_epi32(SLOTS - 1));
    __m128i entry = _mm_mullo_epi32(_mm_add_epi32(slot, one), left);
    entry = _mm_srli_epi32(_mm_sub_epi32(entry, one), SLOT_BITS);
    _mm_storel_epi64((__m128i *)(void *)entries, _mm_packus_epi32(entry, entry));
    __m128 divisor = _mm_cvtepi32_ps(left);
    __m128i begin = _mm_slli_epi32(entry, SLOT_BITS);
    __m128i behind = _mm_add_epi32(begin, _mm_set1_epi32(SLOTS));
    __m128i start = _mm_cvttps_epi32(_mm_div_ps(_mm_cvtepi32_ps(begin), divisor));
    __m128i end = _mm_cvttps_epi32(_mm_div_ps(_mm_cvtepi32_ps(behind), divisor));
    return four_advance(state, slot, start, _mm_sub_epi32(end, start), words, read);
}

AVX2_INLINED __m128i four_load(const rans_decoder *rans, unsigned lane) {
    return _mm_loadu_si128((const __m128i *)(const void *)(rans->state + lane));
}

AVX2_INLINED void four_save(const symbol_block *block, unsigned lane, __m128i set, __m128i values,
                            __m128i order) {
    _mm_storeu_si128((__m128i *)(void *)(block->rans[SET]->state + lane), set);
    _mm_storeu_si128((__m128i *)(void *)(block->rans[VALUES]->state + lane), values);
    _mm_storeu_si128((__m128i *)(void *)(block->rans[ORDER]->state + lane), order);
}

/* Symbols first .. stop - 1, four at a time: stop - first, lane and lanes are multiples of 4, and
 * k is 4 or more. */
__attribute__((target("avx2"), noinline)) static void
block_in_fours(symbol_block *block, size_t first, size_t stop) {
    const rans_tables sets = *block->set_table, values = *block->value_table;
    const uint16_t *contexts = block->contexts, *set_words = block->words[SET];
    const uint16_t *value_words = block->words[VALUES], *order_words = block->words[ORDER];
    const size_t context = block->context;
    const unsigned lanes = block->rans[SET]->lanes;
    uint8_t *restrict set_symbols = block->set_symbols;
    uint8_t *restrict value_symbols = block->value_symbols;
    int16_t *restrict entries = block->entries;
    size_t set_read = block->read[SET], value_read = block->read[VALUES];
    size_t order_read = block->read[ORDER];
    unsigned lane = block->lane;
    const __m128i k = _mm_set1_epi32((int)block->k), least = _mm_set1_epi32(1);
    __m128i left = _mm_add_epi32(_mm_set1_epi32((int)block->left), _mm_setr_epi32(0, -1, -2, -3));
    left = _mm_add_epi32(left, _mm_and_si128(k, _mm_cmpgt_epi32(least, left)));
    __m128i own = four_load(block->rans[SET], lane), second = four_load(block->rans[VALUES], lane);
    __m128i third = four_load(block->rans[ORDER], lane);
    for (size_t i = first; i < stop; i += 4) {
        own = four_symbols(own, &sets, contexts[i], contexts[i + 1], contexts[i + 2],
                           contexts[i + 3], set_words, &set_read, set_symbols + i);
        second = four_symbols(second, &values, context, context, context, context, value_words,
                              &value_read, value_symbols + i);
        third = four_entries(third, left, order_words, &order_read, entries + i);
        left = _mm_sub_epi32(left, _mm_set1_epi32(4));
        left = _mm_add_epi32(left, _mm_and_si128(k, _mm_cmpgt_epi32(least, left)));
        if (lanes > 4) {
            four_save(block, lane, own, second, third);
            lane = lane + 4 == lanes ? 0 : lane + 4;
            own = four_load(block->rans[SET], lane);
            second = four_load(block->rans[VALUES], lane);
            third = four_load(block->rans[ORDER], lane);
        }
    }
    four_save(block, lane, own, second, third);
    block->read[SET] = set_read;
    block->read[VALUES] = value_read;
    block->read[ORDER] = order_read;
    block->lane = lane;
    block->left = (uint32_t)_mm_cvtsi128_si32(left);
}
#endif

/* The next `count` symbols of each part, at most PADDED, to where `block` says; GOOD, or the status
 * of the part that has fewer. */
SEPARATE int block_decode(symbol_block *block, size_t count) {
    uint16_t buffer[PARTS][PADDED + BEHIND];
    size_t head = count, fours = 0;
    for (int i = 0; i < PARTS; i++) {
        block->words[i] = rans_padded(block->rans[i], count, buffer[i]);
        block->read[i] = 0;
    }
#if defined(LABELCODEC_AVX2)
    if (has_avx2 && block->rans[SET]->lanes % 4 == 0 && block->k >= 4) {
        head = (0 - block->lane) % 4;
        head = head < count ? head : count;
        fours = (count - head) & ~(size_t)3;
    }
#endif
    if (head)
        block_in_turn(block, 0, head);
#if defined(LABELCODEC_AVX2)
    if (fours)
        block_in_fours(block, head, head + fours);
#endif
    if (head + fours < count)
        block_in_turn(block, head + fours, count);
    for (int i = 0; i < PARTS; i++) {
        if (block->read[i] > block->rans[i]->count - block->rans[i]->read)
            return BAD_SET + i;
        block->rans[i]->read += block->read[i];
    }
    return GOOD;
}

#endif
