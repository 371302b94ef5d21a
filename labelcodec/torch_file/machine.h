/* State of the interpreter of pickles, which makes nodes, never objects.
 *
 * Each opcode makes one node at most, puts one on the stack at most and moves it to the items once,
 * so that `size` + 1 entries are enough for nodes, stack, items, marks and memo.
 */
#ifndef LABELCODEC_TORCH_MACHINE_H
#define LABELCODEC_TORCH_MACHINE_H

#include "labelcodec/entropy/platform.h"

typedef enum {
    OF_NONE = 1, OF_FALSE, OF_TRUE,
    OF_INTEGER, /* integer */
    OF_REAL, /* real */
    OF_TEXT, /* `size` bytes of UTF-8 at `first` of the pickle, `count` characters below 256 */
    OF_BYTES, /* the same: the characters are the bytes */
    OF_TUPLE, /* `count` items from `first` on */
    OF_LIST, OF_DICT, /* parts: the nodes from `first` to `last`, of which each names the next */
    OF_PART, /* `count` items from `first` on; `last` is the next part, or 0 */
    OF_GLOBAL, /* `what` it is, `dtype` */
    OF_STORAGE, /* `dtype`; from `first` on the items of its id; `count` is for who reads it */
    OF_TENSOR, /* from `first` on its arguments: storage, offset, size, stride */
    OF_DTYPE, /* `dtype`, `order` */
    OF_ARRAY, /* `count` is 5 once filled; from `first` on its state */
    OF_SCALAR, /* from `first` on dtype and bytes */
} node_kind;

/* Roles of known names. */
enum { A_TENSOR = 1, AN_ORDERED_DICT, A_DTYPE, A_NEW_ARRAY, A_SCALAR, AN_ENCODING, A_STORAGE,
       AN_ARRAY_CLASS, A_CODE };

typedef struct {
    const char *text; /* "module\nname", or the code of a numpy dtype */
    size_t size;
    uint8_t role, dtype;
} known_name;

typedef struct {
    uint8_t kind, what, dtype, order;
    uint32_t count;
    union {
        struct { uint32_t first; union { uint32_t size, last; }; };
        int64_t integer;
        double real;
    };
} pickle_node;

typedef struct {
    const uint8_t *data; /* the pickle */
    size_t size, at;
    const known_name *names;
    size_t names_count;
    pickle_node *nodes; /* the first stands for none */
    uint32_t *stack, *items, *marks, *memo;
    uint32_t made, height, floor, items_count, marks_count;
    size_t unspent; /* bytes that may still be made of text */
} pickle_machine;

/* An unsigned number of at most 8 bytes. */
INLINED uint64_t little(const uint8_t *data, unsigned width) {
    uint64_t number = 0;
    memcpy(&number, data, width);
    return number;
}

/* Bytes of memory, all 0, that a machine for a pickle of this size takes. */
INLINED size_t machine_room(size_t size) {
    return (size + 1) * (sizeof(pickle_node) + 4 * sizeof(uint32_t));
}

static void machine_open(pickle_machine *m, const uint8_t *data, size_t size,
                         const known_name *names, size_t names_count, void *room) {
    memset(m, 0, sizeof *m);
    m->data = data, m->size = m->unspent = size;
    m->names = names, m->names_count = names_count;
    m->nodes = room;
    m->stack = (uint32_t *)(m->nodes + size + 1);
    m->items = m->stack + size + 1;
    m->marks = m->items + size + 1;
    m->memo = m->marks + size + 1;
}

/* The next bytes, or NULL if there are fewer. */
INLINED const uint8_t *take(pickle_machine *m, size_t count) {
    if (m->size - m->at < count)
        return NULL;
    m->at += count;
    return m->data + m->at - count;
}

INLINED pickle_node *push(pickle_machine *m, node_kind kind) {
    pickle_node *node = m->nodes + ++m->made;
    node->kind = (uint8_t)kind;
    m->stack[m->height++] = m->made;
    return node;
}

/* The node `below` the top of the stack, or NULL if the last mark is above it. */
INLINED pickle_node *top(const pickle_machine *m, uint32_t below) {
    return m->height - m->floor > below ? m->nodes + m->stack[m->height - 1 - below] : NULL;
}

INLINED pickle_node *item(const pickle_machine *m, uint32_t at) {
    return m->nodes + m->items[at];
}

INLINED int is_integer(const pickle_node *node, int64_t value) {
    return node->kind == OF_INTEGER && node->integer == value;
}

INLINED int is_text(const pickle_machine *m, const pickle_node *node, const char *text) {
    return node->kind == OF_TEXT && node->size == strlen(text) &&
           !memcmp(m->data + node->first, text, node->size);
}

#endif
