"""Codec specs, `name:key=value,…`, parsed here and nowhere else."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, cast, get_args, get_type_hints

from labelcodec.codecs.dense import Dense
from labelcodec.codecs.interface import Codec
from labelcodec.codecs.topk import TopK
from labelcodec.codecs.transform import Transform
from labelcodec.errors import ConfigError, UnsupportedError

CODECS: dict[str, type[Codec]] = {
    "dense": cast("type[Codec]", Dense),
    "topk": cast("type[Codec]", TopK),
    "transform": cast("type[Codec]", Transform),
}

EXAMPLES = {
    "dense": ("dense",),
    "topk": ("topk:k=50", "topk:k=10,step=0.25"),
    "transform": (
        "transform:bytes=30",
        "transform:tv4=0.1,kl1=0.25",
        "transform:rank=32,step=8,peaks=10",
    ),
}


@dataclasses.dataclass(frozen=True)
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
    """
    name, _, rest = spec.partition(":")
    if name not in CODECS:
        raise ConfigError(f"unknown codec {name!r}; known are {', '.join(CODECS)}")
    config: dict[str, Any] = {}
    for part in filter(None, rest.split(",")):
        key, equals, value = part.partition("=")
        if not equals or not value:
            raise ConfigError(f"codec spec {spec!r}: expected key=value, found {part!r}")
        if key in config:
            raise ConfigError(f"codec spec {spec!r}: {key} is given twice")
        config[key] = value
    return _build(name, config, spec)


def from_config(name: str, config: Mapping[str, Any], where: str) -> Codec:
    """The codec that a container's header names.

    Raises:
        UnsupportedError: this version does not know the codec or one of its keys.
    """
    if name not in CODECS:
        raise UnsupportedError(f"{where}: codec {name!r} is not known to this version")
    try:
        return _build(name, config, where)
    except ConfigError as error:
        raise UnsupportedError(f"{where}: {error}") from None


def config_of(codec: Codec) -> dict[str, Any]:
    """The keys that differ from their defaults, for the header."""
    fields = dataclasses.fields(cast(Any, codec))
    values = {field.name: getattr(codec, field.name) for field in fields}
    return {
        field.name: values[field.name] for field in fields if values[field.name] != field.default
    }


def spec_of(codec: Codec) -> str:
    """The spec that `parse` takes."""
    items = config_of(codec).items()
    keys = ",".join(f"{key}={str(value).removesuffix('.0')}" for key, value in items)
    return f"{codec.name}:{keys}" if keys else codec.name


def describe() -> list[CodecInfo]:
    """All codecs, their keys and examples."""
    infos = []
    for name, kind in CODECS.items():
        doc = (kind.__doc__ or "").split("Attributes:")
        meaning = _attribute_docs(doc[1]) if len(doc) > 1 else {}
        keys = {
            field.name: (field.default, meaning.get(field.name, ""))
            for field in dataclasses.fields(cast(Any, kind))
        }
        infos.append(CodecInfo(name, SUMMARIES[name], keys, EXAMPLES[name]))
    return infos


SUMMARIES = {
    "dense": "every logit, bit for bit",
    "topk": "the k largest logits and their classes, bit for bit or rounded to a step",
    "transform": "all logits in a fitted basis, the most important ones corrected; lossy, tiny",
}


def _attribute_docs(text: str) -> dict[str, str]:
    """Attribute -> description out of a Google-style docstring."""
    found: dict[str, str] = {}
    key = ""
    for line in text.splitlines():
        name, colon, rest = line.strip().partition(":")
        if colon and name.isidentifier():
            key, found[name] = name, rest.strip()
        elif key and line.strip():
            found[key] += " " + line.strip()
    return found


def _build(name: str, config: Mapping[str, Any], where: str) -> Codec:
    kind = CODECS[name]
    hints = get_type_hints(kind)
    known = {field.name for field in dataclasses.fields(cast(Any, kind))}
    if unknown := set(config) - known:
        allowed = ", ".join(sorted(known)) or "none"
        raise ConfigError(f"{where}: {name} has no key {sorted(unknown)[0]!r}; keys: {allowed}")
    values = {key: _convert(value, hints[key], f"{where}: {key}") for key, value in config.items()}
    return kind(**values)


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
