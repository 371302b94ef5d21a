"""Data augmentation: the parts of an augmentation, seeded draws, storage and replay.

Each part (crop, flip, mix, cutout, RandAugment) is one module or package; `parts` lists them.
Draws from a seed use NumPy alone and give the same bits on every machine (SPEC, section 12), so
that a reader can draw again what a seeded file does not store.
"""
