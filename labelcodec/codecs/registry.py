"""The codecs, one row each, and their specs, `name:key=value,…`, parsed here and nowhere else."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast, get_args, get_type_hints

from labelcodec.codecs.interface import Codec
from labelcodec.errors import ConfigError, UnsupportedError
from labelcodec.plugins import PRIVATE, Registry, imported


@dataclass(frozen=True)
class CodecEntry:
    """One codec's row. Paths are 'package.module:name', imported when they are needed.

    Attributes:
        name: name of the byte format, as headers and specs have it.
        codec: path of the configuration class, a `Codec`.
        summary: one line for `labelcodec codecs`.
        examples: specs that work.
        planned: specs that `labelcodec plan` lists by default; the first example where there are
            none.
        cost: path of a function (codec, setting, labels) -> `LabelCost` that predicts bytes; None
            where nothing was measured.
        expand: path of a function (compact labels, torch device) -> (B, C) float32 tensor; None if
            `Labels.dense` suffices.
        labeller: path of a function that gives the labels of images, for a codec whose files hold
            no labels, see `replay.labelling`; None where the file holds the labels.
    """

    name: str
    codec: str
    summary: str
    examples: tuple[str, ...]
    planned: tuple[str, ...] = ()
    cost: str | None = None
    expand: str | None = None
    labeller: str | None = None


CODECS: Registry[CodecEntry] = Registry(
    "codec",
    "labelcodec.codecs",
    CodecEntry,
    (
        CodecEntry(
            name="dense",
            codec="labelcodec.codecs.dense.codec:Dense",
            summary="every logit, bit for bit",
            examples=("dense",),
            planned=("dense",),
            cost="labelcodec.codecs.dense.cost:cost",
        ),
        CodecEntry(
            name="dense2",
            codec="labelcodec.codecs.dense2.codec:Dense2",
            summary="every logit, bit for bit, predicted in a fitted basis; smaller than dense",
            examples=("dense2", "dense2:rank=16"),
            planned=("dense2",),
            cost="labelcodec.codecs.dense2.cost:cost",
        ),
        CodecEntry(
            name="topk",
            codec="labelcodec.codecs.topk.codec:TopK",
            summary="the k largest logits and their classes, bit for bit or rounded to a step",
            examples=("topk:k=50", "topk:k=10,step=0.25"),
            planned=("topk:k=100", "topk:k=50", "topk:k=10"),
            cost="labelcodec.codecs.topk.cost:cost",
        ),
        CodecEntry(
            name="sampled",
            codec="labelcodec.codecs.sampled.codec:Sampled",
            summary="classes drawn from the label's distribution: few bytes, unbiased; for "
            "vocabularies",
            examples=("sampled", "sampled:n=20"),
        ),
        CodecEntry(
            name="transform",
            codec="labelcodec.codecs.transform.codec:Transform",
            summary="all logits in a fitted basis, the most important ones corrected; lossy, tiny",
            examples=(
                "transform:bytes=30",
                "transform:tv4=0.1,kl1=0.25",
                "transform:rank=32,step=8,peaks=10",
            ),
            planned=("transform:bytes=60", "transform:bytes=30", "transform:bytes=20"),
            cost="labelcodec.codecs.transform.cost:cost",
            expand="labelcodec.codecs.transform.tensors:expand",
        ),
        CodecEntry(
            name="vq",
            codec="labelcodec.codecs.vq.codec:Vq",
            summary="sums of trained codewords, found by search, or an autoencoder's; lossy, for "
            "200 000 labels and up",
            examples=("vq:bytes=16", "vq:tau=4,bytes=8", "vq:kl1=0.3", "vq:method=autoencoder"),
            cost="labelcodec.codecs.vq.cost:cost",
            expand="labelcodec.codecs.transform.tensors:expand",
        ),
        CodecEntry(
            name="projector",
            codec="labelcodec.codecs.projector.codec:Projector",
            summary="labels as a function of the images: an encoder's updates, no label stored",
            examples=("projector", "projector:rank=16,head=64,precision=float16"),
            labeller="labelcodec.pipeline.projection.labelling:load_labeller",
        ),
    ),
)


@dataclass(frozen=True)
class CodecInfo:
    """What `labelcodec codecs` prints of a codec.

    Attributes:
        name: codec name.
        summary: one sentence.
        keys: key -> (default, what it means).
        examples: specs that work.
    """

    name: str
    summary: str
    keys: Mapping[str, tuple[Any, str]]
    examples: tuple[str, ...]


def parse(spec: str) -> Codec:
    """The codec of a spec such as 'topk:k=50,step=0.25'.

    Raises:
        ConfigError: unknown name or key, or a value that does not parse or is out of range.
        UnsupportedError: a codec of another package that cannot be loaded.
    """
    name, _, rest = spec.partition(":")
    entry = CODECS.find(name)
    if entry is None:
        raise ConfigError(f"unknown codec {name!r}; known are {', '.join(CODECS.names())}")
    config: dict[str, Any] = {}
    for part in filter(None, rest.split(",")):
        key, equals, value = part.partition("=")
        if not equals or not value:
            raise ConfigError(f"codec spec {spec!r}: expected key=value, found {part!r}")
        if key in config:
            raise ConfigError(f"codec spec {spec!r}: {key} is given twice")
        config[key] = value
    return _build(entry, config, spec)


def from_config(name: str, config: Mapping[str, Any], where: str) -> Codec:
    """The codec that a container's header names.

    Args:
        name: the codec's name; one that is neither this library's nor registered by an installed
            package is refused, nothing is imported by it.
        config: its configuration.
        where: file name for error messages.

    Raises:
        UnsupportedError: the codec is not installed, or this version does not know one of its keys.
    """
    entry = CODECS.find(name)
    if entry is None and name.startswith(PRIVATE):
        raise UnsupportedError(
            f"{where}: codec {name!r} is not installed; install the package that provides it"
        )
    if entry is None:
        raise UnsupportedError(f"{where}: codec {name!r} is not known to this version")
    try:
        return _build(entry, config, where)
    except ConfigError as error:
        message = str(error).removeprefix(f"{where}: ")
        raise UnsupportedError(f"{where}: {message}") from None


def config_of(codec: Codec) -> dict[str, Any]:
    """The keys that differ from their defaults, for the header."""
    fields = dataclasses.fields(cast(Any, codec))
    values = {field.name: getattr(codec, field.name) for field in fields}
    return {
        field.name: values[field.name] for field in fields if values[field.name] != field.default
    }


def spec_of(codec: Codec) -> str:
    """The spec that `parse` takes."""
    return spec_in(codec.name, config_of(codec))


def spec_in(name: str, config: Mapping[str, Any]) -> str:
    """The spec of a header's codec, installed or not."""
    keys = ",".join(f"{key}={str(value).removesuffix('.0')}" for key, value in config.items())
    return f"{name}:{keys}" if keys else name


