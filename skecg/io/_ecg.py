"""What a file holds as stored, and the ECG that comes of it."""

from dataclasses import dataclass, field
from datetime import datetime

import numpy as np

from skecg.leads import LEADS

MAX_VALUES = 2**27  # leads x samples of one recording: 12 leads of 500 Hz for 6 hours

_MILLIVOLT = {"V": 1e3, "MV": 1.0, "UV": 1e-3, "NV": 1e-6}
_MILLIVOLT |= {"MILLIVOLTS": 1.0, "MICROVOLTS": 1e-3, "NANOVOLTS": 1e-6}  # as XML has it
_MICRO = str.maketrans({"\N{MICRO SIGN}": "u", "\N{GREEK SMALL LETTER MU}": "u"})


class ECGFormatError(ValueError):
    """A file that is no ECG of a known format, or is damaged; the message names file and cause."""


def millivolt_per(unit):
    """Return how many mV one `unit` is: V, mV, uV or nV, in any case and with any micro sign."""
    try:
        return _MILLIVOLT[str(unit).strip().translate(_MICRO).upper()]
    except KeyError:
        raise ECGFormatError(
            f"gives the unit {str(unit)[:40]}; V, mV, uV or nV are known."
        ) from None


def check_size(n_leads, n_times):
    """Refuse what a header claims before memory is taken for it."""
    if n_leads < 1 or n_times < 1:
        raise ECGFormatError(f"holds {n_leads} leads of {n_times} samples.")
    if n_leads * n_times > MAX_VALUES:
        raise ECGFormatError(
            f"claims {n_leads} leads of {n_times} samples; more than {MAX_VALUES} values are "
            "not read."
        )


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
    """One 12-lead recording in standard form, as `read_ecg` returns it.

    Attributes
    ----------
    signal : ndarray of shape (12, n_times), float32
        Voltages in mV, leads in the order of `skecg.leads.LEADS`. Missing samples are NaN.
    sampling_rate : float
        In Hz.
    format : str
        Format of the file.
    leads : tuple of str
        Names of the rows: `skecg.leads.LEADS`.
    derived_leads : tuple of str
        Limb leads that the file does not hold and that were computed from two others.
    missing_leads : tuple of str
        Leads that cannot be had; their rows are NaN.
    median : ndarray of shape (12, n_median_times), float32, or None
        The recorder's own median (representative) beat in mV, as stored.
    median_sampling_rate : float or None
        Of the median beat, in Hz.
    median_r_index : int or None
        Sample of R, or of the recorder's fiducial point, in `median` where the file tells.
    highpass, lowpass, notch : float or None
        The recorder's filters in Hz; None where the file does not tell.
    age : float or None
        In years.
    sex : {"M", "F"} or None
        Of the patient.
    acquired : datetime or None
        When the recording began, by the recorder's clock, without time zone.
    identifiers : dict or None
        Names and numbers that point to a person, if they were asked for.
    notes : tuple of str
        What was doubtful in the file or done to it, in words.
    """

    signal: np.ndarray
    sampling_rate: float
    format: str
    leads: tuple = LEADS
    derived_leads: tuple = ()
    missing_leads: tuple = ()
    median: np.ndarray | None = None
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

    @property
    def st_reliable(self):
        """Whether the recorder's high-pass leaves the ST segment alone; None if it is not told.

        A causal high-pass may have no more than 0.05 Hz [1]_. No format tells whether the
        filter was causal.

        References
        ----------
        .. [1] Kligfield et al., "Recommendations for the standardization and interpretation
           of the electrocardiogram, part I", Circulation 115:1306, 2007.
        """
        return None if self.highpass is None else round(self.highpass, 3) <= 0.05

    def __repr__(self):
        seconds = self.signal.shape[1] / self.sampling_rate
        median = "no median" if self.median is None else "median"
        return (
            f"<ECG of 12 leads, {seconds:.4g} s at {self.sampling_rate:g} Hz, {median}, "
            f"from {self.format}, {len(self.notes)} notes>"
        )
