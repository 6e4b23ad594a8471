"""Simulated and public sets of ECGs."""

from ._acs import load_acs_ecg
from ._ludb import load_ludb
from ._mimic import load_mimic_iv_ecg
from ._omi import make_omi
from ._ptbxl import load_ptbxl
from ._staff3 import load_staff3

__all__ = [
    "load_acs_ecg",
    "load_ludb",
    "load_mimic_iv_ecg",
    "load_ptbxl",
    "load_staff3",
    "make_omi",
]
