"""Damaged files of every format: an error that names the file, or an ECG, and nothing else."""

import binascii
import random

import edfio
import numpy as np
import pytest

from skecg.io import ECGFormatError, read_ecg
from skecg.leads import LEADS

REAL = {
    "aecg": "formats/aecg/liryc_hl7aecg_example.xml",
    "dicom": "formats/dicom/cardio_sample.dcm",
    "muse": "formats/ge_muse/braveheart_example1.xml",
    "schiller": "formats/schiller/cardio_sample_schiller.xml",
    "scp": "formats/scp/ecgtoolkit_Example.scp",
    "sierra": "formats/philips_sierra/1_04_3191723_ZZDEMOPTONLY.xml",
    "header": "ptbxl/records500/00000/00001_hr.hea",
}
N_FILES = 25
TOLD = {"csv": {"sampling_rate": 500, "unit": "mV"}}
TOLD["npy"] = TOLD["csv"] | {"leads": LEADS}
EXTREMES = [b"\xff\xff\xff\xff", b"\0\0\0\0", b"\xff\xff\xff\x7f", b"\0\0\0\x80", b"9999", b"-1  "]


def made(kind, folder):
    """Write a sound file of a format of which there is no real one."""
    signal = np.random.default_rng(0).normal(size=(12, 400))
    path = folder / f"sound.{kind}"
    if kind == "npy":
        np.save(path, signal)
    elif kind == "csv":
        np.savetxt(path, signal.T, "%.3f", ",", header=",".join(LEADS), comments="")
    else:
        signals = [
            edfio.EdfSignal(lead, 100, label=name, physical_dimension="mV")
            for lead, name in zip(signal, LEADS, strict=True)
        ]
        edfio.Edf(signals).write(path)
    return path.read_bytes()


def damage(content, rng):
    """Change a few places, mostly of the beginning, where sizes and counts are."""
    content = bytearray(content)
    for _ in range(rng.choice([1, 2, 8])):
        at = rng.randrange(min(len(content), 3000) if rng.random() < 0.7 else len(content))
        kind = rng.randrange(5)
        if kind == 0:
            content[at] = rng.randrange(256)
        elif kind == 1:
            content[at : at + 4] = rng.choice(EXTREMES)
        elif kind == 2:
            del content[at : at + rng.randrange(1, 200)]
        elif kind == 3:
            content[at:at] = rng.randbytes(rng.randrange(1, 50))
        else:
            del content[at:]
        content = content or bytearray(b"\0")
    return content


def with_checksum(record):
    """Return an SCP-ECG record with length and checksum put right, so that the rest is read."""
    body = len(record).to_bytes(4, "little") + record[6:]
    return binascii.crc_hqx(bytes(body), 0xFFFF).to_bytes(2, "little") + body


@pytest.mark.parametrize("kind", [*REAL, "csv", "edf", "npy"])
def test_damage_is_an_error_that_names_the_file_or_an_ecg(data_dir, tmp_path, kind):
    rng = random.Random(kind)
    content = (data_dir / REAL[kind]).read_bytes() if kind in REAL else made(kind, tmp_path)
    path = tmp_path / ("00001_hr.hea" if kind == "header" else "damaged")
    if kind == "header":
        signal = (data_dir / REAL[kind]).with_suffix(".dat")
        path.with_suffix(".dat").write_bytes(signal.read_bytes())
    refused = []
    for _ in range(N_FILES):
        damaged = damage(content, rng)
        path.write_bytes(with_checksum(damaged) if kind == "scp" else damaged)
        try:
            ecg = read_ecg(path, **TOLD.get(kind, {}))
        except (ECGFormatError, FileNotFoundError) as error:
            refused.append(str(error))
        else:
            assert ecg.signal.shape[0] == 12
            assert not np.isinf(ecg.signal).any()
            assert 0 < ecg.sampling_rate < np.inf
    assert refused
    assert all(str(tmp_path) in error for error in refused)


@pytest.mark.parametrize("size", [1, 8, 40, 300])
@pytest.mark.parametrize("begin", [b"", b"\0" * 128 + b"DICM", b"<AnnotatedECG", b"0       "])
def test_noise_is_refused_by_name(tmp_path, begin, size):
    path = tmp_path / "noise"
    rng = random.Random(size)
    for _ in range(10):
        path.write_bytes(begin + rng.randbytes(size))
        with pytest.raises(ECGFormatError, match="noise"):
            read_ecg(path)
