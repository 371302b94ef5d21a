"""Measured sizes of everything in a container except its labels, for which see `codecs.cost`."""

CHECKED_CLASSES = (100, 1000)  # class counts at which the predictions were verified on real labels

# Bytes per file and per batch, without labels and augmentation F.
FRAMING, FRAMING_BATCH = 730, 38
CROP = 3.24  # bytes per sample, for source images of 224 x 224 pixels
BOX = 6.1  # bytes per CutMix box
COLUMN_HEAD = 2  # bytes of the header of a packed column
