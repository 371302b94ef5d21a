"""Dumps: directories of soft labels in the layouts of SRe2L, LPLD, LPQLD and FKD."""

from labelcodec.dumps.info import LAYOUTS, Dump, DumpInfo
from labelcodec.dumps.opening import open_dump, write_dump

__all__ = ["LAYOUTS", "Dump", "DumpInfo", "open_dump", "write_dump"]
