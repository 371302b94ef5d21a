"""The lock under which modules, files and tables are loaded; a fork waits until it is free.

A fork copies only the thread that calls it. What another thread held at that moment, a lock of ours
or Python's lock of a module that it was importing, would stay locked in the child for ever.
"""

from __future__ import annotations

import os
from threading import RLock

LOADING = RLock()
os.register_at_fork(
    before=LOADING.acquire, after_in_parent=LOADING.release, after_in_child=LOADING.release
)
