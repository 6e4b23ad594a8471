"""Reading ECG files."""

from ._batch import read_ecgs
from ._ecg import ECG, ECGFormatError
from ._read import read_ecg

__all__ = ["ECG", "ECGFormatError", "read_ecg", "read_ecgs"]
