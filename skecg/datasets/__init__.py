"""Simulated and public sets of ECGs."""

from ._omi import make_omi
from ._ptbxl import load_ptbxl

__all__ = ["load_ptbxl", "make_omi"]
