"""DICOM waveforms (PS3.3 C.10.9): rhythm and median beat of an ECG object."""

import re
from datetime import datetime
from functools import partial

import numpy as np

from skecg.leads import match_lead

from ._ecg import ECGFormatError, Stored, check_size, millivolt_per

# Lead numbers of SCP-ECG and IEEE 11073-10102, which the codes of PS3.16 CID 3001 end in.
_LEADS = dict(enumerate(("I", "II", "V1", "V2", "V3", "V4", "V5", "V6"), start=1))
_LEADS |= {61: "III", 62: "aVR", 63: "aVL", 64: "aVF", 65: "-aVR"}

_FIDUCIAL = "5.7.1-3"  # code of scheme SCPECG
_YEARS = {"Y": 1, "M": 1 / 12, "W": 7 / 365.25, "D": 1 / 365.25}
# Items of sequences: an ECG has some hundreds; pydicom takes half a kB for an empty one of 8 B.
_MAX_ITEMS = 10_000
_ITEMS = (b"\xfe\xff\x00\xe0", b"\xff\xfe\xe0\x00")  # little- and big-endian
_IDENTIFIERS = (
    "PatientName",
    "PatientID",
    "OtherPatientIDs",
    "PatientBirthDate",
    "AccessionNumber",
    "StudyInstanceUID",
    "SOPInstanceUID",
)


def is_dicom(head):
    """Return whether a file that begins with these bytes is DICOM."""
    return head[128:132] == b"DICM"


def read_dicom(path):
    """Read a DICOM object that holds an ECG."""
    try:
        import pydicom
    except ImportError as error:
        raise ImportError(
            "Reading DICOM needs the pydicom package: pip install 'skecg[dicom]'"
        ) from error
    syntax = pydicom.filereader.read_file_meta_info(path).get("TransferSyntaxUID")
    if syntax == pydicom.uid.DeflatedExplicitVRLittleEndian:
        raise ECGFormatError("is compressed as a whole (deflated), which is not read.")
    with path.open("rb") as file:
        parts = iter(partial(file.read, 2**20), b"")
        if sum(part.count(item) for part in parts for item in _ITEMS) > _MAX_ITEMS:
            raise ECGFormatError(f"holds more than {_MAX_ITEMS} items of sequences.")
    return _read_dataset(pydicom.dcmread(path))


def _read_dataset(dataset):
    groups = dataset.get("WaveformSequence")
    if not groups:
        kind = getattr(dataset.get("SOPClassUID"), "name", "unknown kind")
        raise ECGFormatError(f"is a DICOM object without waveforms ({kind}).")
    median = [i for i, group in enumerate(groups) if _is_median(group)]
    rhythm = [i for i in range(len(groups)) if i not in median]
    if not rhythm:
        raise ECGFormatError("holds a median beat, but no recording.")
    chosen = max(rhythm, key=lambda i: _rank(groups[i]))
    signal, leads, notes = _read_group(dataset, chosen)
    if len(rhythm) > 1:
        notes.append(f"{len(rhythm) - 1} further groups of waveforms are not read")
    acquired = _acquired(dataset)
    stored = Stored(
        signal=signal,
        sampling_rate=float(groups[chosen].SamplingFrequency),
        leads=leads,
        highpass=_filter(groups[chosen], "FilterLowFrequency", max),
        lowpass=_filter(groups[chosen], "FilterHighFrequency", min),
        notch=_filter(groups[chosen], "NotchFilterFrequency", min),
        age=_age(dataset, acquired),
        sex={"M": "M", "F": "F"}.get(dataset.get("PatientSex")),
        acquired=acquired,
        identifiers={key: str(dataset[key].value) for key in _IDENTIFIERS if dataset.get(key)},
        notes=notes,
    )
    if median:
        stored.median, stored.median_leads, more = _read_group(dataset, median[0])
        stored.median_sampling_rate = float(groups[median[0]].SamplingFrequency)
        stored.median_r_index = _fiducial(dataset, median[0], groups[median[0]])
        notes += [f"median beat: {note}" for note in more]
    return stored


def _is_median(group):
    label = str(group.get("MultiplexGroupLabel", "")).upper()
    if re.search("MEDIAN|REPRESENTATIVE|AVERAGE|TEMPLATE", label):
        return True
    return group.get("WaveformOriginality") == "DERIVED" and "RHYTHM" not in label


def _rank(group):
    leads = {match_lead(_lead(channel)) for channel in group.ChannelDefinitionSequence} - {None}
    label = str(group.get("MultiplexGroupLabel", "")).upper()
    return "RHYTHM" in label, len(leads), int(group.NumberOfWaveformSamples)


