"""Worker processes: a map that is shared with them, and what results come back through."""

from labelcodec.workers.pool import ordered_map

__all__ = ["ordered_map"]
