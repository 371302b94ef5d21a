"""The crop's kernels in NumPy: the reference implementation of `compiled`."""

from labelcodec.augmentation.crop.reference.fractions import whole_pixels
from labelcodec.augmentation.crop.reference.resize import crop_resize, pool_resize
from labelcodec.augmentation.crop.reference.stream import box_decode, box_encode

__all__ = ["box_decode", "box_encode", "crop_resize", "pool_resize", "whole_pixels"]
