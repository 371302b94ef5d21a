# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""A reader of label files in one pass over their bytes, compiled from the C headers beside this file.

It reads what it is sure of: an archive of stored members around a pickle of protocol 2, with the
opcodes, globals and values that label files hold. At anything else it stops, an error or a limit
included, and `reference` reads the file from the start: results and messages are its own.
"""

import zlib

import numpy as np

from cpython.bytes cimport PyBytes_AsString, PyBytes_FromStringAndSize
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free

from labelcodec.torch_file import limits, reference
from labelcodec.torch_file.descriptions import Name
from labelcodec.torch_file.globals import GLOBALS, NUMPY_DTYPES
from labelcodec.torch_file.tensor import Tensor
from labelcodec.torch_file.values import numpy_dtype

cdef extern from "labelcodec/torch_file/crc32.h" nogil:
    void crc32_start()
    int crc32_can_fold()
    uint32_t crc32_of(const uint8_t *, size_t)

cdef extern from "labelcodec/torch_file/archive.h" nogil:
    ctypedef struct archive_member:
        uint64_t start, size
        uint32_t crc
        int is_sound
    ctypedef struct torch_archive:
        const uint8_t *data
        archive_member *members
    int archive_open(torch_archive *, const uint8_t *, size_t)
    archive_member *member_of(torch_archive *, const char *, const uint8_t *, size_t)

cdef extern from "labelcodec/torch_file/unpickler.h" nogil:
    enum:
        OF_NONE, OF_FALSE, OF_TRUE, OF_INTEGER, OF_REAL, OF_TEXT, OF_BYTES, OF_TUPLE, OF_LIST
        OF_DICT, OF_TENSOR, OF_DTYPE, OF_ARRAY, OF_SCALAR
        A_TENSOR, AN_ORDERED_DICT, A_DTYPE, A_NEW_ARRAY, A_SCALAR, AN_ENCODING, A_STORAGE
        AN_ARRAY_CLASS, A_CODE
    ctypedef struct known_name:
        const char *text
        size_t size
        uint8_t role, dtype
    ctypedef struct pickle_node:
        uint8_t kind, dtype, order
        uint32_t count, first, size, last
        int64_t integer
        double real
    ctypedef struct pickle_machine:
        const uint8_t *data
        pickle_node *nodes
        uint32_t *items
    size_t machine_room(size_t)
    void machine_open(
        pickle_machine *, const uint8_t *, size_t, const known_name *, size_t, void *
    )
    uint32_t machine_run(pickle_machine *)
    pickle_node *item(const pickle_machine *, uint32_t)

cdef extern from "labelcodec/torch_file/views.h" nogil:
    enum:
        MOST_AXES
    ctypedef struct tensor_view:
        const pickle_node *key
        int64_t stored, start
        uint32_t axes
        int64_t *length
        int64_t *stride
    int view_of(const pickle_machine *, const pickle_node *, tensor_view *)
    int shape_of(const pickle_machine *, const pickle_node *, uint64_t, uint64_t, int64_t *)

cdef struct reading:
    torch_archive archive
    pickle_machine machine
    int64_t values_left, arrays_left

cdef enum:
    MOST_NAMES = 128
    FREELY = 1 << 15  # bytes from which on a checksum lets other threads run

cdef int64_t MAX_VALUES = limits.MAX_VALUES, MAX_ARRAYS = limits.MAX_ARRAYS
cdef int MAX_DEPTH = limits.MAX_DEPTH
# A pickle has at most as many opcodes as bytes.
cdef uint64_t LARGEST_PICKLE = min(limits.MAX_PICKLE, limits.MAX_OPCODES)

ROLES = {
    "_rebuild_tensor": A_TENSOR,
    "_rebuild_tensor_v2": A_TENSOR,
    "OrderedDict": AN_ORDERED_DICT,
    "dtype": A_DTYPE,
    "_reconstruct": A_NEW_ARRAY,
    "scalar": A_SCALAR,
    "encode": AN_ENCODING,
}

cdef known_name NAMES[MOST_NAMES]
cdef size_t names_count = 0
cdef list TEXTS = []  # of the names, which point into them
cdef list DTYPES = []  # names, by their number
cdef list OF_TENSORS = []  # numpy dtypes of tensors' values, by the same number
cdef size_t WIDTHS[MOST_NAMES]

cdef object ndarray = np.ndarray

crc32_start()
FOLDS = bool(crc32_can_fold())  # else zlib computes the checksums


class Declined(Exception):
    """The file is not one that is read here."""


cdef void add_name(bytes text, int role, str dtype) except *:
    """Add a global or a code of a dtype to the names that are known."""
    global names_count
    cdef known_name *name = &NAMES[names_count]
    if names_count == MOST_NAMES:
        raise ValueError("more names than there is room for")
    TEXTS.append(text)
    name.text, name.size, name.role = text, len(text), role
    if dtype is not None:
        name.dtype = DTYPES.index(dtype)
    names_count += 1


cdef void add_names() except *:
    """Fill the tables out of `globals`: the list of names is closed there."""
    cdef size_t number
    for known in GLOBALS.values():
        if type(known) is Name and known.kind == "storage" and known.dtype is not None:
            DTYPES.append(known.dtype)
    DTYPES.extend(NUMPY_DTYPES)
    for number, dtype in enumerate(DTYPES):
        OF_TENSORS.append(numpy_dtype(dtype, "<"))
        WIDTHS[number] = OF_TENSORS[number].itemsize
    for (module, name), known in GLOBALS.items():
        text = f"{module}\n{name}".encode()
        if type(known) is not Name:
            if name in ROLES:
                add_name(text, ROLES[name], None)
        elif known.kind == "ndarray":
            add_name(text, AN_ARRAY_CLASS, None)
        elif known.kind == "storage" and known.dtype is not None:
            add_name(text, A_STORAGE, known.dtype)
    for code in NUMPY_DTYPES:
        add_name(code.encode(), A_CODE, code)


add_names()


def read_archive(data, bint opaque=False):
    """As `reference.read_archive`."""
    if type(data) is bytes and not opaque:
        try:
            return read_plainly(data)
        except Declined:
            pass
    return reference.read_archive(data, opaque)


cdef object read_plainly(bytes data):
    """What the file holds.

    Raises:
        Declined: it must be read elsewhere.
    """
    cdef reading r
    cdef uint32_t root
    cdef archive_member *pickle
    cdef void *room
    cdef const uint8_t *raw = <const uint8_t *>PyBytes_AsString(data)
    if not archive_open(&r.archive, raw, len(data)):
        raise Declined
    pickle = sound_member(&r.archive, b"data.pkl", b"", 0, data)
    check_order(&r.archive, data)
    if pickle.size > LARGEST_PICKLE:
        raise Declined
    room = calloc(machine_room(pickle.size), 1)
    if room == NULL:
        raise MemoryError
    try:
        machine_open(&r.machine, raw + pickle.start, pickle.size, NAMES, names_count, room)
        root = machine_run(&r.machine)
        if not root:
            raise Declined
        r.values_left, r.arrays_left = MAX_VALUES, MAX_ARRAYS
        return value_of(&r, root, 0, data, {})
    finally:
        free(room)


cdef archive_member *sound_member(
    torch_archive *archive, const char *room, const uint8_t *key, size_t size, bytes data
) except NULL:
    """The member of a name, whose checksum is right."""
    cdef archive_member *member = member_of(archive, room, key, size)
    cdef const uint8_t *content
    cdef uint32_t crc
    if member == NULL:
        raise Declined
    if not member.is_sound:
        content = archive.data + member.start
        if not FOLDS:
            crc = zlib.crc32(memoryview(data)[member.start : member.start + member.size])
        elif member.size < FREELY:
            crc = crc32_of(content, member.size)
        else:
            with nogil:
                crc = crc32_of(content, member.size)
        if crc != member.crc:
            raise Declined
        member.is_sound = 1
    return member


cdef archive_member *content_of(
    torch_archive *archive, pickle_node *storage, const uint8_t *key, size_t size, bytes data
) except NULL:
    """The member of a storage's values; `count` of its node keeps which, and 1 more."""
    cdef archive_member *member
    if storage.count:
        return &archive.members[storage.count - 1]
    member = sound_member(archive, b"data/", key, size, data)
    storage.count = <uint32_t>(member - archive.members) + 1
    return member


