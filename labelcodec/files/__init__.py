"""Atomic file and folder creation, file locks, and errors that name their file."""