def _missing(samples, group):
    """Return where samples are missing: at the padding value and at the lowest of the type."""
    missing = samples == np.iinfo(samples.dtype).min if samples.dtype.kind == "i" else False
    padding = group.get("WaveformPaddingValue")
    if isinstance(padding, bytes):
        padding = int.from_bytes(padding, "little", signed=samples.dtype.kind == "i")
    if padding is None:
        return missing & np.ones(samples.shape, dtype=bool)
    padded = samples == padding
    # Some recorders declare 0, which is a voltage like any other unless all channels have it.
    return missing | (padded if padding else padded.all(axis=0))


def _read_group(dataset, index):
    from pydicom.waveforms import multiplex_array

    group = dataset.WaveformSequence[index]
    channels = group.ChannelDefinitionSequence
    n_leads, n_times = int(group.NumberOfWaveformChannels), int(group.NumberOfWaveformSamples)
    check_size(n_leads, n_times)
    kind = group.WaveformSampleInterpretation
    if kind in ("MB", "AB"):
        raise ECGFormatError("holds samples in mu-law or A-law, which is not read.")
    needed = n_leads * n_times * group.WaveformBitsAllocated // 8
    if len(group.WaveformData) < needed or len(channels) != n_leads:
        raise ECGFormatError(
            f"claims {n_leads} channels of {n_times} samples, which take {needed} bytes, but holds "
            f"{len(channels)} channels in {len(group.WaveformData)} bytes."
        )
    samples = multiplex_array(dataset, index, as_raw=True).T
    if not dataset.original_encoding[1]:  # big-endian, which pydicom takes for little
        samples = samples.byteswap()
    signal = np.empty((n_leads, n_times), dtype=np.float32)
    notes = []
    for row, raw, channel in zip(signal, samples, channels, strict=True):
        gain, baseline = _calibration(channel)
        row[:] = raw * gain + baseline
        if float(channel.get("ChannelSampleSkew") or 0):
            notes = ["channels were sampled one after the other, which is left as it is"]
    signal[_missing(samples, group)] = np.nan
    return signal, [_lead(channel) for channel in channels], notes


def _calibration(channel):
    if channel.get("ChannelSensitivity") is None or not channel.get(
        "ChannelSensitivityUnitsSequence"
    ):
        raise ECGFormatError(f"does not tell the unit of channel {_lead(channel)}.")
    factor = millivolt_per(channel.ChannelSensitivityUnitsSequence[0].get("CodeValue"))
    correction = channel.get("ChannelSensitivityCorrectionFactor")
    gain = float(channel.ChannelSensitivity) * float(1 if correction is None else correction)
    if not gain > 0:
        raise ECGFormatError(f"gives channel {_lead(channel)} a sensitivity of {gain:g}.")
    return gain * factor, float(channel.get("ChannelBaseline") or 0) * factor


def _lead(channel):
    source = (channel.get("ChannelSourceSequence") or [{}])[0]
    number = re.fullmatch(r"(5\.6\.3-9-|2:)(\d+)", str(source.get("CodeValue", "")))
    if number and int(number[2]) in _LEADS:
        return _LEADS[int(number[2])]
    names = (source.get("CodeValue"), source.get("CodeMeaning"), channel.get("ChannelLabel"))
    names = [str(name) for name in names if name]
    known = [name for name in names if match_lead(name)]
    return (known or names[::-1] or ["unnamed"])[0]


def _filter(group, keyword, worst):
    values = [float(c.get(keyword) or 0) for c in group.ChannelDefinitionSequence]
    values = [value for value in values if value > 0]  # 0 stands for none or for not known
    return worst(values) if values else None


def _fiducial(dataset, index, group):
    # Both are counted from 1.
    positions = [group.get("TriggerSamplePosition")]
    for item in dataset.get("WaveformAnnotationSequence") or []:
        code = (item.get("ConceptNameCodeSequence") or [{}])[0].get("CodeValue")
        if code == _FIDUCIAL and (item.get("ReferencedWaveformChannels") or [0])[0] == index + 1:
            positions.append(item.get("ReferencedSamplePositions"))
    for position in positions:
        if isinstance(position, int) and 1 <= position <= int(group.NumberOfWaveformSamples):
            return position - 1
    return None


def _acquired(dataset):
    from pydicom.valuerep import DT

    pairs = (("AcquisitionDate", "AcquisitionTime"), ("ContentDate", "ContentTime"))
    texts = [dataset.get("AcquisitionDateTime") or ""]
    texts += [f"{dataset.get(day) or ''}{dataset.get(time) or ''}" for day, time in pairs]
    for text in texts:
        if re.match(r"\d{12}", str(text)):
            return DT(str(text))
    return None


def _age(dataset, acquired):
    age = re.fullmatch(r"(\d{1,3})([YMWD])", str(dataset.get("PatientAge") or ""))
    if age:
        return int(age[1]) * _YEARS[age[2]]
    born = str(dataset.get("PatientBirthDate") or "")
    if acquired is None or not re.fullmatch(r"\d{8}", born):
        return None
    years = (acquired.replace(tzinfo=None) - datetime.strptime(born, "%Y%m%d")).days / 365.25
    return years if 0 <= years < 130 else None
