"""Pages: what they say, that nothing in a file becomes markup, and that they ask for nothing."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import labelcodec
from labelcodec.preview.inspect_page import write_inspection
from labelcodec.preview.page import batch_section, table_section, text, write_page
from labelcodec.preview.replayed import view_replayed
from tests.preview.scene import HOSTILE, Page, check_is_self_contained, labelled, with_hostile_names


def replayed(folder: Path) -> Page:
    view = view_replayed(labelled(folder), 0, 4)
    write_page(folder / "a.html", "a.slc", [batch_section(view)])
    return Page((folder / "a.html").read_text())


def test_a_page_of_a_batch(tmp_path) -> None:
    page = replayed(tmp_path)
    check_is_self_contained(page)
    words = " ".join(page.texts)
    assert "batch 3 of epoch 0: 4 samples" in words and "2: class2/009.png" in words
    assert len(page.all("article")) == 4 and len(page.all("svg")) == 8
    assert "<title>a.slc</title>" in (tmp_path / "a.html").read_text()  # which holds no element


def test_pictures_of_a_page_are_the_pixels(tmp_path) -> None:
    page = replayed(tmp_path)
    view = view_replayed(labelled(tmp_path / "again"), 0, 4)
    pictures = [
        np.asarray(Image.open(io.BytesIO(base64.b64decode(str(image["href"]).partition(",")[2]))))
        for image in page.all("image")
    ]
    for i, sample in enumerate(view.samples):
        assert np.array_equal(pictures[2 * i], sample.original)
        assert np.array_equal(pictures[2 * i + 1], sample.student)
        crop, pasted = page.all("rect")[2 * i : 2 * i + 2]
        named = [float(str(crop[key])) for key in ("y", "x", "height", "width")]
        assert named == list(map(float, sample.crop))
        assert (pasted["x"], pasted["y"], pasted["width"], pasted["height"]) == ("0", "0", "8", "4")


def inspected(path: Path) -> Page:
    with labelcodec.open(path) as reader:
        write_inspection(reader, 0, 4, path.with_suffix(".html"))
    return Page(path.with_suffix(".html").read_text())


def test_a_page_of_a_file(tmp_path) -> None:
    labelled(tmp_path)
    page = inspected(tmp_path / "a.slc")
    check_is_self_contained(page)
    words = " ".join(page.texts)
    with labelcodec.open(tmp_path / "a.slc") as reader:
        sizes = reader.component_bytes(0)
    assert all(str(size) in words for size in sizes.values()) and str(sum(sizes.values())) in words
    assert "0: image 1" in words and len(page.all("svg")) == 8 and not page.all("image")
    assert "index batches" in words and "codec name" in words


def test_nothing_in_a_file_becomes_markup(tmp_path) -> None:
    plain = labelled(tmp_path / "plain")
    page = inspected(with_hostile_names(tmp_path))
    check_is_self_contained(page)
    expected = inspected(plain.reader.paths[0])
    kinds = {tag for tag, _ in page.elements}
    assert kinds == {tag for tag, _ in expected.elements}
    assert len(page.all("style")) == 1
    shown = HOSTILE.replace("\x00", "\ufffd").replace("\u202e", "\ufffd")
    assert shown in page.texts and "</title><b>" in page.texts


@given(st.text())
def test_any_text_is_one_text(value) -> None:
    page = Page(text(value))
    assert [tag for tag, _ in page.elements] == ["bdi"]
    joined = "".join(page.texts)
    assert joined == "".join(letter if letter.isprintable() else "\ufffd" for letter in value)


def test_names_that_are_no_unicode(tmp_path) -> None:
    write_page(tmp_path / "a.html", "\udcff", [table_section("x", [("\udc80", "\ud800")])])
    Page((tmp_path / "a.html").read_text())


def test_an_empty_label_set_has_a_page(tmp_path) -> None:
    with labelcodec.Writer(tmp_path / "a.slc", labelcodec.Header(3), "dense"):
        pass
    assert "index batches" in " ".join(inspected(tmp_path / "a.slc").texts)
