"""Token sequences to streams and back (SPEC, section 18)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import zstandard
from numpy.typing import NDArray

from labelcodec.augmentation.flip import decode_flip, encode_flip
from labelcodec.entropy import packing, varint
from labelcodec.errors import CorruptError, DataError
from labelcodec.sequences.data import DIGEST, Sequences
from labelcodec.streams import Stream
from labelcodec.wording import counted

SEQUENCES = Stream(12, "sequences", "#a6a6a6")
TOKENS = Stream(13, "token ids", "#595959")
LOSS_MASK = Stream(14, "loss mask", "#d9d9d9")
WITH_DIGESTS, WITH_PROMPTS, WITH_NAMES = 1, 2, 4
KNOWN = WITH_DIGESTS | WITH_PROMPTS | WITH_NAMES
MAX_NAME_BYTES = 1 << 24  # names of a batch, decompressed


def encode_sequences(sequences: Sequences, image_index: NDArray[np.int64]) -> dict[Stream, bytes]:
    """The streams of a batch's sequences, without their token ids.

    Args:
        sequences: of the batch.
        image_index: (B,) number of the sequence of each sample.

    Raises:
        DataError: a name that cannot be stored.
    """
    columns = [image_index[sequences.first], sequences.length, sequences.start]
    has = 0
    if sequences.digest is not None:
        has |= WITH_DIGESTS
    if sequences.prompt is not None:
        has |= WITH_PROMPTS
        columns.append(sequences.prompt)
    if sequences.names is not None:
        has |= WITH_NAMES
    content = [varint.encode(len(sequences)), bytes([has]), *map(packing.pack_ints, columns)]
    if sequences.digest is not None:
        content.append(sequences.digest.tobytes())
    if sequences.names is not None:
        content.append(_packed_names(sequences.names))
    streams = {SEQUENCES: b"".join(content)}
    if sequences.mask is not None:
        streams[LOSS_MASK] = encode_flip(sequences.mask)
    return streams


def decode_sequences(
    streams: Mapping[Stream, memoryview], samples: int
) -> tuple[NDArray[np.int64], Sequences]:
    """The number of the sequence of each sample, (B,), and the sequences without token ids.

    Args:
        streams: the batch's streams, of which `SEQUENCES` is there.
        samples: B.

    Raises:
        CorruptError: a malformed stream.
    """
    data = streams[SEQUENCES]
    count, position = varint.decode(data, 0)
    has = data[position] if position < len(data) else KNOWN + 1
    if not 0 < count <= samples or has & ~KNOWN:
        raise CorruptError(f"{counted(count, 'sequence')} of {counted(samples, 'sample')}")
    rest = data[position + 1 :]
    columns = []
    for _ in range(4 if has & WITH_PROMPTS else 3):
        column, rest = packing.unpack_ints(rest, count)
        if column.min() < 0:
            raise CorruptError("a negative number in the sequences of a batch")
        columns.append(column)
    number, length, start = columns[:3]
    if (length < 1).any() or (length > samples).any() or int(length.sum()) != samples:
        raise CorruptError(f"sequences that do not have {counted(samples, 'sample')} in all")
    digest = None
    if has & WITH_DIGESTS:
        if len(rest) < DIGEST * count:
            raise CorruptError("the digests of the sequences are cut off")
        digest = np.frombuffer(rest[: DIGEST * count], np.uint8).reshape(count, DIGEST)
        rest = rest[DIGEST * count :]
    names = None
    if has & WITH_NAMES:
        names, rest = _unpacked_names(rest, count), rest[len(rest) :]
    if len(rest):
        raise CorruptError(f"{counted(len(rest), 'byte')} too many behind the sequences")
    sequences = Sequences(
        length,
        start,
        digest,
        names,
        mask=decode_flip(streams[LOSS_MASK], samples) if LOSS_MASK in streams else None,
        prompt=columns[3] if has & WITH_PROMPTS else None,
    )
    return np.repeat(number, length), sequences


def _packed_names(names: tuple[str, ...]) -> bytes:
    if broken := next((name for name in names if "\n" in name), None):
        raise DataError(f"a sequence name with a line feed: {broken!r:.80}")
    try:
        text = "\n".join(names).encode()
    except UnicodeEncodeError as error:
        raise DataError(f"a sequence name that is not UTF-8: {error.object!r:.80}") from None
    if len(text) > MAX_NAME_BYTES:
        raise DataError(
            f"{len(text)} bytes of sequence names, at most {MAX_NAME_BYTES} fit a batch"
        )
    return bytes(zstandard.compress(text, 9))


def _unpacked_names(data: memoryview, count: int) -> tuple[str, ...]:
    try:
        size = zstandard.frame_content_size(data)
    except zstandard.ZstdError as error:
        raise CorruptError(f"broken sequence names: {error}") from None
    if not 0 <= size <= MAX_NAME_BYTES:
        raise CorruptError(f"{size} bytes of sequence names")
    try:
        names = tuple(packing.decompress(data, size).decode().split("\n"))
    except UnicodeDecodeError:
        raise CorruptError("sequence names that are not UTF-8") from None
    if len(names) != count:
        raise CorruptError(f"{counted(len(names), 'name')} of {counted(count, 'sequence')}")
    return names
