"""transform: coefficients in a fitted basis, and corrections of the largest errors (SPEC 9)."""

from labelcodec.codecs.transform.codec import Transform

__all__ = ["Transform"]
