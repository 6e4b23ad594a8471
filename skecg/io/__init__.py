"""Reading ECG files."""

from ._ecg import ECG, ECGFormatError
from ._read import read_ecg

__all__ = ["ECG", "ECGFormatError", "read_ecg"]
