"""Diversity of image sets in a model's features: similarity within classes, and MMD."""
