"""Damaged files of every format: an error that names the file, or an ECG, and nothing else."""

import random

import edfio
import numpy as np
import pytest
from mutations import mutate, mutate_record

from skecg.io import ECGFormatError, read_ecg
from skecg.leads import LEADS

REAL = {
    "aecg": "formats/aecg/liryc_hl7aecg_example.xml",
    "dicom": "formats/dicom/cardio_sample.dcm",
    "muse": "formats/ge_muse/braveheart_example1.xml",
    "schiller": "formats/schiller/cardio_sample_schiller.xml",
    "scp": "formats/scp/ecgtoolkit_Example.scp",
    "sierra": "formats/philips_sierra/1_04_3191723_ZZDEMOPTONLY.xml",
}
N_FILES = 25
TOLD = {"csv": {"sampling_rate": 500, "unit": "mV"}}
TOLD["npy"] = TOLD["csv"] | {"leads": LEADS}


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


@pytest.mark.parametrize("kind", [*REAL, "csv", "edf", "npy"])
def test_damage_is_an_error_that_names_the_file_or_an_ecg(data_dir, tmp_path, kind):
    rng = random.Random(kind)
    content = (data_dir / REAL[kind]).read_bytes() if kind in REAL else made(kind, tmp_path)
    refused = []
    for _ in range(N_FILES):
        path = tmp_path / "damaged"
        path.write_bytes(mutate(content, kind, rng)[0])
        try:
            ecg = read_ecg(path, **TOLD.get(kind, {}))
        except ECGFormatError as error:
            refused.append(str(error))
        else:
            assert ecg.signal.shape[0] == 12
            assert not np.isinf(ecg.signal).any()
            assert 0 < ecg.sampling_rate < np.inf
    assert refused
    assert all(str(tmp_path) in error for error in refused)


def read_or_refuse(path, strict):
    try:
        return read_ecg(path, strict=strict).signal, ""
    except (ECGFormatError, FileNotFoundError) as error:
        return None, str(error)


def test_no_damaged_record_gives_another_signal_with_strict(data_dir, tmp_path):
    rng = random.Random(0)
    source = data_dir / "ptbxl/records500/00000/00001_hr.hea"
    header, data = source.read_bytes(), source.with_suffix(".dat").read_bytes()
    original = read_ecg(source, strict=True).signal
    path = tmp_path / source.name
    n_other, wrong, errors = 0, [], []
    for _ in range(8 * N_FILES):
        new_header, new_data, names = mutate_record(header, data, rng)
        path.write_bytes(new_header)
        path.with_suffix(".dat").write_bytes(new_data)
        plain, error = read_or_refuse(path, strict=False)
        strict, strict_error = read_or_refuse(path, strict=True)
        n_other += plain is not None and not np.array_equal(plain, original)
        if strict is not None and not np.array_equal(strict, original):
            wrong.append(names)
        errors += [error, strict_error]
    assert n_other > N_FILES
    assert wrong == []
    assert all(str(tmp_path) in error for error in errors if error)


@pytest.mark.parametrize("size", [1, 8, 40, 300])
@pytest.mark.parametrize("begin", [b"", b"\0" * 128 + b"DICM", b"<AnnotatedECG", b"0       "])
def test_noise_is_refused_by_name(tmp_path, begin, size):
    path = tmp_path / "noise"
    rng = random.Random(size)
    for _ in range(10):
        path.write_bytes(begin + rng.randbytes(size))
        with pytest.raises(ECGFormatError, match="noise"):
            read_ecg(path)
