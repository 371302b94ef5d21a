"""Interpreter of the pickle opcodes of protocols 2 to 5 that torch.save writes for labels.

It makes lists, tuples, dicts, numbers, text, bytes and `descriptions`, and calls nothing but the
stand-ins in `globals`. Opcodes: Lib/pickletools.py of CPython.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from labelcodec.errors import DumpError, UnsafeError
from labelcodec.formats.torch_file.descriptions import (
    Function,
    Name,
    Opaque,
    SavedArray,
    SavedDtype,
    SavedStorage,
)
from labelcodec.formats.torch_file.globals import GLOBALS, build_array, build_dtype, refuse
from labelcodec.formats.torch_file.limits import MAX_INTEGER, MAX_NAME, MAX_OPCODES

_STOP, _PUT, _GET, _BYTE, _MARK, _TUPLE2 = b".qhK(\x86"
_PROTOCOLS = range(2, 6)
_INT32, _FLOAT64 = struct.Struct("<i"), struct.Struct(">d")
_BY_LINES = {f"{module}\n{name}".encode(): known for (module, name), known in GLOBALS.items()}
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
    machine = _Machine(data, start, opaque)
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


class _Machine:
    """State of the interpreter: position, stack, marks (heights of the stack) and memo."""

    __slots__ = ("at", "data", "marks", "memo", "opaque", "stack", "storages", "unspent")

    def __init__(self, data: bytes, at: int, opaque: bool) -> None:
        self.data = data
        self.opaque = opaque
        self.at = at
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        self.storages: list[SavedStorage] = []
        self.unspent = len(data) - at

    def spend(self, count: int) -> None:
        """As `Allowance.spend`: text is encoded once each, so that all of it fits the pickle."""
        self.unspent -= count
        if self.unspent < 0:
            refuse("makes more bytes of its text than it has")

    def take(self, count: int) -> bytes:
        """The next `count` bytes."""
        start = self.at
        self.at = start + count
        if self.at > len(self.data):
            raise IndexError
        return self.data[start : self.at]

    def length(self, width: int) -> int:
        """The next `width` bytes, as an unsigned number."""
        start = self.at
        self.at = end = start + width
        if end > len(self.data):
            raise IndexError
        return int.from_bytes(self.data[start:end], "little")

    def items(self) -> list[Any]:
        """What was pushed since the last mark, taken off the stack."""
        mark = self.marks.pop()
        stack = self.stack
        items = stack[mark:]
        del stack[mark:]
        return items


Opcode = Callable[[_Machine], None]


def _constant(value: Any) -> Opcode:
    def push(machine: _Machine) -> None:
        machine.stack.append(value)

    return push


def _text(width: int) -> Opcode:
    def push(machine: _Machine) -> None:
        start = machine.at + width
        end = start + from_bytes(machine.data[machine.at : start], "little")
        if end > len(machine.data):
            raise IndexError
        machine.stack.append(str(machine.data[start:end], "utf-8", "surrogatepass"))
        machine.at = end

    from_bytes = int.from_bytes
    return push


def _bytes(width: int) -> Opcode:
    def push(machine: _Machine) -> None:
        machine.stack.append(machine.take(machine.length(width)))

    return push


def _unsigned(width: int) -> Opcode:
    def push(machine: _Machine) -> None:
        machine.stack.append(machine.length(width))

    return push


def _put(width: int) -> Opcode:
    def put(machine: _Machine) -> None:
        machine.memo[machine.length(width)] = machine.stack[-1]

    return put


def _get(width: int) -> Opcode:
    def get(machine: _Machine) -> None:
        machine.stack.append(machine.memo[machine.length(width)])

    return get


def _last(count: int) -> Opcode:
    """TUPLE1 and TUPLE3."""

    def push(machine: _Machine) -> None:
        stack = machine.stack
        if len(stack) < count:
            raise IndexError
        stack[-count:] = [tuple(stack[-count:])]

    return push


def _memoize(machine: _Machine) -> None:
    machine.memo[len(machine.memo)] = machine.stack[-1]


def _protocol(machine: _Machine) -> None:
    protocol = machine.length(1)
    if protocol not in _PROTOCOLS:
        raise DumpError(
            f"written with pickle protocol {protocol}; this version reads protocols 2 to 5. "
            "Load it where it was written and save it again with torch.save."
        )


def _frame(machine: _Machine) -> None:
    if machine.length(8) > len(machine.data) - machine.at:
        raise IndexError


def _pop(machine: _Machine) -> None:
    machine.stack.pop()


def _pop_mark(machine: _Machine) -> None:
    machine.items()


def _int32(machine: _Machine) -> None:
    machine.stack.append(_INT32.unpack(machine.take(4))[0])


def _float64(machine: _Machine) -> None:
    machine.stack.append(_FLOAT64.unpack(machine.take(8))[0])


def _long(machine: _Machine) -> None:
    size = machine.length(1)
    if size > MAX_INTEGER:
        refuse(f"has an integer of {size} bytes")
    machine.stack.append(int.from_bytes(machine.take(size), "little", signed=True))


def _empty_list(machine: _Machine) -> None:
    machine.stack.append([])


def _empty_dict(machine: _Machine) -> None:
    machine.stack.append({})


def _tuple(machine: _Machine) -> None:
    machine.stack.append(tuple(machine.items()))


def _append(machine: _Machine) -> None:
    value = machine.stack.pop()
    _extend(machine.stack[-1], [value])


def _appends(machine: _Machine) -> None:
    items = machine.items()
    _extend(machine.stack[-1], items)


def _extend(target: Any, items: list[Any]) -> None:
    if type(target) is list:
        target.extend(items)
    elif type(target) is not Opaque:
        raise TypeError


def _set_item(machine: _Machine) -> None:
    value = machine.stack.pop()
    key = machine.stack.pop()
    _fill(machine.stack[-1], [key, value])


def _set_items(machine: _Machine) -> None:
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


def _global(machine: _Machine) -> None:
    start, data = machine.at, machine.data
    middle = data.find(b"\n", start, start + MAX_NAME)
    end = data.find(b"\n", middle + 1, middle + 1 + MAX_NAME)
    if middle < 0 or end < 0:
        raise IndexError
    machine.at = end + 1
    stand_in: Function | Name | Opaque | None = _BY_LINES.get(data[start:end])
    if stand_in is None:
        stand_in = _unnamed(machine, data[start:middle].decode(), data[middle + 1 : end].decode())
    machine.stack.append(stand_in)


def _stack_global(machine: _Machine) -> None:
    name = machine.stack.pop()
    module = machine.stack.pop()
    if type(module) is not str or type(name) is not str:
        raise TypeError
    stand_in = GLOBALS.get((module, name))
    machine.stack.append(_unnamed(machine, module, name) if stand_in is None else stand_in)


def _unnamed(machine: _Machine, module: str, name: str) -> Opaque:
    """What stands in for a global that is not in the list."""
    shown = ascii(f"{module}.{name}"[:MAX_NAME])[1:-1]
    if not machine.opaque:
        refuse(f"names {shown}")
    return Opaque(shown)


def _reduce(machine: _Machine) -> None:
    args = machine.stack.pop()
    function = machine.stack[-1]
    if type(function) is Opaque:
        return
    if type(function) is not Function or type(args) is not tuple:
        refuse("calls something that is not a function")
    try:
        machine.stack[-1] = function.call(args, machine)
    except (ValueError, IndexError):
        refuse(f"calls {function.name} with other arguments than torch.save writes")


def _new_object(machine: _Machine) -> None:
    """NEWOBJ: an object of a class; no class has a stand-in."""
    if not machine.opaque:
        _unknown(machine)
    machine.stack.pop()
    if type(machine.stack[-1]) is not Opaque:
        raise TypeError


def _build(machine: _Machine) -> None:
    state = machine.stack.pop()
    target = machine.stack[-1]
    if type(target) is SavedArray:
        build_array(target, state)
    elif type(target) is SavedDtype:
        build_dtype(target, state)
    # the state of an OrderedDict holds nothing of its content
    elif type(target) is not dict and type(target) is not Opaque:
        refuse("sets the state of something else than an array")


def _persistent(machine: _Machine) -> None:
    """('storage', type, key, location, number of values[, view]); the location is ignored."""
    saved = machine.stack.pop()
    if type(saved) is not tuple or len(saved) not in (5, 6) or saved[5:] not in ((), (None,)):
        refuse("has a persistent id of unknown form")
    tag, kind, key, _, numel = saved[:5]
    if tag != "storage" or type(kind) is not Name or kind.kind != "storage":
        refuse("has a persistent id of unknown form")
    storage = SavedStorage(kind.dtype, key, numel)
    machine.storages.append(storage)
    machine.stack.append(storage)


def _unknown(machine: _Machine) -> None:
    code = machine.data[machine.at - 1]
    raise UnsafeError(f"refused, its pickle has the opcode 0x{code:02x}, which labels do not need")


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
    ord("c"): _global,
    0x93: _stack_global,
    ord("R"): _reduce,
    0x81: _new_object,
    ord("b"): _build,
    ord("Q"): _persistent,
    ord("r"): _put(4),
    0x94: _memoize,
    ord("j"): _get(4),
    0x80: _protocol,
    0x95: _frame,
}
_OPCODES = [_KNOWN.get(code, _unknown) for code in range(256)]
