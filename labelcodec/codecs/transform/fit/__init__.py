"""Fitting of the transform codec's tables: what only an encoder needs."""
