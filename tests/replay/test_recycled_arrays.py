"""Memory is used again once nobody refers to it, and not before."""

from __future__ import annotations

import pickle
import threading

import numpy as np
import torch

from labelcodec.replay.recycled_arrays import KEPT, RecycledArrays


def address(array: np.ndarray) -> int:
    return array.ctypes.data


def test_memory_is_used_again_when_its_tensors_are_gone() -> None:
    arrays = RecycledArrays()
    first = arrays.empty((20, 30))
    place = address(first)
    tensor = torch.from_numpy(first).permute(1, 0)[2:5]
    del first
    second = arrays.empty((20, 30))
    assert address(second) != place  # a part of a tensor still refers to it
    del tensor
    assert address(arrays.empty((20, 30))) == place


def test_views_keep_the_memory() -> None:
    arrays = RecycledArrays()
    first = arrays.empty((20, 30))
    place, view = address(first), first[3:].T[1:]
    del first
    assert address(arrays.empty((20, 30))) != place
    del view
    assert place in {address(arrays.empty((20, 30))) for _ in range(2)}


def test_only_memory_of_the_same_size_is_used_again() -> None:
    arrays = RecycledArrays()
    place = address(arrays.empty((4, 5)))
    smaller, other = arrays.empty((19,)), arrays.empty((5, 4))
    assert (smaller.shape, other.shape) == ((19,), (5, 4))
    assert address(other) == place
    assert other.dtype == np.float32


def test_few_buffers_are_kept() -> None:
    arrays = RecycledArrays()
    made = [arrays.empty((8,)) for _ in range(KEPT + 3)]
    del made
    assert len(arrays._free) == KEPT


def test_another_process_has_memory_of_its_own() -> None:
    arrays = RecycledArrays()
    arrays.empty((8,))
    assert pickle.loads(pickle.dumps(arrays))._free == []


def test_threads_never_share_an_array() -> None:
    arrays, wrong = RecycledArrays(), []

    def work(number: int) -> None:
        for _ in range(300):
            array = arrays.empty((50,))
            array[:] = number
            if (array != number).any():
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
