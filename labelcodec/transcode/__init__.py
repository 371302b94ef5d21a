"""Conversion of label sets: dump to container, container to dump, codec to codec."""

from labelcodec.transcode.decode_container import DecodeReport, decode
from labelcodec.transcode.encode_batches import EncodeReport
from labelcodec.transcode.encode_dump import encode
from labelcodec.transcode.recode_container import recode

__all__ = ["DecodeReport", "EncodeReport", "decode", "encode", "recode"]
