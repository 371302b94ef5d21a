/* Shapes of tensors and arrays, checked as in `values`: nothing is larger than what it is made of. */
#ifndef LABELCODEC_TORCH_VIEWS_H
#define LABELCODEC_TORCH_VIEWS_H

#include "labelcodec/torch_file/machine.h"

enum { MOST_AXES = 32 };
#define LARGEST ((int64_t)1 << 31) /* of a length, stride or offset in values: no product overflows */

typedef struct {
    const pickle_node *key; /* name of the storage */
    int64_t stored, start; /* values of the storage, and the first of the view */
    uint32_t axes;
    int64_t length[MOST_AXES], stride[MOST_AXES];
} tensor_view;

INLINED int is_small(const pickle_node *node) {
    return node->kind == OF_INTEGER && node->integer >= 0 && node->integer < LARGEST;
}

/* Read a tuple of lengths or strides; whether there are not too many, and all are small. */
static int numbers_of(const pickle_machine *m, const pickle_node *tuple, int64_t *numbers) {
    if (tuple->kind != OF_TUPLE || tuple->count > MOST_AXES)
        return 0;
    for (uint32_t axis = 0; axis < tuple->count; axis++) {
        const pickle_node *number = item(m, tuple->first + axis);
        if (!is_small(number))
            return 0;
        numbers[axis] = number->integer;
    }
    return 1;
}

/* Distance from the first to the last value; -1 if two are in one place, or there are none. */
static int64_t reach_of(const tensor_view *view) {
    int64_t reach = 0;
    uint32_t order[MOST_AXES], longer = 0; /* axes of more than one value, by stride */
    for (uint32_t axis = 0; axis < view->axes; axis++) {
        if (!view->length[axis])
            return -1;
        if (view->length[axis] == 1)
            continue;
        uint32_t place = longer++;
        for (; place && view->stride[order[place - 1]] > view->stride[axis]; place--)
            order[place] = order[place - 1];
        order[place] = axis;
    }
    for (uint32_t i = 0; i < longer; i++) {
        if (view->stride[order[i]] <= reach)
            return -1;
        reach += (view->length[order[i]] - 1) * view->stride[order[i]];
    }
    return reach;
}

/* Read a tensor node; whether its view lies within its storage and has values. */
static int view_of(const pickle_machine *m, const pickle_node *tensor, tensor_view *view) {
    const pickle_node *storage = item(m, tensor->first), *start = item(m, tensor->first + 1);
    const pickle_node *lengths = item(m, tensor->first + 2), *strides = item(m, tensor->first + 3);
    const pickle_node *stored = item(m, storage->first + 4);
    if (!is_small(start) || !is_small(stored) || !numbers_of(m, lengths, view->length) ||
        !numbers_of(m, strides, view->stride) || lengths->count != strides->count)
        return 0;
    view->key = item(m, storage->first + 2);
    view->stored = stored->integer, view->start = start->integer, view->axes = lengths->count;
    int64_t reach = reach_of(view);
    return reach >= 0 && view->start + reach < view->stored;
}

/* Read the shape of an array of `size` bytes, of `width` each; whether it is right, and not 0. */
static int shape_of(const pickle_machine *m, const pickle_node *shape, uint64_t width,
                    uint64_t size, int64_t *lengths) {
    uint64_t values = 1;
    if (!numbers_of(m, shape, lengths))
        return 0;
    for (uint32_t axis = 0; axis < shape->count; axis++) {
        values *= (uint64_t)lengths[axis];
        if (!values || values > (uint64_t)LARGEST)
            return 0;
    }
    return values * width == size;
}

#endif
