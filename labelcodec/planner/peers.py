"""Size of the peers' dumps, from what their code writes and the overhead of torch.save."""

from __future__ import annotations

from dataclasses import replace

from labelcodec.analysis.rates import sre2l_wrapping, torch_file_bytes
from labelcodec.errors import ConfigError
from labelcodec.planner.setting import Batches, Setting

PEERS = ("sre2l", "lpld", "lpqld")
BLOCK = 4096
# Bytes that torch 2.13 adds, measured on LPQLD's files: per file (pickle, zip directory) and per
# tensor (headers).
_LPQLD_WRAPPING, _LPQLD_TENSOR = 1389, 188


def parse_peer(spec: str, classes: int) -> tuple[str, int | None]:
    """Parse the spec of a dump: 'sre2l', 'lpld', 'lpqld' or 'lpqld:k=50'.

    CDA relabels with SRe2L's code; RDED, if it stores labels, writes SRe2L's files.

    Returns:
        Layout, and k or None.

    Raises:
        ConfigError: k is set for a layout other than lpqld, or is not in 1..C.
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
    """The batches that a peer's code writes when `kept` are requested.

    Both peers write more than requested. LPLD stops within the epoch that reaches the count, but
    starts another epoch if the count is a multiple of the epoch's batches; LPQLD moreover lowers
    its goal by one per epoch.

    Args:
        layout: 'sre2l', 'lpld' or 'lpqld'.
        setting: the label set.
        kept: the batches that were requested.
    """
    per_epoch = setting.epoch_batches + bool(kept.partial)
    done = kept.count
    if layout == "lpld" and done % per_epoch == 0:
        done += per_epoch
    elif layout == "lpqld":
        goal, done = kept.count, 0
        for epoch in range(kept.count // per_epoch + 1):
            end = done + per_epoch
            done = goal - epoch if done < goal - epoch <= end else end
    return replace(kept, full=kept.full + done - kept.count)


def dump_components(layout: str, k: int | None, setting: Setting, kept: Batches) -> dict[str, int]:
    """Bytes by component of a dump.

    The overhead of torch.save counts as framing, side files count as image index.

    Args:
        layout: 'sre2l', 'lpld' or 'lpqld'.
        k: classes kept per label; None for full labels.
        setting: the label set.
        kept: the batches that were requested.
    """
    written = written_batches(layout, setting, kept)
    total: dict[str, int] = {}
    for count, samples in written.groups:
        tensors = batch_tensors(layout, k, setting, samples)
        parts = {name: sum(sizes) for name, sizes in tensors.items()}
        parts["framing and index"] = _file_bytes(layout, setting, tensors) - sum(parts.values())
        for name, size in parts.items():
            total[name] = total.get(name, 0) + count * size
    total["image index"] = _side_file_bytes(layout, setting, written)
    return total


def disk_bytes(layout: str, k: int | None, setting: Setting, kept: Batches) -> int:
    """Disk usage as reported by `du`: files occupy whole blocks of 4 KiB.

    arXiv 2604.18135 counts so. Folders are not counted.

    Args:
        layout: 'sre2l', 'lpld' or 'lpqld'.
        k: classes kept per label; None for full labels.
        setting: the label set.
        kept: the batches that were requested.
    """
    written = written_batches(layout, setting, kept)
    sizes = [
        (count, _file_bytes(layout, setting, batch_tensors(layout, k, setting, samples)))
        for count, samples in written.groups
    ]
    sizes.append((1, _side_file_bytes(layout, setting, written)))
    return sum(count * whole_blocks(size) for count, size in sizes)


def whole_blocks(size: int) -> int:
    """Disk usage in bytes of a file of `size` bytes."""
    return -(-size // BLOCK) * BLOCK


def batch_tensors(
    layout: str, k: int | None, setting: Setting, samples: int
) -> dict[str, list[int]]:
    """Bytes of the storage of each tensor of a batch's file, by component.

    Args:
        layout: 'sre2l', 'lpld' or 'lpqld'.
        k: classes kept per label; None for full labels.
        setting: the label set.
        samples: samples of the batch.
    """
    small = layout == "lpqld"
    tensors = {"crop": [(8 if small else 16) * samples]}
    tensors |= {"cutout": [28 * samples]} if setting.cutout else {"flip": [samples]}
    if setting.randaugment:
        operation = [8 * samples, 2 * samples, 2 * samples]  # index, decision, magnitude
        tensors["randaugment"] = operation * setting.randaugment
    if setting.mix:
        tensors["mix index"] = [(1 if small else 8) * samples]
    if setting.mix == "cutmix" and small:
        tensors["mix box"] = [1] * 4
    tensors["label values"] = [setting.value_bytes * (k or setting.classes) * samples]
    if k:
        tensors["label index"] = [2 * k * samples]
    return tensors


def _file_bytes(layout: str, setting: Setting, tensors: dict[str, list[int]]) -> int:
    sizes = [size for component in tensors.values() for size in component]
    if layout == "lpqld":
        return torch_file_bytes(sizes, _LPQLD_WRAPPING + _LPQLD_TENSOR * len(sizes))
    return torch_file_bytes(sizes, sre2l_wrapping(setting.mix))


def _side_file_bytes(layout: str, setting: Setting, written: Batches) -> int:
    """Bytes of the JSON file with the image indices; 0 for SRe2L, which has none."""
    if layout == "sre2l":
        return 0
    indices = round(written.labels * (_mean_digits(setting.images) + 2))
    if layout == "lpld":
        return indices
    return indices + round(written.count * (_mean_digits(written.count) + 6))


def _mean_digits(count: int) -> float:
    """Mean number of decimal digits of 0..count-1."""
    longer: int = sum(count - 10**power for power in range(1, len(str(count - 1))))
    return 1 + longer / count
