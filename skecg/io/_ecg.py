"""What a file holds as stored, and the ECG that comes of it."""

from dataclasses import dataclass, field
from datetime import datetime

import numpy as np

from skecg.leads import LEADS


class ECGFormatError(ValueError):
    """A file that is no ECG of a known format, or is damaged; the message names file and cause."""


@dataclass
class Stored:
    """What an adapter finds in a file, in the file's own order and spelling of leads.

    Adapters convert units to mV and missing-sample codes to NaN; all else is left to `read_ecg`.
    """

    signal: np.ndarray  # (n_leads, n_times), mV
    sampling_rate: float  # Hz
    leads: list  # n_leads names as spelt in the file
    median: np.ndarray | None = None  # (n_leads, n_times), mV: the vendor's median beat
    median_leads: list | None = None
    median_sampling_rate: float | None = None
    median_r_index: int | None = None  # sample of R (fiducial point) in `median`, where told
    highpass: float | None = None  # Hz
    lowpass: float | None = None  # Hz
    notch: float | None = None  # Hz
    age: float | None = None  # years
    sex: str | None = None  # "M" or "F"
    acquired: datetime | None = None
    identifiers: dict = field(default_factory=dict)  # names and numbers that point to a person
    notes: list = field(default_factory=list)  # what was doubtful, in words


@dataclass(frozen=True, eq=False)
class ECG:
    """One 12-lead recording in standard form, as `read_ecg` returns it."""

    signal: np.ndarray  # (12, n_times) float32, mV
    sampling_rate: float
    format: str
    leads: tuple = LEADS
    derived_leads: tuple = ()
    missing_leads: tuple = ()
    median: np.ndarray | None = None  # (12, n_times) float32, mV
    median_sampling_rate: float | None = None
    median_r_index: int | None = None
    highpass: float | None = None
    lowpass: float | None = None
    notch: float | None = None
    age: float | None = None
    sex: str | None = None
    acquired: datetime | None = None
    identifiers: dict | None = None
    notes: tuple = ()
