"""The transform codec: coefficients in a fitted basis plus corrected classes (SPEC, section 9)."""

from labelcodec.codecs.transform.codec import Transform

__all__ = ["Transform"]