cdef void check_order(torch_archive *archive, bytes data) except *:
    """Decline a file whose values are not little-endian."""
    cdef archive_member *order
    if member_of(archive, b"byteorder", b"", 0) != NULL:
        order = sound_member(archive, b"byteorder", b"", 0, data)
        if data[order.start : order.start + order.size] != b"little":
            raise Declined


cdef object value_of(reading *r, uint32_t at, int depth, bytes data, dict made):
    """The value that a node stands for.

    `made` holds the text and bytes that were made: many nodes may share one.
    """
    cdef pickle_node *node = r.machine.nodes + at
    cdef int kind = node.kind
    if kind == OF_TENSOR:
        return tensor(r, node, data)
    if kind == OF_INTEGER:
        return node.integer
    if kind == OF_REAL:
        return node.real
    if kind == OF_NONE:
        return None
    if kind == OF_FALSE or kind == OF_TRUE:
        return kind == OF_TRUE
    if kind == OF_TUPLE:
        return tuple_of(r, node, depth, data, made)
    if kind == OF_LIST:
        return list_of(r, node, depth, data, made)
    if kind == OF_DICT:
        return dict_of(r, node, depth, data, made)
    if kind == OF_TEXT or kind == OF_BYTES:
        return string_of(r, at, made)
    if kind == OF_ARRAY:
        return array(r, node, made)
    if kind == OF_SCALAR:
        return scalar(r, node, made)
    raise Declined


