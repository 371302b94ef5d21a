"""Cards of label sets: what they say, and what they must not."""

from __future__ import annotations

import getpass
import hashlib
import shutil
import socket
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

import labelcodec
from labelcodec.analysis.open_any import fidelity_of
from labelcodec.errors import ConfigError, DataError, MismatchError
from labelcodec.publishing import card, write_folder
from labelcodec.publishing.card import _size_category
from tests.cli.call import call
from tests.labelsets import batches, write
from tests.remote.server import Web, serving

EXAMPLE = Path(__file__).parents[2] / "examples/cifar10-ipc10/labels.slc"
TOKENS = Path(__file__).parents[2] / "spec/vectors/v1.2/sequences/top-k.slc"


def front_matter(text: str) -> dict:
    head, _, rest = text.removeprefix("---\n").partition("\n---\n")
    assert rest.startswith("\n# ")
    return yaml.safe_load(head)


def test_metadata():
    made = card(EXAMPLE, repo="org/name", license="CC-BY-4.0", sources=["cifar10", 'a "b"'])
    assert front_matter(str(made)) == {
        "license": "cc-by-4.0",
        "pretty_name": "name",
        "annotations_creators": ["machine-generated"],
        "task_categories": ["image-classification"],
        "size_categories": ["1K<n<10K"],
        "tags": ["labelcodec", "soft-labels", "knowledge-distillation"],
        "source_datasets": ["cifar10", 'a "b"'],
    }
    of_tokens = front_matter(str(card(TOKENS, title='of "tokens"')))
    assert of_tokens["task_categories"] == ["text-generation"]
    assert of_tokens["pretty_name"] == 'of "tokens"'
    assert of_tokens["license"] == "unknown"


def test_text():
    text = str(card(EXAMPLE, repo="org/name"))
    digest = hashlib.sha256(EXAMPLE.read_bytes()).hexdigest()
    with labelcodec.open(EXAMPLE) as reader:
        header = reader.header
    for part in (
        'labelcodec.open("hf://datasets/org/name/labels.slc")',
        f"| labels.slc | 58,967 | `{digest}` |",
        "| total | 58,967 | 100.0 % |",
        "3,000 labels of 10 classes in 58,967 bytes, 19.66 per label",
        header.fingerprint,
        header.teacher["sha256"],
        "drawn from seed 0, not stored",
    ):
        assert part in text
    assert "8.9 times fewer than full logits in SRe2L's files" in text
    assert "Distance to the source" not in text
    assert str(EXAMPLE.parent) not in text


def test_the_code_of_a_card_runs(tmp_path, monkeypatch):
    shutil.copy(EXAMPLE, tmp_path / "labels.slc")
    monkeypatch.chdir(tmp_path)
    code = str(card(tmp_path / "labels.slc")).split("```python\n")[1].partition("```")[0]
    names: dict = {}
    exec(code, names)
    assert names["logits"].shape == (4, 10)


def test_fidelity_and_shards(tmp_path):
    for number in range(2):
        write(tmp_path / f"part-{number}.slc", batches(range(number, 4, 2)))
    shards = sorted(tmp_path.glob("part-*.slc"))
    labelcodec.recode(shards, tmp_path / "few.slc", "topk:k=3")
    distance = fidelity_of(tmp_path / "few.slc", tmp_path / "few.slc")
    made = card(shards, repo="org/name", fidelity=distance)
    assert "hf://datasets/org/name/part-*.slc" in str(made)
    assert [file.name for file in made.files] == ["part-0.slc", "part-1.slc"]
    assert "| 4 | 0 | 0 |" in str(made) and "the same in 100.00 %" in str(made)


def test_shards_are_measured_together(tmp_path, capsys):
    for number in range(2):
        write(tmp_path / f"part-{number}.slc", batches(range(number, 4, 2)))
    shards = sorted(tmp_path.glob("part-*.slc"))
    labelcodec.merge(shards, tmp_path / "all.slc")
    made = call(capsys, "card", *shards, "--against", tmp_path / "all.slc")
    assert made.status == 0 and "the same in 100.00 %" in made.out, made.err


@pytest.mark.parametrize("name", ["README.md", "readme.MD"])
def test_a_file_with_the_name_of_the_card(tmp_path, name):
    shutil.copy(EXAMPLE, tmp_path / name)
    with pytest.raises(MismatchError, match=f"{name}: has the name of the card in the rep"):
        card(tmp_path / name, repo="org/name")


def test_a_file_elsewhere(capsys):
    for command in (["card"], ["push", "org/name"]):
        name, *repo = command
        with serving(Web({"/labels.slc": EXAMPLE.read_bytes()})) as web:
            refused = call(capsys, name, f"{web.url}/labels.slc", *repo)
        assert refused.status == 1 and "is not on this machine; a card is of" in refused.err


def test_files_with_the_same_name(tmp_path):
    for number, folder in enumerate(("a", "b")):
        (tmp_path / folder).mkdir()
        write(tmp_path / folder / "part.slc", batches(range(number, 4, 2)))
    with pytest.raises(MismatchError, match=r"b.part\.slc: has the name of .*a.part\.slc in"):
        card([tmp_path / "a/part.slc", tmp_path / "b/part.slc"])


