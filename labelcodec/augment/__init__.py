"""Augmentations drawn from a seed, the same bits on every machine (SPEC, section 12).

Numpy only: a reader draws with it what a seeded file does not store. What is drawn is applied to
images by `labelcodec.replay`.
"""
