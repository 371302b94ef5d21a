/* Pickle opcodes that name and make objects, as in `object_opcodes`; each says whether it is done. */
#ifndef LABELCODEC_TORCH_OBJECTS_H
#define LABELCODEC_TORCH_OBJECTS_H

#include "labelcodec/torch_file/machine.h"

/* The known name that a text is, or NULL. */
static const known_name *known(const pickle_machine *m, const uint8_t *text, size_t size) {
    for (const known_name *name = m->names; name < m->names + m->names_count; name++)
        if (name->size == size && !memcmp(name->text, text, size))
            return name;
    return NULL;
}

static int push_global(pickle_machine *m) {
    const uint8_t *text = m->data + m->at, *end = m->data + m->size;
    const uint8_t *middle = memchr(text, '\n', (size_t)(end - text));
    const uint8_t *stop = middle ? memchr(middle + 1, '\n', (size_t)(end - middle - 1)) : NULL;
    const known_name *name = stop ? known(m, text, (size_t)(stop - text)) : NULL;
    if (!name)
        return 0;
    m->at = (size_t)(stop + 1 - m->data);
    pickle_node *node = push(m, OF_GLOBAL);
    node->what = name->role, node->dtype = name->dtype;
    return 1;
}

/* BINPERSID: ('storage', class, key, location, number of values[, None]). */
static int push_storage(pickle_machine *m) {
    const pickle_node *id = top(m, 0);
    if (!id || id->kind != OF_TUPLE || (id->count != 5 && id->count != 6))
        return 0;
    uint32_t first = id->first;
    const pickle_node *class = item(m, first + 1), *numel = item(m, first + 4);
    if (!is_text(m, item(m, first), "storage") || item(m, first + 2)->kind != OF_TEXT ||
        class->kind != OF_GLOBAL || class->what != A_STORAGE ||
        numel->kind != OF_INTEGER || numel->integer < 0 ||
        (id->count == 6 && item(m, first + 5)->kind != OF_NONE))
        return 0;
    m->height--;
    pickle_node *node = push(m, OF_STORAGE);
    node->dtype = class->dtype, node->first = first;
    return 1;
}

/* dtype(code, False, True) or dtype(code) */
static int call_dtype(pickle_machine *m, const pickle_node *args) {
    const pickle_node *code = args->count ? item(m, args->first) : NULL;
    if (!code || code->kind != OF_TEXT || (args->count != 1 && args->count != 3))
        return 0;
    if (args->count == 3 && (item(m, args->first + 1)->kind != OF_FALSE ||
                             item(m, args->first + 2)->kind != OF_TRUE))
        return 0;
    const uint8_t *text = m->data + code->first;
    const known_name *name = known(m, text, code->size);
    if (!name || name->role != A_CODE)
        return 0;
    pickle_node *node = push(m, OF_DTYPE);
    node->dtype = name->dtype;
    node->order = memchr("?1", text[code->size - 1], 2) ? '|' : '=';
    return 1;
}

/* _reconstruct(ndarray, (0,), b'b') */
static int call_new_array(pickle_machine *m, const pickle_node *args) {
    if (args->count != 3)
        return 0;
    const pickle_node *class = item(m, args->first), *shape = item(m, args->first + 1);
    const pickle_node *code = item(m, args->first + 2);
    if (class->kind != OF_GLOBAL || class->what != AN_ARRAY_CLASS || shape->kind != OF_TUPLE ||
        shape->count != 1 || !is_integer(item(m, shape->first), 0) || code->kind != OF_BYTES ||
        code->size != 1 || m->data[code->first] != 'b')
        return 0;
    push(m, OF_ARRAY);
    return 1;
}

/* encode(text, 'latin1') */
static int call_encode(pickle_machine *m, const pickle_node *args) {
    if (args->count != 2 || !is_text(m, item(m, args->first + 1), "latin1"))
        return 0;
    const pickle_node *text = item(m, args->first);
    if (text->kind != OF_TEXT || text->count > m->unspent)
        return 0;
    m->unspent -= text->count;
    pickle_node *node = push(m, OF_BYTES);
    node->first = text->first, node->size = text->size, node->count = text->count;
    return 1;
}

/* _rebuild_tensor(storage, offset, size, stride[, gradient flag, hooks[, metadata]]) */
static int call_tensor(pickle_machine *m, const pickle_node *args) {
    if ((args->count != 4 && args->count != 6 && args->count != 7) ||
        item(m, args->first)->kind != OF_STORAGE)
        return 0;
    push(m, OF_TENSOR)->first = args->first;
    return 1;
}

/* scalar(dtype, bytes) */
static int call_scalar(pickle_machine *m, const pickle_node *args) {
    if (args->count != 2)
        return 0;
    push(m, OF_SCALAR)->first = args->first;
    return 1;
}

/* REDUCE */
static int call(pickle_machine *m) {
    const pickle_node *args = top(m, 0), *function = top(m, 1);
    if (!function || function->kind != OF_GLOBAL || args->kind != OF_TUPLE)
        return 0;
    m->height -= 2;
    switch (function->what) {
    case A_TENSOR: return call_tensor(m, args);
    case AN_ORDERED_DICT: return !args->count && push(m, OF_DICT);
    case A_DTYPE: return call_dtype(m, args);
    case A_NEW_ARRAY: return call_new_array(m, args);
    case A_SCALAR: return call_scalar(m, args);
    case AN_ENCODING: return call_encode(m, args);
    default: return 0;
    }
}

/* The state of a dtype: (3, byte order, None, None, None, -1, -1, 0). */
static int build_dtype(pickle_machine *m, pickle_node *dtype, const pickle_node *state) {
    if (state->kind != OF_TUPLE || state->count != 8)
        return 0;
    uint32_t first = state->first;
    const pickle_node *order = item(m, first + 1);
    if (!is_integer(item(m, first), 3) || order->kind != OF_TEXT || order->size != 1 ||
        !memchr("<>=|", m->data[order->first], 4) || item(m, first + 2)->kind != OF_NONE ||
        item(m, first + 3)->kind != OF_NONE || item(m, first + 4)->kind != OF_NONE ||
        !is_integer(item(m, first + 5), -1) || !is_integer(item(m, first + 6), -1) ||
        !is_integer(item(m, first + 7), 0))
        return 0;
    dtype->order = m->data[order->first];
    return 1;
}

/* The state of an array: (1, shape, dtype, whether in Fortran order, bytes). */
static int build_array(pickle_machine *m, pickle_node *array, const pickle_node *state) {
    if (array->count || state->kind != OF_TUPLE || state->count != 5)
        return 0;
    uint32_t first = state->first;
    unsigned fortran = item(m, first + 3)->kind;
    if (!is_integer(item(m, first), 1) || (fortran != OF_FALSE && fortran != OF_TRUE) ||
        item(m, first + 4)->kind != OF_BYTES)
        return 0;
    array->first = first, array->count = 5;
    return 1;
}

/* BUILD; the state of an OrderedDict holds nothing of its content. */
static int build(pickle_machine *m) {
    const pickle_node *state = top(m, 0);
    pickle_node *target = top(m, 1);
    if (!target)
        return 0;
    m->height--;
    switch (target->kind) {
    case OF_ARRAY: return build_array(m, target, state);
    case OF_DTYPE: return build_dtype(m, target, state);
    default: return target->kind == OF_DICT;
    }
}

#endif
