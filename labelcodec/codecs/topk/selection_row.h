/* Selection from one label, for values and keys of one width (see selection.h).
 *
 * KEY: their type, uint16_t or uint32_t; NAMED(name): `name` for that type.
 */

/* The key of a value, and the value of a key. */
INLINED KEY NAMED(key_of)(KEY value) {
    const KEY sign = (KEY)((KEY)1 << (8 * sizeof(KEY) - 1));
    return (KEY)(value & sign ? value : value ^ (sign - 1));
}

/* Keys of a label for which -0 is +0; returns whether a value is NaN or infinite, which have all
 * bits of `exponent`. */
VECTORISED static uint32_t NAMED(keys)(const KEY *restrict bits, size_t classes, KEY exponent,
                                       KEY *restrict keys) {
    const KEY sign = (KEY)((KEY)1 << (8 * sizeof(KEY) - 1));
    KEY nonfinite = 0;
    for (size_t c = 0; c < classes; c++) {
        KEY value = bits[c];
        nonfinite |= (value & exponent) == exponent;
        keys[c] = NAMED(key_of)(value == sign ? 0 : value);
    }
    return nonfinite;
}

/* Number of keys that are not above `bound`. Counted in the keys' own type, which vectors hold. */
VECTORISED static size_t NAMED(keys_up_to)(const KEY *keys, size_t count, KEY bound) {
    const size_t block = 1 << 15;
    size_t number = 0;
    for (size_t first = 0; first < count; first += block) {
        size_t end = count - first < block ? count : first + block;
        KEY part = 0;
        for (size_t i = first; i < end; i++)
            part += keys[i] <= bound;
        number += part;
    }
    return number;
}

/* Narrow the range until at most `enough` keys (k or more) are not above its end, or it is one key;
 * returns their number. */
static size_t NAMED(narrow)(const KEY *keys, size_t count, size_t k, size_t enough,
                            key_range *range) {
    size_t number = count;
    while (number > enough && range->bit) {
        uint32_t middle = range->limit | (uint32_t)1 << --range->bit;
        size_t below = NAMED(keys_up_to)(keys, count, (KEY)(middle - 1));
        if (below < k)
            range->limit = middle;
        else
            number = below;
    }
    return number;
}

/* The range of keys that begin with the bits that all keys (at least one) begin with. */
VECTORISED static key_range NAMED(range_of)(const KEY *keys, size_t count) {
    KEY differing = 0;
    for (size_t i = 0; i < count; i++)
        differing |= keys[i] ^ keys[0];
    key_range range = {keys[0], differing ? highest_bit(differing) + 1 : 0};
    range.limit = (uint32_t)((uint64_t)range.limit >> range.bit << range.bit);
    return range;
}

VECTORISED static void NAMED(flag_up_to)(const KEY *restrict keys, size_t count, KEY bound,
                                         uint8_t *restrict flags) {
    for (size_t i = 0; i < count; i++)
        flags[i] = keys[i] <= bound;
}

/* The k largest values of a label: their keys, each with its class in the low 32 bits, go to `chosen`
 * in order of the class. Of equal values, +0 and -0 among them, those are taken that stand
 * first; the key of -0 follows that of +0. Returns whether a value is NaN or infinite. */
SEPARATE uint32_t NAMED(select_row)(const KEY *values, size_t classes, size_t k, uint32_t exponent,
                                    selection_scratch *scratch, uint64_t *chosen) {
    const uint32_t *own = scratch->own, *picked = scratch->picked;
    KEY *keys = scratch->keys, *few = scratch->few;
    uint32_t nonfinite = NAMED(keys)(values, classes, (KEY)exponent, keys);
    size_t count = NAMED(keys_up_to)(keys, classes, (KEY)scratch->bound);
    if (count < k || count > FEW(k)) {
        key_range all = {0, 8 * sizeof(KEY)};
        NAMED(narrow)(keys, classes, k, FEW(k), &all);
        scratch->bound = range_end(all);
    }
    NAMED(flag_up_to)(keys, classes, (KEY)scratch->bound, scratch->flags);
    count = flagged(scratch->flags, classes, scratch->own);
    for (size_t i = 0; i < count; i++)
        few[i] = keys[own[i]];

    key_range range = NAMED(range_of)(few, count);
    size_t number = NAMED(narrow)(few, count, k, k, &range);
    KEY last = (KEY)range_end(range);
    size_t equal = k; /* keys that equal the last one and are taken */
    if (number > k)
        equal -= last ? NAMED(keys_up_to)(few, count, (KEY)(last - 1)) : 0;
    NAMED(flag_up_to)(few, count, last, scratch->flags);
    number = flagged(scratch->flags, count, scratch->picked);
    for (size_t i = 0, taken = 0; i < number && taken < k; i++) {
        size_t at = picked[i];
        if (few[at] == last && equal-- == 0) {
            equal = 0;
            continue;
        }
        chosen[taken++] = (uint64_t)NAMED(key_of)(values[own[at]]) << 32 | own[at];
    }
    return nonfinite;
}

/* Classes and values of `count` keys that `select_row` chose. */
static void NAMED(split_keys)(const uint64_t *restrict keys, size_t count, int64_t *restrict index,
                              KEY *restrict values) {
    for (size_t i = 0; i < count; i++) {
        index[i] = (int64_t)(uint32_t)keys[i];
        values[i] = NAMED(key_of)((KEY)(keys[i] >> 32));
    }
}
