"""Every byte of the container that is not payload: magic, version, structs, tags, limits.

All integers are little-endian. The magic and the version numbers are defined here only.
"""

from __future__ import annotations

from struct import Struct

MAGIC = b"\x89SLC\r\n\x1a\n"
END_MAGIC = b"SLC\x1a"
MAJOR = 1
MINOR = 2

PREAMBLE = Struct(
    "<"
    "8s"  # 0  magic
    "H"  # 8  major version
    "H"  # 10 minor version
)  # 12 bytes, at the start of the file
FRAME = Struct(
    "<"
    "c"  # 0  tag, one ASCII letter
    "I"  # 1  payload length in bytes
    "I"  # 5  CRC-32 (zlib) of tag, length and payload
)  # 9 bytes, in front of every payload
TRAILER = Struct(
    "<"
    "Q"  # 0  byte offset of the index record's tag
    "I"  # 8  size of the index record in bytes, frame included
    "I"  # 12 CRC-32 of the preamble followed by the 12 bytes above
    "4s"  # 16 end magic
)  # 20 bytes, the last ones of the file
SIDE = Struct("<H")  # 2 bytes, first in the payload of a side record and of a batch: side number

CHECKED = 5  # leading bytes of a frame that its CRC covers (tag and length)
TRAILER_CHECKED = 12  # leading bytes of the trailer that its CRC covers

HEADER = b"H"  # msgpack map; exactly one, the first record
SIDE_INFORMATION = b"S"  # numbered 0, 1, ... in file order
BATCH = b"B"
INDEX = b"I"  # exactly one, the last record
NAMES = b"n"  # at most one
KNOWN = (HEADER, SIDE_INFORMATION, BATCH, INDEX, NAMES)

MIB = 1 << 20
_LIMITS = {HEADER: MIB, NAMES: 64 * MIB}
_OTHER_LIMIT = 256 * MIB
MAX_SECTIONS = 1 << 16  # records that are neither batches nor the index, the header included
MAX_SAMPLES = 1 << 20
MAX_NUMBER = (1 << 63) - 1  # batch numbers and epochs are int64

# A batch: frame, side number, and at least one byte for samples, number and epoch each.
MIN_BATCH = FRAME.size + SIDE.size + 3


def limit(tag: bytes) -> int:
    """Largest payload, in bytes, of a record with this tag."""
    return _LIMITS.get(tag, _OTHER_LIMIT)


def is_critical(tag: bytes) -> bool:
    """Whether a reader that does not know `tag` must refuse the file (upper case, as in PNG)."""
    return tag.isupper()
