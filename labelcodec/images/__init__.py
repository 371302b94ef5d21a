"""Images that labels refer to: a folder, a tensor file, a `datasets` folder, parquet or tars.

`list_images` opens any of them as an `ImageListing`. `registry` has one row a kind of source; each
kind is one module, which gives an `ImageStore` and says how its images are named and ordered.
"""

from labelcodec.images.classes import ClassNumbers
from labelcodec.images.decoding import check_depth
from labelcodec.images.listing import (
    ImageListing,
    content_digest,
    fingerprint,
    image_sizes,
    listed_order,
)
from labelcodec.images.registry import SOURCES, Source, list_images
from labelcodec.images.store import ImageStore

__all__ = [
    "SOURCES",
    "ClassNumbers",
    "ImageListing",
    "ImageStore",
    "Source",
    "check_depth",
    "content_digest",
    "fingerprint",
    "image_sizes",
    "list_images",
    "listed_order",
]
