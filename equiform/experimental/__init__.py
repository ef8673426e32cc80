"""Experimental: works and is tested, but may change or go in any release.

Finite groups, which pairwise products do not single out, and a loss that does.
"""

from equiform.experimental.finite import FiniteGroup
from equiform.experimental.pair_orbit import PairOrbitLoss, pair_orbit

__all__ = ["FiniteGroup", "PairOrbitLoss", "pair_orbit"]
