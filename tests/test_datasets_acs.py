"""ACS-ECG: a small copy in the published layout, with its quirks."""

import numpy as np
import pandas as pd
import pytest

from skecg.datasets import load_acs_ecg
from skecg.io import read_ecg
from skecg.io._wfdb import read_wfdb
from skecg.leads import LEADS

COLUMNS = [
    "Patient_id", "ecg_row_record", "ecg_med_record", "gender", "age", "Time_Interval", "AMI",
    "OMI", "CTO", "PCI", "NSTEMI", "STEMI", "UA", "LM", "PLAD", "MLAD", "DLAD", "DB", "PLCX",
    "MLCX", "DLCX", "OM", "PRCA", "MRCA", "DRCA", "VF_VT", "Paced", "Prior_PCI",
]  # fmt: skip
KEYS = {"data", "target", "target_names", "groups", "sampling_rate", "table", "DESCR"}
FINDINGS = [
    {"AMI": 1, "OMI": 1, "STEMI": 1, "PLAD": 2},
    {"AMI": 1, "NSTEMI": 1, "OMI": 1},
    {"AMI": 1, "NSTEMI": 1},
    {"UA": 1},
    {},
]
PATIENTS = ["P15456", "P00002", "P00002", "P08823", "P00004"]
RECORDS = ["03228", "00002", "02008", "00010", "14262"]
TEST = "00007"


def counts(i, n_times):
    """Lead k of recording i is a sawtooth about 100 i + k units."""
    return (100 * i + np.arange(12) + np.arange(n_times)[:, None] % 50).astype("<i2")


def write(folder, i, record, n_times=5000, missing=()):
    signal = counts(i, n_times)
    for sample, lead in missing:
        signal[sample, lead] = -32768
    signal.tofile(folder / "row_data" / f"{record}.dat")
    lines = [f"{record} 12 500 5000"]  # also of the short ones
    for k, lead in enumerate(LEADS):  # maximum and minimum for first value and checksum
        high, low = signal[:, k].max(), signal[:, k].min()
        lines.append(f"{record}.dat 16 1000/mV 16 0 {high} {low} 0 {lead}")
    (folder / "row_data" / f"{record}.hea").write_text("\n".join(lines) + "\n")
    counts(i, 500).tofile(folder / "med_data" / f"{record}.med")


@pytest.fixture
def copy(tmp_path):
    """Five ECGs with findings, of which one is short and one lacks a sample; one without."""
    for name in ("CSV", "row_data", "med_data"):
        (tmp_path / name).mkdir()
    base = [
        dict(zip(COLUMNS, [patient, f"{record}.dat", f"{record}.med", 1, 60, 2], strict=False))
        for patient, record in zip([*PATIENTS, "P00009"], [*RECORDS, TEST], strict=True)
    ]
    rows = [row | finding for row, finding in zip(base[:-1], FINDINGS, strict=True)]
    train = pd.DataFrame(rows, columns=COLUMNS).fillna(0)
    train.astype(dict.fromkeys(COLUMNS[6:], int)).to_csv(tmp_path / "CSV/train.csv", index=False)
    pd.DataFrame(base[-1:]).to_csv(tmp_path / "CSV/test.csv", index=False)
    for i, record in enumerate([*RECORDS, TEST]):
        write(
            tmp_path,
            i,
            record,
            n_times=3500 if record == "03228" else 5000,
            missing=[(7, 1)] if record == "02008" else (),
        )
    return tmp_path


def test_class_1_is_occlusion_and_groups_are_patients(copy):
    acs = load_acs_ecg(copy)
    assert set(acs) == KEYS
    assert acs.target.tolist() == [1, 1, 0, 0, 0]
    assert acs.target_names.tolist() == ["not OMI", "OMI"]
    assert acs.groups.tolist() == PATIENTS
    assert acs.target.dtype == np.int64
    assert acs.sampling_rate == 500
    assert acs.table["ecg_row_record"].tolist() == [f"{record}.dat" for record in RECORDS]
    assert acs.table["PLAD"].tolist() == [2, 0, 0, 0, 0]
    assert "5 ECGs of ACS-ECG (train, raw), 500 Hz. OMI against not OMI: 0 ECGs" in acs.DESCR


def test_recordings_are_read_in_spite_of_their_headers(copy):
    data = load_acs_ecg(copy).data
    assert data.shape == (5, 12, 5000)
    assert data.dtype == np.float32
    for i in (1, 3, 4):
        np.testing.assert_allclose(data[i], counts(i, 5000).T / 1000, atol=1e-6)


def test_paths_of_whole_recordings_can_be_read_as_wfdb(copy):
    acs = load_acs_ecg(copy)
    path = load_acs_ecg(copy, as_paths=True).data[1]
    np.testing.assert_array_equal(read_wfdb(path)[0], acs.data[1])


def test_the_reader_of_files_tells_of_a_short_recording_and_of_wrong_checksums(copy):
    ecg = read_ecg(load_acs_ecg(copy, as_paths=True).data[0])
    assert ecg.signal.shape == (12, 3500)
    assert "the file ends after 3500 of 5000 samples" in ecg.notes
    ecg = read_ecg(load_acs_ecg(copy, as_paths=True).data[1])
    assert any(note.endswith("differ from the header's checksum") for note in ecg.notes)


