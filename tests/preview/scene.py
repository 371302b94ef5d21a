"""A label set with its images, and what an HTML page holds."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np

from labelcodec import Header, Writer
from labelcodec.images import list_images
from labelcodec.replay.dataset import ReplayDataset
from tests.replay import scene

HOSTILE = '</td><script>document.title="run"</script><img src=x onerror=alert(1)>"\'&\x00\u202e'


def labelled(folder: Path, mixed: bool = True, **header: Any) -> ReplayDataset:
    """One batch of four samples of a folder of 12 images, whose grey levels say which they are."""
    images = scene.folder(folder / "images")
    batch = scene.batch(3, [1, 5, 9, 11], [1, 2, 3, 0] if mixed else None)
    scene.write(folder / "a.slc", [batch], **scene.belongs(images), **header)
    return ReplayDataset(folder / "a.slc", images, uint8=True)


def with_hostile_names(folder: Path) -> Path:
    """Labels whose class and image names are markup."""
    images = scene.folder(folder / "images")
    names = (HOSTILE, "</title><b>", "<style>*{display:none}</style>", "plain", "")
    header = Header(scene.CLASSES, precision="float32", image_size=(8, 8), class_names=names,
                    note=HOSTILE)  # fmt: skip
    paths = [f"<i>{path}" for path in list_images(images).paths]
    with Writer(folder / "a.slc", header, "dense", names=paths) as writer:
        writer.add(scene.batch(3, [1, 5, 9, 11], [1, 2, 3, 0]))
    return folder / "a.slc"


class Page(HTMLParser):
    """Elements and texts of a page; fails where elements are not closed in order."""

    EMPTY = ("meta", "image", "rect")

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.EMPTY:  # a browser writes <rect></rect>
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.texts.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def check_is_self_contained(page: Page) -> None:
    """Nothing of a network, no script, no handler of an event."""
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"script", "link", "iframe", "img", "object", "embed", "a", "form", "base"}
    for _, attributes in page.elements:
        for name, value in attributes.items():
            assert not name.startswith("on") and name not in ("src", "srcset", "action")
            if name.endswith("href"):
                assert (value or "").startswith("data:image/png;base64,")
            elif name == "style":
                assert "url" not in (value or "")
    (policy,) = [a["content"] for a in page.all("meta") if "http-equiv" in a]
    assert policy is not None and policy.startswith("default-src 'none'")


def levels(index: np.ndarray) -> np.ndarray:
    """Grey level of images by their index."""
    return np.asarray(index) * scene.STEP
