"""A bare PyTorch loop on recorded batches.

python examples/loops/pytorch_loop.py labels.slc images student.pt 20

The last number is that of epochs.

Started again, it goes on where it was stopped: from the batch after the last one that it saved.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import nn

from labelcodec import losses
from labelcodec.pipeline.models import build
from labelcodec.replay import BatchOrder, ReplayDataset, ResidentLoader

TEMPERATURE = 4.0
SAVE_EVERY = 50  # batches


def train(
    labels: str, images: str, checkpoint: Path, epochs: int, device: str = "cpu"
) -> nn.Module:
    """Train a student; prints the mean loss of every epoch."""
    dataset = ReplayDataset(labels, images)
    order = BatchOrder(len(dataset), seed=0)
    loader = ResidentLoader(dataset, order, device)  # images stay in memory; or a DataLoader
    student = build("convnet", dataset.classes).to(device)  # any network of your own
    optimiser = torch.optim.AdamW(student.parameters(), lr=1e-3, weight_decay=0.01)
    steps = epochs * order.batches_in(0)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    parts = {"student": student, "optimiser": optimiser, "schedule": schedule, "order": order}
    if checkpoint.exists():
        for name, state in torch.load(checkpoint, weights_only=True).items():
            parts[name].load_state_dict(state)
    for epoch in range(order.epoch, epochs):
        order.set_epoch(epoch)
        total, done = 0.0, 0
        for batch in order.counted(loader):
            loss = losses.kl(student(batch.images), batch.labels, TEMPERATURE)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            total, done = total + loss.item(), done + 1
            if done % SAVE_EVERY == 0:
                save(checkpoint, parts)
        if done:  # nothing is left of an epoch that was saved after its last batch
            print(f"epoch {epoch}: loss {total / done:.3f}")
        order.set_epoch(epoch + 1)
        save(checkpoint, parts)
    return student


def save(checkpoint: Path, parts: dict[str, nn.Module]) -> None:
    """Write the state of all parts, in place of the last one."""
    partial = checkpoint.with_suffix(".partial")
    torch.save({name: part.state_dict() for name, part in parts.items()}, partial)
    partial.replace(checkpoint)


if __name__ == "__main__":
    train(sys.argv[1], sys.argv[2], Path(sys.argv[3]), epochs=int(sys.argv[4]))
