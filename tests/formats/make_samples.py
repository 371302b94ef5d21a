"""Writes `tests/data` with the code of the projects whose layouts the samples are of.

python -m tests.formats.make_samples distillkit CHECKOUT    (needs pydantic)
python -m tests.formats.make_samples megatron CHECKOUT
python -m tests.formats.make_samples tinyvit CHECKOUT

CHECKOUT is one of github.com/arcee-ai/DistillKit, NVIDIA/Megatron-LM or microsoft/Cream. What their
modules import but these parts do not use is replaced by stand-ins.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock

import numpy as np
import torch

DATA = Path(__file__).parents[1] / "data"
CLASSES = 300
TEXTS = (7, 3, 12)  # tokens of each text


def logprobs(positions: int, classes: int = CLASSES) -> torch.Tensor:
    """(positions, classes) log-probabilities of a teacher."""
    return torch.randn(positions, classes).mul(3).log_softmax(dim=-1)


def distillkit(checkout: Path) -> None:
    """Compressed labels and what its decoder makes of them."""
    sys.path.insert(0, str(checkout))
    stand_in("datasets", "transformers")
    compression = importlib.import_module("distillkit.compression")
    common = importlib.import_module("distillkit.sample_common")
    residuals = [{"scale_dtype": "float16", "element_bits": b, "num_elements": 9} for b in (4, 1)]
    curve = {"d": CLASSES, "k": 30, "exact_k": 2, "exact_dtype": "bfloat16", "residual_bins": [],
             "polynomial_terms": [0, 1, "sqrt"], "delta_encoding": False}  # fmt: skip
    for name, changes in {
        "curve": {},
        "delta": {"residual_bins": residuals, "delta_encoding": True, "exact_dtype": "float32"},
        "exact": {"exact_k": 30, "polynomial_terms": None},
    }.items():
        config = compression.DistributionQuantizationConfig(**{**curve, **changes})
        write_distillkit(
            name,
            config,
            compression.LogprobCompressor(config=config),
            common.StreamingParquetWriter,
            common.compressed_logit_schema(),
        )
    config = compression.LegacyLogitCompressionConfig(
        k=30, exact_k=4, polynomial_degree=8, vocab_size=CLASSES
    )
    write_distillkit(
        "legacy",
        config,
        compression.LogprobCompressor(legacy_config=config),
        common.StreamingParquetWriter,
        common.legacy_compressed_logit_schema(),
    )


def write_distillkit(name, config, compressor, writer, schema) -> None:
    import yaml

    folder = DATA / "distillkit" / name
    shutil.rmtree(folder, ignore_errors=True)
    index, value = [], []
    with writer(str(folder), schema, file_max_rows=2, write_batch_size=1, queue_maxsize=8) as rows:
        for length in TEXTS:
            stored = compressor.compress(logprobs(length - 1)[None])
            decoded = compressor.decompress_to_sparse(stored)
            index.append(decoded[0][0].numpy())
            value.append(decoded[1][0].float().numpy())
            cells = {part: tensor[0].tolist() for part, tensor in stored.items()}
            rows.write({"input_ids": torch.randint(0, CLASSES, (length,)).tolist(), **cells})
    settings = yaml.safe_dump(config.model_dump(mode="json"))
    (folder / "compression_config.yaml").write_text(settings)
    np.savez(folder.with_suffix(".npz"), index=np.concatenate(index), value=np.concatenate(value))


def stand_in(*names: str) -> None:
    """Modules of which nothing is used."""
    for name in names:
        sys.modules[name] = MagicMock(name=name)


def megatron(checkout: Path) -> None:
    """Cached logits of two data-parallel ranks, with and without a mass that is enough."""
    folder = checkout / "megatron" / "training" / "distillation"
    core = "megatron.core"
    stand_in("megatron", core, f"{core}.models", f"{core}.models.common", "megatron.training")
    stand_in(
        f"{core}.models.common.language_module", f"{core}.msc_utils", "megatron.training.utils"
    )
    stand_in(f"{core}.models.common.language_module.language_module")
    stand_in(f"{core}.num_microbatches_calculator", "megatron.training.utils")
    stand_in("megatron.training.distillation")
    utils = load("megatron.training.distillation.utils_logits", folder / "utils_logits.py")
    utils.MultiStorageClientFeature.is_enabled = lambda: False
    saver = load("megatron.training.distillation.logits_saver", folder / "logits_saver.py")
    args = SimpleNamespace(seed=1, seq_length=5, train_samples=24, iteration=0, mtp_num_layers=0)
    utils.get_args = saver.get_args = lambda: args
    utils._blend_identifiers = lambda _: {"kind": "mock", "mock": True}
    saver.storage_makedirs = lambda path, exist_ok: Path(path).mkdir(parents=True, exist_ok=True)
    saver.get_tensorboard_writer = lambda: None
    state = saver.parallel_state
    state.get_tensor_model_parallel_rank = lambda: 0
    state.get_tensor_model_parallel_world_size = lambda: 1
    state.get_context_parallel_rank = lambda: 0
    for name, p, dtype, scale in (("whole", None, "bf16", 4), ("nucleus", 0.9, "fp16", 9)):
        target = DATA / "megatron" / name
        shutil.rmtree(target, ignore_errors=True)
        for rank in range(2):
            state.get_data_parallel_rank = lambda rank=rank: rank
            hooks = saver.LogitsSaverHooks(str(target), k=6, p=p, save_dtype=dtype)
            for first in (1, 3):  # a file for two iterations
                for args.iteration in (first, first + 1):
                    logits = [torch.randn(5, 2, 70_000) * scale for _ in range(2)]
                    results = [hooks._process_single_microbatch(batch) for batch in logits]
                    hooks._buffer_iteration(*map(list, zip(*results, strict=True)))
                hooks._write_batched_tar(*hooks.take_pending_data())


def load(name: str, path: Path):
    """A module of a single file."""
    spec = importlib.util.spec_from_file_location(name, path)
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def tinyvit(checkout: Path) -> None:
    """Labels of two epochs from two ranks, with the seeds of their augmentations."""
    path = checkout / "TinyViT" / "data" / "augmentation" / "manager.py"
    manager = load("manager", path)
    root = DATA / "tinyvit"
    shutil.rmtree(root, ignore_errors=True)
    rng = np.random.default_rng(0)
    expected = {}
    for epoch in range(2):
        for rank in range(2):
            folder = root / f"logits_top5_epoch{epoch}"
            writer = manager.TxtManager(str(folder), 5 * 4 + 4, rank)
            for number in rng.permutation(4):
                key = f"n0{number % 2}/image_{rank}{number}.JPEG"
                seed = np.int32(rng.integers(1 << 31))
                value, index = torch.randn(1000).mul(3).softmax(-1).topk(5)
                value, index = value.half().numpy(), index.to(torch.int16).numpy()
                writer.write(key, seed.tobytes() + index.tobytes() + value.tobytes())
                expected[f"{epoch} {key}"] = [int(seed), index.tolist(), value.tolist()]
            writer.writer.__del__()
            writer.writer.worker = None
    root.with_suffix(".json").write_text(json.dumps(expected))


if __name__ == "__main__":
    torch.manual_seed(0)
    {"distillkit": distillkit, "megatron": megatron, "tinyvit": tinyvit}[sys.argv[1]](
        Path(sys.argv[2])
    )
