"""Stored labels of a teacher in TRL's SFTTrainer.

python examples/tokens/trl_sft.py labels.slc texts MODEL out

`texts` is a folder that `Dataset.save_to_disk` wrote, with the column `input_ids` that the labels
were made from; they are found by their digests, so their order does not matter. MODEL is a causal
language model with the teacher's tokenizer.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import torch
from datasets import Dataset, load_from_disk
from torch import nn
from torch.utils.data import DataLoader
from trl import SFTConfig, SFTTrainer

from labelcodec import losses
from labelcodec.replay import BatchOrder, Texts, TokenDataset


class RecordedBatches:
    """The batches of an epoch, as the Trainer iterates over a loader."""

    def __init__(self, dataset: TokenDataset, arguments: SFTConfig) -> None:
        """Each process has its share of every epoch's batches."""
        rank, world = arguments.process_index, arguments.world_size
        self.order = BatchOrder(len(dataset), seed=arguments.seed, rank=rank, world=world)
        self.loader = DataLoader(
            dataset,
            batch_size=None,
            sampler=self.order,
            num_workers=arguments.dataloader_num_workers,
        )
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.order)

    def set_epoch(self, epoch: int) -> None:
        """Called by the Trainer before every epoch."""
        self.order.set_epoch(epoch)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for batch in self.order.counted(self.loader):
            yield {"batch": batch}


class StoredLabelTrainer(SFTTrainer):
    """An SFTTrainer whose loss is the divergence from stored labels."""

    def __init__(self, labels: str, texts: Dataset, **arguments: Any) -> None:
        """Join the labels to the texts."""
        self.labels = TokenDataset(labels, Texts(texts["input_ids"], by_digest=True))
        super().__init__(train_dataset=texts, **arguments)

    def get_train_dataloader(self) -> RecordedBatches:
        return RecordedBatches(self.labels, self.args)

    def compute_loss(
        self, model: nn.Module, inputs: dict[str, Any], *_: object, **more: object
    ) -> torch.Tensor:
        batch = inputs["batch"].to(self.args.device)
        output = model(
            input_ids=batch.tokens, attention_mask=(batch.sequence >= 0).long(), use_cache=False
        )
        logits = output.logits.flatten(0, 1)[batch.predictor]
        return losses.kl(logits, batch.labels, temperature=1.0)


def config_for(out: str, epochs: int, **options: Any) -> SFTConfig:
    """Settings of a run: batches are as large as they were recorded."""
    return SFTConfig(
        out,
        num_train_epochs=epochs,
        learning_rate=1e-3,
        lr_scheduler_type="cosine",
        logging_strategy="epoch",
        save_strategy="epoch",
        report_to="none",
        dataset_kwargs={"skip_prepare_dataset": True},
        **options,
    )


if __name__ == "__main__":
    labels, texts, model, out = sys.argv[1:]
    StoredLabelTrainer(
        labels, load_from_disk(texts), model=model, args=config_for(out, epochs=3)
    ).train()