cdef void enter(reading *r, uint64_t count, int depth) except *:
    """Count the values of a list, tuple or dict, at least as strictly as `values` does."""
    r.values_left -= <int64_t>count + 1
    if r.values_left < 0 or depth == MAX_DEPTH:
        raise Declined


cdef tuple tuple_of(reading *r, pickle_node *node, int depth, bytes data, dict made):
    cdef uint32_t i
    cdef object values
    enter(r, node.count, depth)
    values = [
        value_of(r, r.machine.items[node.first + i], depth + 1, data, made)
        for i in range(node.count)
    ]
    return tuple(values)


cdef list list_of(reading *r, pickle_node *node, int depth, bytes data, dict made):
    cdef uint32_t part = node.first, i
    cdef pickle_node *items
    cdef list values = []
    enter(r, 0, depth)
    while part:
        items = r.machine.nodes + part
        enter(r, items.count, depth)
        for i in range(items.count):
            values.append(value_of(r, r.machine.items[items.first + i], depth + 1, data, made))
        part = items.last
    return values


cdef dict dict_of(reading *r, pickle_node *node, int depth, bytes data, dict made):
    cdef uint32_t part = node.first, i, key
    cdef pickle_node *items
    cdef dict values = {}
    enter(r, 0, depth)
    while part:
        items = r.machine.nodes + part
        enter(r, items.count, depth)
        for i in range(0, items.count, 2):
            key = r.machine.items[items.first + i]
            values[value_of(r, key, depth + 1, data, made)] = value_of(
                r, r.machine.items[items.first + i + 1], depth + 1, data, made
            )
        part = items.last
    return values


cdef object string_of(reading *r, uint32_t at, dict made):
    """Text, or the bytes that stand in text."""
    cdef pickle_node *node = r.machine.nodes + at
    cdef const uint8_t *text = r.machine.data + node.first
    cdef object value = made.get(at)
    cdef uint8_t *out
    cdef uint32_t i = 0
    if value is None:
        if node.kind == OF_TEXT:
            value = (<const char *>text)[: node.size].decode("utf-8")
        else:
            value = PyBytes_FromStringAndSize(NULL, node.count)
            out = <uint8_t *>PyBytes_AsString(value)
            while i < node.size:
                if text[i] >= 0x80:
                    out[0] = <uint8_t>(text[i] << 6 | (text[i + 1] & 0x3F))
                    i += 1
                else:
                    out[0] = text[i]
                out += 1
                i += 1
        made[at] = value
    return value


cdef void count_array(reading *r) except *:
    r.arrays_left -= 1
    if r.arrays_left < 0:
        raise Declined


cdef tuple integers(const int64_t *numbers, uint32_t count):
    cdef uint32_t i
    return tuple([numbers[i] for i in range(count)])


cdef object tensor(reading *r, pickle_node *node, bytes data):
    """A tensor: a view of the file's bytes."""
    cdef pickle_node *storage = item(&r.machine, node.first)
    cdef int dtype = storage.dtype
    cdef int64_t width = WIDTHS[dtype]
    cdef tensor_view view
    cdef archive_member *content
    cdef uint32_t axis
    count_array(r)
    if not view_of(&r.machine, node, &view):
        raise Declined
    content = content_of(&r.archive, storage, r.machine.data + view.key.first, view.key.size, data)
    if <uint64_t>(view.stored * width) > content.size:
        raise Declined
    for axis in range(view.axes):
        view.stride[axis] = view.stride[axis] * width if view.length[axis] > 1 else width
    return Tensor(
        DTYPES[dtype],
        ndarray(
            integers(view.length, view.axes), OF_TENSORS[dtype], data,
            content.start + view.start * width, integers(view.stride, view.axes),
        ),
    )


cdef object dtype_of(pickle_node *node):
    if node.kind != OF_DTYPE:
        raise Declined
    return numpy_dtype(DTYPES[node.dtype], chr(node.order))


cdef object array(reading *r, pickle_node *node, dict made):
    """A numpy array: a view of the bytes in the pickle."""
    cdef int64_t[32] lengths
    cdef pickle_node *shape
    cdef pickle_node *content
    count_array(r)
    if not node.count:
        raise Declined
    shape, content = item(&r.machine, node.first + 1), item(&r.machine, node.first + 4)
    dtype = dtype_of(item(&r.machine, node.first + 2))
    if not shape_of(&r.machine, shape, dtype.itemsize, content.count, lengths):
        raise Declined
    order = "F" if item(&r.machine, node.first + 3).kind == OF_TRUE else "C"
    values = string_of(r, r.machine.items[node.first + 4], made)
    return ndarray(integers(lengths, shape.count), dtype, values, 0, None, order)


cdef object scalar(reading *r, pickle_node *node, dict made):
    """A numpy scalar."""
    cdef pickle_node *content = item(&r.machine, node.first + 1)
    count_array(r)
    dtype = dtype_of(item(&r.machine, node.first))
    if content.kind != OF_BYTES or content.count != dtype.itemsize:
        raise Declined
    return ndarray((), dtype, string_of(r, r.machine.items[node.first + 1], made))[()]