@pytest.mark.parametrize(
    ("labels", "name"),
    [(0, "n<1K"), (999, "n<1K"), (1000, "1K<n<10K"), (10**9, "1B<n<10B"), (10**12, "n>1T")],
)
def test_size_categories(labels, name):
    assert _size_category(labels) == name


@pytest.mark.parametrize("repo", ["name", "a/b/c", "/name", "org/", "a b/c"])
def test_names_of_repositories(repo):
    with pytest.raises(ConfigError, match="is not of the form owner/name"):
        card(EXAMPLE, repo=repo)


@pytest.mark.parametrize("name", ["title", "license", "sources"])
def test_texts_that_are_no_text(name):
    """An argument of a terminal may hold any bytes; Python gives them as surrogates."""
    with pytest.raises(ConfigError, match=f"`{name}=.*is not UTF-8 text"):
        card(EXAMPLE, **{name: ["\udcff"] if name == "sources" else "\udcff"})


class TestPrivate:
    @pytest.fixture
    def saying(self, tmp_path):
        """A copy whose note says something."""

        def annotated(note: str) -> Path:
            shutil.copy(EXAMPLE, tmp_path / "a.slc")
            labelcodec.annotate(tmp_path / "a.slc", note=note, force=True)
            return tmp_path / "a.slc"

        return annotated

    @pytest.mark.parametrize(
        "note",
        [
            "made by /home/jane/train.py",
            "see (/data/in1k/val)",
            "~/labels",
            "C:\\labels\\a",
            "file://x",
            "by Jane.Doe",
            "on gpu-box-7",
            "ckpt:/home/alice/x",
            "C:/Users/alice/x",
            "file:/home/alice",
            r"\\server\alice\x",
            "~alice/run",
            "../../alice/run",
            "on /scratch",
            "https://user:secret@host/x",
        ],
    )
    def test_refused(self, saying, monkeypatch, note):
        monkeypatch.setattr(getpass, "getuser", lambda: "jane.doe")
        monkeypatch.setattr(socket, "gethostname", lambda: "gpu-box-7")
        with pytest.raises(DataError, match=r"a\.slc: note names .*annotate`"):
            card(saying(note))

    @pytest.mark.parametrize(
        "note",
        [
            "seed 0, 1/2 of the epochs, and/or both",
            "https://example.org/a/b/c",
            "timm/resnet18 and org/name",
            "janet on a gpu-box",
            "root",
            "train /val /test",
            "ratio 3 / 4 / 5",
        ],
    )
    def test_allowed(self, saying, monkeypatch, note):
        monkeypatch.setattr(getpass, "getuser", lambda: "jane")
        monkeypatch.setattr(socket, "gethostname", lambda: "gpu")
        assert note in str(card(saying(note)))

    def test_nested(self, tmp_path):
        shutil.copy(EXAMPLE, tmp_path / "a.slc")
        labelcodec.annotate(tmp_path / "a.slc", teacher="/models/x/y.pt", force=True)
        with pytest.raises(DataError, match=r"teacher\.name names a path"):
            card(tmp_path / "a.slc")


def test_names_in_the_file(tmp_path):
    """Not only the header is uploaded."""
    header = labelcodec.Header(classes=3, images=2)
    own = labelcodec.LabelBatch(
        0,
        0,
        np.arange(2),
        labelcodec.Augmentation(),
        labelcodec.Labels(3, np.zeros((2, 3), np.float16)),
    )
    names = ["/home/jane/a.png", "/home/jane/b.png"]
    with labelcodec.Writer(tmp_path / "a.slc", header, "dense", names=names) as writer:
        writer.add(own)
    with pytest.raises(DataError, match="names of images names a path"):
        card(tmp_path / "a.slc")
    sequences = labelcodec.Sequences(np.array([2]), np.array([0]), names=("/home/jane/a.txt",))
    of_tokens = labelcodec.Header(classes=3, kind="tokens", shift=1)
    with labelcodec.Writer(tmp_path / "b.slc", of_tokens, "dense") as writer:
        writer.add(replace(own, image_index=np.zeros(2, np.int64), sequences=sequences))
    with pytest.raises(DataError, match="names of sequences names a path"):
        card(tmp_path / "b.slc")


def test_the_folder(tmp_path):
    made = card(EXAMPLE, repo="org/name")
    write_folder(made, tmp_path / "new")
    assert (tmp_path / "new/README.md").read_text() == str(made)
    assert (tmp_path / "new/labels.slc").read_bytes() == EXAMPLE.read_bytes()
    with pytest.raises(labelcodec.LabelcodecError, match="is not empty; name a new folder"):
        write_folder(made, tmp_path / "new")


def test_commands(capsys, tmp_path):
    made = call(capsys, "card", EXAMPLE, "--repo", "org/name", "--against", EXAMPLE)
    assert made.status == 0 and made.out.startswith("---\nlicense:")
    assert "## Distance to the source" in made.out
    facts = call(capsys, "card", EXAMPLE, "--json").json()
    assert facts["card"].startswith("---") and facts["files"][0]["bytes"] == 58967
    dry = call(capsys, "push", EXAMPLE, "org/name", "--dry-run", tmp_path / "new", "--json").json()
    assert sorted(dry["files"]) == sorted(path.name for path in (tmp_path / "new").iterdir())
    assert call(capsys, "push", EXAMPLE, "name", "--dry-run", tmp_path / "x").status == 2
