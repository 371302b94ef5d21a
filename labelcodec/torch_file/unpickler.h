/* Interpreter of the pickle of a label file: the opcodes of protocol 2 that torch.save writes there.
 *
 * Whatever `unpickler` refuses is declined, and so is whatever label files do not hold. Opcodes take
 * nothing from below the last mark. Each function says whether its opcode is done.
 */
#ifndef LABELCODEC_TORCH_UNPICKLER_H
#define LABELCODEC_TORCH_UNPICKLER_H

#include "labelcodec/torch_file/object_opcodes.h"

/* Characters of UTF-8 text; -1 if it is damaged or one is above 255. */
static int64_t latin_characters(const uint8_t *text, size_t size) {
    int64_t count = 0;
    for (size_t i = 0; i < size; i++, count++)
        if (text[i] >= 0x80) {
            if ((text[i] & 0xFE) != 0xC2 || i + 1 == size || (text[i + 1] & 0xC0) != 0x80)
                return -1;
            i++;
        }
    return count;
}

static int push_text(pickle_machine *m) {
    const uint8_t *width = take(m, 4);
    size_t size = width ? (size_t)little(width, 4) : 0;
    const uint8_t *text = width ? take(m, size) : NULL;
    int64_t count = text ? latin_characters(text, size) : -1;
    if (count < 0)
        return 0;
    pickle_node *node = push(m, OF_TEXT);
    node->first = (uint32_t)(text - m->data), node->size = (uint32_t)size;
    node->count = (uint32_t)count;
    return 1;
}

static int push_unsigned(pickle_machine *m, unsigned width) {
    const uint8_t *raw = take(m, width);
    if (!raw)
        return 0;
    push(m, OF_INTEGER)->integer = (int64_t)little(raw, width);
    return 1;
}

static int push_signed(pickle_machine *m, unsigned width) {
    const uint8_t *raw = width <= 8 ? take(m, width) : NULL;
    if (!raw)
        return 0;
    uint64_t number = little(raw, width);
    if (width && width < 8 && raw[width - 1] & 0x80)
        number |= ~0ull << 8 * width;
    memcpy(&push(m, OF_INTEGER)->integer, &number, 8);
    return 1;
}

static int push_long(pickle_machine *m) {
    const uint8_t *width = take(m, 1);
    return width && push_signed(m, *width);
}

static int push_real(pickle_machine *m) {
    const uint8_t *raw = take(m, 8);
    uint64_t bits = 0;
    if (!raw)
        return 0;
    for (int byte = 0; byte < 8; byte++)
        bits = bits << 8 | raw[byte];
    memcpy(&push(m, OF_REAL)->real, &bits, 8);
    return 1;
}

static int put(pickle_machine *m, unsigned width) {
    const uint8_t *raw = take(m, width);
    uint64_t key = raw ? little(raw, width) : m->size;
    if (key >= m->size || !top(m, 0))
        return 0;
    m->memo[key] = m->stack[m->height - 1];
    return 1;
}

static int get(pickle_machine *m, unsigned width) {
    const uint8_t *raw = take(m, width);
    uint64_t key = raw ? little(raw, width) : m->size;
    if (key >= m->size || !m->memo[key])
        return 0;
    m->stack[m->height++] = m->memo[key];
    return 1;
}

static int mark(pickle_machine *m) {
    m->marks[m->marks_count++] = m->floor = m->height;
    return 1;
}

/* Remove the last mark; how many nodes stand above it. */
static uint32_t unmarked(pickle_machine *m) {
    uint32_t count = m->height - m->floor;
    m->marks_count--;
    m->floor = m->marks_count ? m->marks[m->marks_count - 1] : 0;
    return count;
}

/* Move the last nodes of the stack to the items; position of the first. */
static uint32_t moved(pickle_machine *m, uint32_t count) {
    uint32_t first = m->items_count;
    m->height -= count;
    memcpy(m->items + first, m->stack + m->height, count * sizeof(uint32_t));
    m->items_count += count;
    return first;
}

static int push_tuple(pickle_machine *m, uint32_t count) {
    if (m->height - m->floor < count)
        return 0;
    uint32_t first = moved(m, count);
    pickle_node *node = push(m, OF_TUPLE);
    node->first = first, node->count = count;
    return 1;
}

/* Add the last `count` nodes to the list or dict below them. */
static int extend(pickle_machine *m, uint32_t count, node_kind kind) {
    pickle_node *target = top(m, count);
    if (!target || target->kind != kind)
        return 0;
    pickle_node *part = m->nodes + ++m->made;
    part->kind = OF_PART, part->count = count, part->first = moved(m, count);
    for (uint32_t key = 0; kind == OF_DICT && key < count; key += 2) {
        unsigned of = item(m, part->first + key)->kind;
        if (of != OF_TEXT && of != OF_INTEGER)
            return 0;
    }
    if (target->first)
        m->nodes[target->last].last = m->made;
    else
        target->first = m->made;
    target->last = m->made;
    return kind == OF_LIST || count % 2 == 0;
}

INLINED int extend_marked(pickle_machine *m, node_kind kind) {
    return m->marks_count && extend(m, unmarked(m), kind);
}

/* One opcode other than STOP; whether it is done. */
static int step(pickle_machine *m, uint8_t opcode) {
    const uint8_t *protocol;
    switch (opcode) {
    case 'q': return put(m, 1);
    case 'r': return put(m, 4);
    case 'h': return get(m, 1);
    case 'j': return get(m, 4);
    case 'K': return push_unsigned(m, 1);
    case 'M': return push_unsigned(m, 2);
    case 'J': return push_signed(m, 4);
    case 0x8A: return push_long(m);
    case 'G': return push_real(m);
    case 'X': return push_text(m);
    case 'N': return push(m, OF_NONE) != NULL;
    case 0x88: return push(m, OF_TRUE) != NULL;
    case 0x89: return push(m, OF_FALSE) != NULL;
    case ']': return push(m, OF_LIST) != NULL;
    case '}': return push(m, OF_DICT) != NULL;
    case '(': return mark(m);
    case ')': return push_tuple(m, 0);
    case 0x85: return push_tuple(m, 1);
    case 0x86: return push_tuple(m, 2);
    case 0x87: return push_tuple(m, 3);
    case 't': return m->marks_count && push_tuple(m, unmarked(m));
    case 'a': return extend(m, 1, OF_LIST);
    case 'e': return extend_marked(m, OF_LIST);
    case 's': return extend(m, 2, OF_DICT);
    case 'u': return extend_marked(m, OF_DICT);
    case 'c': return push_global(m);
    case 'R': return call(m);
    case 'b': return build(m);
    case 'Q': return push_storage(m);
    case 0x80: return (protocol = take(m, 1)) && *protocol == 2;
    default: return 0;
    }
}

/* Interpret the pickle; the node that it leaves, or 0 if it is declined. */
static uint32_t machine_run(pickle_machine *m) {
    while (m->at < m->size) {
        uint8_t opcode = m->data[m->at++];
        if (opcode == '.')
            return m->height == 1 && !m->marks_count ? m->stack[0] : 0;
        if (!step(m, opcode))
            return 0;
    }
    return 0;
}

#endif
