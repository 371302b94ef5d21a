"""Bytes of the peers' dumps, from how their code writes them and what torch wraps around it."""

from __future__ import annotations

from dataclasses import replace

from labelcodec.errors import ConfigError
from labelcodec.storage.plan.setting import Batches, Setting
from labelcodec.storage.rates import sre2l_wrapping, torch_file_bytes

PEERS = ("sre2l", "lpld", "lpqld")
BLOCK = 4096
# torch 2.13, measured on LPQLD's files: the pickle, the zip's directory, and headers by tensor.
_LPQLD_WRAPPING, _LPQLD_TENSOR = 1389, 188


def parse_peer(spec: str, classes: int) -> tuple[str, int | None]:
    """Layout and k of 'sre2l', 'lpld', 'lpqld' or 'lpqld:k=50'.

    CDA relabels with SRe2L's code; RDED's labels, where they are stored, are SRe2L's files.

    Raises:
        ConfigError: another layout has a k, or k is not in 1..C.
    """
    layout, _, rest = spec.partition(":")
    if not rest:
        return layout, None
    key, _, value = rest.partition("=")
    if layout != "lpqld" or key != "k" or not value.isdecimal():
        raise ConfigError(f"dump {spec!r}: only lpqld:k=K keeps the K largest logits")
    if not 1 <= int(value) <= classes:
        raise ConfigError(f"dump {spec!r}: allowed are k=1..{classes}")
    return layout, int(value)


def written_batches(layout: str, setting: Setting, kept: Batches) -> Batches:
    """The batches a peer's code writes where `kept` are wanted.

    LPLD stops inside the epoch in which the count is reached and starts another; LPQLD, besides,
    lowers its goal by one an epoch. So more are written than are wanted.
    """
    an_epoch = setting.epoch_batches + bool(kept.partial)
    done = kept.count
    if layout == "lpld" and done % an_epoch == 0:
        done += an_epoch
    elif layout == "lpqld":
        goal, done = kept.count, 0
        for passed in range(kept.count // an_epoch + 1):
            end = done + an_epoch
            done = goal - passed if done < goal - passed <= end else end
    return replace(kept, full=kept.full + done - kept.count)


def dump_components(layout: str, k: int | None, setting: Setting, kept: Batches) -> dict[str, int]:
    """Bytes by component of a dump; torch's wrapping is framing, side files are image order."""
    written = written_batches(layout, setting, kept)
    total: dict[str, int] = {}
    for count, samples in written.groups:
        tensors = _tensors(layout, k, setting, samples)
        parts = {name: sum(sizes) for name, sizes in tensors.items()}
        parts["framing and index"] = _file_bytes(layout, setting, tensors) - sum(parts.values())
        for name, size in parts.items():
            total[name] = total.get(name, 0) + count * size
    total["image index"] = _side_file_bytes(layout, setting, written)
    return total


def disk_bytes(layout: str, k: int | None, setting: Setting, kept: Batches) -> int:
    """What `du` counts: every file in whole blocks of 4 KiB."""
    written = written_batches(layout, setting, kept)
    sizes = [
        (count, _file_bytes(layout, setting, _tensors(layout, k, setting, samples)))
        for count, samples in written.groups
    ]
    sizes.append((1, _side_file_bytes(layout, setting, written)))
    return sum(count * -(-size // BLOCK) * BLOCK for count, size in sizes)


def _tensors(layout: str, k: int | None, setting: Setting, samples: int) -> dict[str, list[int]]:
    """Bytes of the tensors of a file, by component."""
    small = layout == "lpqld"
    tensors = {"crop": [(8 if small else 16) * samples]}
    tensors |= {"cutout": [28 * samples]} if setting.cutout else {"flip": [samples]}
    if setting.randaugment:
        one = [8 * samples, 2 * samples, 2 * samples]  # operation, decision, magnitude
        tensors["randaugment"] = one * setting.randaugment
    if setting.mix:
        tensors["mix index"] = [(1 if small else 8) * samples]
    if setting.mix == "cutmix" and small:
        tensors["mix box"] = [1] * 4
    tensors["label values"] = [setting.value_bytes * (k or setting.classes) * samples]
    if k:
        tensors["label index"] = [2 * k * samples]
    return tensors


def _file_bytes(layout: str, setting: Setting, tensors: dict[str, list[int]]) -> int:
    sizes = [size for one in tensors.values() for size in one]
    if layout == "lpqld":
        return torch_file_bytes(sizes, _LPQLD_WRAPPING + _LPQLD_TENSOR * len(sizes))
    return torch_file_bytes(sizes, sre2l_wrapping(setting.mix))


def _side_file_bytes(layout: str, setting: Setting, written: Batches) -> int:
    """JSON lists of the image indices; SRe2L has none."""
    if layout == "sre2l":
        return 0
    indices = round(written.labels * (_mean_digits(setting.images) + 2))
    if layout == "lpld":
        return indices
    return indices + round(written.count * (_mean_digits(written.count) + 6))


def _mean_digits(count: int) -> float:
    """Mean decimal digits of 0..count-1."""
    longer: int = sum(count - 10**power for power in range(1, len(str(count - 1))))
    return 1 + longer / count