def describe() -> list[CodecInfo]:
    """All codecs, their keys and examples."""
    infos = []
    for entry in CODECS.entries():
        codec_class = imported(entry.codec)
        doc = (codec_class.__doc__ or "").split("Attributes:")
        meaning = _attribute_docs(doc[1]) if len(doc) > 1 else {}
        keys = {
            field.name: (field.default, meaning.get(field.name, ""))
            for field in dataclasses.fields(codec_class)
        }
        infos.append(CodecInfo(entry.name, entry.summary, keys, entry.examples))
    return infos


def _attribute_docs(text: str) -> dict[str, str]:
    """Attribute -> description out of a Google-style docstring."""
    docs: dict[str, str] = {}
    key = ""
    for line in text.splitlines():
        name, colon, rest = line.strip().partition(":")
        if colon and name.isidentifier():
            key, docs[name] = name, rest.strip()
        elif key and line.strip():
            docs[key] += " " + line.strip()
    return docs


def _build(entry: CodecEntry, config: Mapping[str, Any], where: str) -> Codec:
    codec_class = imported(entry.codec)
    hints = get_type_hints(codec_class)
    known = {field.name for field in dataclasses.fields(codec_class)}
    if unknown := set(config) - known:
        allowed = ", ".join(sorted(known)) or "none"
        raise ConfigError(f"{where}: {entry.name} has no key {min(unknown)!r}; keys: {allowed}")
    values = {key: _convert(value, hints[key], f"{where}: {key}") for key, value in config.items()}
    return cast(Codec, codec_class(**values))


def _convert(value: Any, hint: Any, where: str) -> Any:
    """A number for a key annotated with one; everything else stays text."""
    kinds = [kind for kind in (int, float) if kind in (hint, *get_args(hint))]
    for kind in kinds:
        try:
            number = kind(value)
        except (TypeError, ValueError, OverflowError):
            raise ConfigError(
                f"{where}={value!r} is not a number of type {kind.__name__}"
            ) from None
        if kind is int and float(value) != number:
            raise ConfigError(f"{where}={value!r} is not a whole number")
        return number
    return value
