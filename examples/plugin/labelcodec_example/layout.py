"""x-jsonl: labels.jsonl, a line of JSON per batch: {"images": [...], "logits": [[...], ...]}."""

import json

import numpy as np

from labelcodec import Augmentation, LabelBatch, Labels
from labelcodec.formats import DumpInfo, Layout, LayoutEntry

ENTRY = LayoutEntry("x-jsonl", "labelcodec_example.layout:JsonLines")
FILE = "labels.jsonl"


class JsonLines(Layout):
    name, looks_like = "x-jsonl", f"{FILE} (x-jsonl)"

    def detect(self, root, names):
        return FILE in names

    def label_files(self, root):
        return [root / FILE]

    def open(self, root, options):
        return JsonDump(root / FILE)

    def write(self, batches, root, types, names):
        with open(root / FILE, "w") as file:
            for batch in batches:
                line = {"images": batch.image_index, "logits": batch.labels.dense()}
                file.write(json.dumps(line, default=np.ndarray.tolist) + "\n")
        return 1


class JsonDump:
    """An opened dump; its batches are held in memory."""

    def __init__(self, path):
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        self.path, self.images = path, [np.array(line["images"]) for line in lines]
        self.logits = [np.float16(line["logits"]) for line in lines]
        self.info = DumpInfo(
            "x-jsonl", classes=self.logits[0].shape[1], images=1 + int(max(map(max, self.images))),
            batches=len(lines), samples=sum(map(len, self.images)), bytes=path.stat().st_size,
            files=1, types={"layout": "x-jsonl"}, image_order=f"read from {FILE}",
        )  # fmt: skip

    def __len__(self):
        return len(self.logits)

    def file(self, i):
        return self.path

    def image_index(self, i):
        return self.images[i]

    def read(self, i):
        logits = self.logits[i]
        return LabelBatch(i, 0, self.images[i], Augmentation(), Labels(logits.shape[1], logits))
