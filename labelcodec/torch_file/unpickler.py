"""Interpreter of the pickle opcodes of protocols 2 to 5 that torch.save writes for labels.

It makes lists, tuples, dicts, numbers, text, bytes and `descriptions`, and calls nothing but the
stand-ins in `globals`. Opcodes: Lib/pickletools.py of CPython.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

from labelcodec.errors import DumpError, UnsafeError
from labelcodec.torch_file.descriptions import Opaque, SavedStorage
from labelcodec.torch_file.globals import refuse
from labelcodec.torch_file.limits import MAX_INTEGER, MAX_OPCODES
from labelcodec.torch_file.machine import Machine, Opcode
from labelcodec.torch_file.object_opcodes import (
    call,
    named_by_lines,
    named_by_stack,
    new_object,
    set_state,
    storage,
    unknown,
)

_STOP, _PUT, _GET, _BYTE, _MARK, _TUPLE2 = b".qhK(\x86"
_PROTOCOLS = range(2, 6)
_INT32, _FLOAT64 = struct.Struct("<i"), struct.Struct(">d")
_DAMAGED = (IndexError, KeyError, TypeError, ValueError, struct.error)


@dataclass(frozen=True, slots=True)
class Unpickled:
    """An interpreted pickle.

    Attributes:
        value: what it holds; tensors and arrays are described.
        end: position of the first byte after it.
        storages: the storages that it names, in its order.
    """

    value: Any
    end: int
    storages: list[SavedStorage]


def unpickle(data: bytes, start: int = 0, opaque: bool = False) -> Unpickled:
    """Interpret one pickle.

    Args:
        data: bytes that hold it.
        start: position of its first byte.
        opaque: whether what it makes of other globals is an `Opaque`; else they are refused.

    Raises:
        UnsafeError: it names or does something that labels do not need.
        DumpError: it is damaged or ends early.
    """
    machine = Machine(data, start, opaque)
    opcodes, stack, marks, memo = _OPCODES, machine.stack, machine.marks, machine.memo
    at = start
    try:
        for _ in range(MAX_OPCODES):
            code = data[at]
            if code == _PUT:  # the most frequent opcodes, without a call
                memo[data[at + 1]] = stack[-1]
                at += 2
            elif code == _GET:
                stack.append(memo[data[at + 1]])
                at += 2
            elif code == _BYTE:
                stack.append(data[at + 1])
                at += 2
            elif code == _STOP:
                return Unpickled(stack.pop(), at + 1, machine.storages)
            elif code == _MARK:
                marks.append(len(stack))
                at += 1
            elif code == _TUPLE2:
                second = stack.pop()
                stack[-1] = (stack[-1], second)
                at += 1
            else:
                machine.at = at + 1
                opcodes[code](machine)
                at = machine.at
    except _DAMAGED as error:
        raise DumpError(f"damaged: its pickle breaks off at byte {machine.at}") from error
    raise UnsafeError(f"refused, its pickle has more than {MAX_OPCODES} opcodes")


def _constant(value: Any) -> Opcode:
    def push(machine: Machine) -> None:
        machine.stack.append(value)

    return push


def _text(width: int) -> Opcode:
    def push(machine: Machine) -> None:
        start = machine.at + width
        end = start + from_bytes(machine.data[machine.at : start], "little")
        if end > len(machine.data):
            raise IndexError
        machine.stack.append(str(machine.data[start:end], "utf-8", "surrogatepass"))
        machine.at = end

    from_bytes = int.from_bytes
    return push


def _bytes(width: int) -> Opcode:
    def push(machine: Machine) -> None:
        machine.stack.append(machine.take(machine.length(width)))

    return push


def _unsigned(width: int) -> Opcode:
    def push(machine: Machine) -> None:
        machine.stack.append(machine.length(width))

    return push


def _put(width: int) -> Opcode:
    def put(machine: Machine) -> None:
        machine.memo[machine.length(width)] = machine.stack[-1]

    return put


def _get(width: int) -> Opcode:
    def get(machine: Machine) -> None:
        machine.stack.append(machine.memo[machine.length(width)])

    return get


def _last(count: int) -> Opcode:
    """TUPLE1 and TUPLE3."""

    def push(machine: Machine) -> None:
        stack = machine.stack
        if len(stack) < count:
            raise IndexError
        stack[-count:] = [tuple(stack[-count:])]

    return push


def _memoize(machine: Machine) -> None:
    machine.memo[len(machine.memo)] = machine.stack[-1]


def _protocol(machine: Machine) -> None:
    protocol = machine.length(1)
    if protocol not in _PROTOCOLS:
        raise DumpError(
            f"written with pickle protocol {protocol}; this version reads protocols 2 to 5. "
            "Load it where it was written and save it again with torch.save."
        )


def _frame(machine: Machine) -> None:
    if machine.length(8) > len(machine.data) - machine.at:
        raise IndexError


def _pop(machine: Machine) -> None:
    machine.stack.pop()


def _pop_mark(machine: Machine) -> None:
    machine.items()


def _int32(machine: Machine) -> None:
    machine.stack.append(_INT32.unpack(machine.take(4))[0])


def _float64(machine: Machine) -> None:
    machine.stack.append(_FLOAT64.unpack(machine.take(8))[0])


def _long(machine: Machine) -> None:
    size = machine.length(1)
    if size > MAX_INTEGER:
        refuse(f"has an integer of {size} bytes")
    machine.stack.append(int.from_bytes(machine.take(size), "little", signed=True))


def _empty_list(machine: Machine) -> None:
    machine.stack.append([])


def _empty_dict(machine: Machine) -> None:
    machine.stack.append({})


def _tuple(machine: Machine) -> None:
    machine.stack.append(tuple(machine.items()))


def _append(machine: Machine) -> None:
    value = machine.stack.pop()
    _extend(machine.stack[-1], [value])


def _appends(machine: Machine) -> None:
    items = machine.items()
    _extend(machine.stack[-1], items)


def _extend(target: Any, items: list[Any]) -> None:
    if type(target) is list:
        target.extend(items)
    elif type(target) is not Opaque:
        raise TypeError


def _set_item(machine: Machine) -> None:
    value = machine.stack.pop()
    key = machine.stack.pop()
    _fill(machine.stack[-1], [key, value])


def _set_items(machine: Machine) -> None:
    items = machine.items()
    _fill(machine.stack[-1], items)


def _fill(target: Any, items: list[Any]) -> None:
    if type(target) is Opaque:
        return
    if type(target) is not dict:
        raise TypeError
    for key, value in zip(items[::2], items[1::2], strict=True):
        if type(key) not in (str, int):  # hashing others can be made slow, or overflow the stack
            refuse(f"has a {type(key).__name__} as the key of a dict")
        target[key] = value


_KNOWN: dict[int, Opcode] = {
    ord("0"): _pop,
    ord("1"): _pop_mark,
    ord("N"): _constant(None),
    0x88: _constant(True),
    0x89: _constant(False),
    ord("M"): _unsigned(2),
    ord("J"): _int32,
    0x8A: _long,
    ord("G"): _float64,
    ord("U"): _text(1),  # text of Python 2
    ord("X"): _text(4),
    0x8C: _text(1),
    0x8D: _text(8),
    ord("C"): _bytes(1),
    ord("B"): _bytes(4),
    0x8E: _bytes(8),
    0x96: _bytes(8),  # a bytearray, which nobody writes to
    ord("]"): _empty_list,
    ord("a"): _append,
    ord("e"): _appends,
    ord(")"): _constant(()),
    0x85: _last(1),
    0x87: _last(3),
    ord("t"): _tuple,
    ord("}"): _empty_dict,
    ord("s"): _set_item,
    ord("u"): _set_items,
    ord("c"): named_by_lines,
    0x93: named_by_stack,
    ord("R"): call,
    0x81: new_object,
    ord("b"): set_state,
    ord("Q"): storage,
    ord("r"): _put(4),
    0x94: _memoize,
    ord("j"): _get(4),
    0x80: _protocol,
    0x95: _frame,
}
_OPCODES = [_KNOWN.get(code, unknown) for code in range(256)]
