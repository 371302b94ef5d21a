"""How labels and augmentations are turned into bytes and back; one file a codec."""