def test_a_short_recording_ends_in_nan_and_a_missing_sample_is_nan(copy):
    acs = load_acs_ecg(copy)
    np.testing.assert_allclose(acs.data[0, :, :3500], counts(0, 3500).T / 1000, atol=1e-6)
    assert np.isnan(acs.data[0, :, 3500:]).all()
    assert np.argwhere(np.isnan(acs.data[2])).tolist() == [[1, 7]]
    assert acs.DESCR.endswith("Missing samples in 03228, 02008.")


def test_leads_are_put_in_order_by_name(copy):
    header = copy / "row_data/00002.hea"
    lines = header.read_text().splitlines()
    header.write_text("\n".join([lines[0], *lines[:0:-1]]))
    data = load_acs_ecg(copy).data
    np.testing.assert_allclose(data[1], counts(1, 5000).T[::-1] / 1000, atol=1e-6)


def test_median_beats_are_interleaved_samples_of_twelve_leads(copy):
    acs = load_acs_ecg(copy, form="median")
    assert acs.data.shape == (5, 12, 500)
    assert acs.data.dtype == np.float32
    np.testing.assert_allclose(acs.data[3], counts(3, 500).T / 1000, atol=1e-6)
    assert acs.target.tolist() == [1, 1, 0, 0, 0]


def test_the_test_set_has_no_target(copy):
    acs = load_acs_ecg(copy, subset="test")
    assert acs.target is None
    assert acs.target_names is None
    assert acs.groups.tolist() == ["P00009"]
    np.testing.assert_allclose(acs.data[0], counts(5, 5000).T / 1000, atol=1e-6)
    assert "Their findings are withheld" in acs.DESCR


@pytest.mark.parametrize(
    ("positive", "negative", "rows", "target", "names"),
    [
        ("PLAD", None, [0, 1, 2, 3, 4], [1, 0, 0, 0, 0], ["not PLAD", "PLAD"]),
        (["STEMI", "NSTEMI"], "UA", [0, 1, 2, 3], [1, 1, 1, 0], ["UA", "STEMI or NSTEMI"]),
        ("NSTEMI", "OMI", [0, 2], [0, 1], ["OMI", "NSTEMI"]),
    ],
)
def test_classes_are_columns_or_lists_of_them(copy, positive, negative, rows, target, names):
    acs = load_acs_ecg(copy, positive=positive, negative=negative, as_paths=True)
    assert acs.groups.tolist() == [PATIENTS[row] for row in rows]
    assert acs.target.tolist() == target
    assert acs.target_names.tolist() == names


@pytest.mark.parametrize(("form", "end"), [("raw", "hea"), ("median", "med")])
def test_paths_come_without_reading(copy, form, end):
    folder = copy / {"raw": "row_data", "median": "med_data"}[form]
    expected = [str(folder / f"{record}.{end}") for record in RECORDS]
    for file in folder.iterdir():
        file.unlink()
    assert load_acs_ecg(copy, form=form, as_paths=True).data.tolist() == expected


@pytest.mark.parametrize("unknown", ["omi", ["OMI", "age"], []])
def test_an_unknown_finding_is_answered_with_the_known_ones(copy, unknown):
    with pytest.raises(ValueError, match=r"is no finding of ACS-ECG\. It has: AMI, OMI, CTO"):
        load_acs_ecg(copy, positive=unknown)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"subset": "validation"}, "subset must be 'train' or 'test', got 'validation'"),
        ({"form": "med"}, "form must be 'raw' or 'median', got 'med'"),
        ({"positive": "Paced"}, "No ECG of .* is Paced"),
    ],
)
def test_another_choice_is_an_error(copy, kwargs, message):
    with pytest.raises(ValueError, match=message):
        load_acs_ecg(copy, **kwargs)


def test_a_folder_that_is_not_acs_ecg_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"not a copy of ACS-ECG: there is no CSV/train"):
        load_acs_ecg(tmp_path)


@pytest.mark.parametrize(
    ("form", "missing"),
    [
        ("raw", "row_data/00010.hea"),
        ("raw", "row_data/00010.dat"),
        ("median", "med_data/00010.med"),
    ],
)
def test_a_missing_recording_is_named(copy, form, missing):
    (copy / missing).unlink()
    with pytest.raises(FileNotFoundError, match=missing.split("/")[1]):
        load_acs_ecg(copy, form=form)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("Patient_id,", "Patient,", "has no column Patient_id"),
        ("P00002,00002.dat,00002.med,1,60,2,1,1", "P00002,00002.dat,00002.med,1,60,2,1,",
         "has cells of OMI that are not 0, 1 or 2"),
        ("P00004,", "P00004,,,,,", "is no table"),
    ],
)  # fmt: skip
def test_a_damaged_table_is_named(copy, old, new, message):
    file = copy / "CSV/train.csv"
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))
    with pytest.raises(ValueError, match=rf"train\.csv {message}"):
        load_acs_ecg(copy)


@pytest.mark.parametrize(
    ("form", "file", "content", "message"),
    [
        ("raw", "row_data/00010.dat", b"", r"names 00010\.dat, which holds no samples"),
        ("median", "med_data/00010.med", bytes(100), r"00010\.med holds 50 values"),
    ],
)
def test_a_damaged_recording_is_named(copy, form, file, content, message):
    (copy / file).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        load_acs_ecg(copy, form=form)
