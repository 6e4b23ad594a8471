"""Simulated and public sets of ECGs."""

from ._acs import load_acs_ecg
from ._fetch import (
    fetch_acs_ecg,
    fetch_ludb,
    fetch_mimic_iv_ecg,
    fetch_ptbxl,
    fetch_staff3,
)
from ._ludb import load_ludb
from ._mimic import load_mimic_iv_ecg
from ._omi import make_omi
from ._ptbxl import load_ptbxl
from ._staff3 import load_staff3

__all__ = [
    "fetch_acs_ecg",
    "fetch_ludb",
    "fetch_mimic_iv_ecg",
    "fetch_ptbxl",
    "fetch_staff3",
    "load_acs_ecg",
    "load_ludb",
    "load_mimic_iv_ecg",
    "load_ptbxl",
    "load_staff3",
    "make_omi",
]
