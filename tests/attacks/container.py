"""Hostile containers, one function an abuse; all checksums are right unless the name says no.

Each file gets as far as it can. What a reader must say of it stands beside its name.
"""

from __future__ import annotations

from tests.attacks import frames, indices, places, records
from tests.attacks.file import Attacks

MODULES = (frames, places, indices, records)
ATTACKS: Attacks = {name: what for module in MODULES for name, what in module.ATTACKS.items()}
