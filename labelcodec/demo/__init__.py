"""Demos on embedded data: a round trip of real labels, and the full pipeline on drawn images."""
