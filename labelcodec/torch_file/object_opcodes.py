"""Pickle opcodes that name and make objects: only the stand-ins in `globals` are made."""

from __future__ import annotations

from labelcodec.errors import UnsafeError
from labelcodec.torch_file.descriptions import (
    Function,
    Name,
    Opaque,
    SavedArray,
    SavedDtype,
    SavedStorage,
)
from labelcodec.torch_file.globals import GLOBALS, build_array, build_dtype, refuse
from labelcodec.torch_file.limits import MAX_NAME
from labelcodec.torch_file.machine import Machine

_BY_LINES = {f"{module}\n{name}".encode(): known for (module, name), known in GLOBALS.items()}


def named_by_lines(machine: Machine) -> None:
    """GLOBAL: push the stand-in of a global, whose names are two lines."""
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


def named_by_stack(machine: Machine) -> None:
    """STACK_GLOBAL: push the stand-in of a global, whose names are on the stack."""
    name = machine.stack.pop()
    module = machine.stack.pop()
    if type(module) is not str or type(name) is not str:
        raise TypeError
    stand_in = GLOBALS.get((module, name))
    machine.stack.append(_unnamed(machine, module, name) if stand_in is None else stand_in)


def _unnamed(machine: Machine, module: str, name: str) -> Opaque:
    """What stands in for a global that is not in the list."""
    shown = ascii(f"{module}.{name}"[:MAX_NAME])[1:-1]
    if not machine.opaque:
        refuse(f"names {shown}")
    return Opaque(shown)


def call(machine: Machine) -> None:
    """REDUCE: call a stand-in."""
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


def new_object(machine: Machine) -> None:
    """NEWOBJ: an object of a class; no class has a stand-in."""
    if not machine.opaque:
        unknown(machine)
    machine.stack.pop()
    if type(machine.stack[-1]) is not Opaque:
        raise TypeError


def set_state(machine: Machine) -> None:
    """BUILD: set the state of an array or a dtype."""
    state = machine.stack.pop()
    target = machine.stack[-1]
    if type(target) is SavedArray:
        build_array(target, state)
    elif type(target) is SavedDtype:
        build_dtype(target, state)
    # the state of an OrderedDict holds nothing of its content
    elif type(target) is not dict and type(target) is not Opaque:
        refuse("sets the state of something else than an array")


def storage(machine: Machine) -> None:
    """BINPERSID: push a storage.

    Its id is ('storage', type, key, location, number of values[, view]); the location is ignored.
    """
    saved = machine.stack.pop()
    if type(saved) is not tuple or len(saved) not in (5, 6) or saved[5:] not in ((), (None,)):
        refuse("has a persistent id of unknown form")
    tag, kind, key, _, numel = saved[:5]
    if tag != "storage" or type(kind) is not Name or kind.kind != "storage":
        refuse("has a persistent id of unknown form")
    machine.storages.append(SavedStorage(kind.dtype, key, numel))
    machine.stack.append(machine.storages[-1])


def unknown(machine: Machine) -> None:
    """Refuse an opcode that labels do not need."""
    code = machine.data[machine.at - 1]
    raise UnsafeError(f"refused, its pickle has the opcode 0x{code:02x}, which labels do not need")
