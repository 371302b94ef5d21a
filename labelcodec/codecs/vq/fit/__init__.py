"""Fitting of the vq codec: what only an encoder needs."""
