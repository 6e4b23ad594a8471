"""LUDB: a small copy built here, and a real part of it."""

import warnings

import numpy as np
import pandas as pd
import pytest

from skecg.datasets import load_ludb
from skecg.io._wfdb import read_wfdb
from skecg.leads import LEADS

# The table's cells end in, and are split by, line ends.
TABLE = """ID,Sex,Age,Rhythms,Ischemia,Other states
1,"F
","51
",Sinus rhythm,"Stemi: septal
Scar formation: septal",
2,"M
",">89
",Sinus rhythm,Undefined ischemia/scar/supp.nstemi: apical,Early repolarization syndrome
3,"M
","30
",Atrial fibrillation,,
4,"M
","30
",Atrial flutter,,
"""
KEYS = {"data", "target", "target_names", "groups", "sampling_rate", "table", "DESCR"}
MARKS = [(20, "("), (30, "p"), (40, ")"), (60, "("), (70, "N"), (80, ")"), (95, "t"), (99, ")")]


@pytest.fixture
def copy(tmp_path, wfdb):
    """Three of four ECGs; lead k is a ramp of 100 k to 100 k + 99 units, leads reversed."""
    (tmp_path / "ludb.csv").write_text(TABLE)
    (tmp_path / "data").mkdir()
    for record in "123":
        counts = 100 * np.arange(12)[::-1] + np.arange(5000)[:, None] % 100
        counts.astype("<i2").tofile(tmp_path / "data" / f"{record}.dat")
        lines = [f"{record} 12 500 5000"]
        for k, lead in list(enumerate(LEADS))[::-1]:
            lines.append(f"{record}.dat 16 {500 + k}({k})/mV 0 0 0 0 0 {lead.lower()}")
        (tmp_path / "data" / f"{record}.hea").write_text("\n".join(lines) + "\n")
    mark(wfdb, tmp_path, "1", "I", MARKS)
    for record in "123":
        for lead in LEADS:
            file = tmp_path / "data" / f"{record}.{lead.lower()}"
            file.write_bytes((tmp_path / "data/1.i").read_bytes())
    return tmp_path


def mark(wfdb, copy, record, lead, marks):
    samples, symbols = zip(*marks, strict=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # pandas 3.1 of wfdb's code
        wfdb.wrann(
            record, lead.lower(), np.array(samples), list(symbols), write_dir=str(copy / "data")
        )


def waves(ludb, lead):
    """Return the waves of record 1 in a lead as (wave, beat, onset, peak, offset)."""
    rows = ludb.marks.query("record == 1 and lead == @lead").drop(columns=["record", "lead"])
    return [
        tuple(None if pd.isna(cell) else cell for cell in row)
        for row in rows.itertuples(index=False)
    ]


def test_classes_are_diagnoses_and_groups_are_records(copy):
    ludb = load_ludb(copy)
    assert set(ludb) == KEYS | {"marks"}
    assert ludb.table["ID"].tolist() == ludb.groups.tolist() == [1, 2, 3]
    assert ludb.target.tolist() == [1, 0, 0]  # supp.nstemi is another diagnosis
    assert ludb.target_names.tolist() == ["not STEMI", "STEMI"]
    assert {ludb.target.dtype, ludb.groups.dtype} == {np.dtype(np.int64)}
    assert ludb.sampling_rate == 500


def test_ecgs_whose_recording_is_absent_are_left_out_and_counted(copy):
    assert "1 ECGs of ludb.csv are not in the folder" in load_ludb(copy).DESCR


def test_cells_are_lists_of_statements(copy):
    table = load_ludb(copy).table
    assert table["Ischemia"].tolist() == [
        ["Stemi: septal", "Scar formation: septal"],
        ["Undefined ischemia/scar/supp.nstemi: apical"],
        [],
    ]
    assert table["Sex"].tolist() == ["F", "M", "M"]
    assert table["Age"].tolist() == ["51", ">89", "30"]


def test_leads_are_put_in_order_and_a_unit_is_a_microvolt_whatever_the_gain(copy):
    data = load_ludb(copy).data
    assert data.shape == (3, 12, 5000)
    assert data.dtype == np.float32
    expected = (100 * np.arange(12)[:, None] + np.arange(5000) % 100) / 1000
    np.testing.assert_allclose(data[1], expected, atol=1e-6)


def test_a_missing_sample_is_nan(copy):
    counts = np.fromfile(copy / "data/1.dat", dtype="<i2").reshape(5000, 12)
    counts[7, 11] = -32768
    counts.tofile(copy / "data/1.dat")
    assert np.argwhere(np.isnan(load_ludb(copy).data)).tolist() == [[0, 0, 7]]


@pytest.mark.parametrize(
    ("positive", "negative", "records", "names"),
    [
        ("Stemi: septal", None, [1, 2, 3], ["not Stemi: septal", "Stemi: septal"]),
        ("stemi", "early repolarization syndrome", [1, 2], None),
        (["Atrial fibrillation", "STEMI"], "Sinus rhythm", [2, 3], None),
        ("Scar formation", "Stemi", None, None),
    ],
)
def test_classes_are_statements_or_what_stands_before_their_colon(
    copy, positive, negative, records, names
):
    if records is None:
        with pytest.raises(ValueError, match="and not also of the other class"):
            load_ludb(copy, positive=positive, negative=negative)
        return
    ludb = load_ludb(copy, positive=positive, negative=negative)
    assert ludb.groups.tolist() == records
    assert names is None or ludb.target_names.tolist() == names


@pytest.mark.parametrize("unknown", ["nstemi", ["STEMI", "nstemi"]])
def test_an_unknown_diagnosis_is_answered_with_the_known_ones(copy, unknown):
    with pytest.raises(ValueError, match=r"nstemi is no diagnosis.*Scar formation, Sinus rhythm"):
        load_ludb(copy, positive=unknown)


def test_a_row_of_marks_is_a_wave(copy):
    marks = load_ludb(copy).marks
    assert marks.columns.tolist() == ["record", "lead", "wave", "beat", "onset", "peak", "offset"]
    assert len(marks) == 3 * 12 * 3
    assert marks["record"].unique().tolist() == [1, 2, 3]
    assert marks.query("record == 1")["lead"].unique().tolist() == list(LEADS)


def test_a_mark_that_is_absent_is_nan_and_beats_are_counted_by_qrs(copy):
    assert waves(load_ludb(copy), "V1") == [
        ("P", 1, 20, 30, 40),
        ("QRS", 1, 60, 70, 80),
        ("T", 1, None, 95, 99),
    ]


@pytest.mark.parametrize(
    ("symbols", "expected"),
    [
        # A T wave of a beat before the first, and P waves without and after a QRS complex.
        ("t p p (N) p", [("T", 0), ("P", 1), ("P", 1), ("QRS", 1), ("P", 2)]),
        ("N N t", [("QRS", 1), ("QRS", 2), ("T", 2)]),
        # Boundaries without a peak (record 8, V5) are of an unknown wave.
        ("(N) () (t)", [("QRS", 1), (None, 1), ("T", 1)]),
        ("( (N)", [(None, 0), ("QRS", 1)]),
    ],
)
def test_a_wave_belongs_to_the_beat_of_its_qrs(copy, wfdb, symbols, expected):
    marks = [(10 * i + 1, symbol) for i, symbol in enumerate(symbols.replace(" ", ""))]
    mark(wfdb, copy, "1", "II", marks)
    assert [row[:2] for row in waves(load_ludb(copy), "II")] == expected


def test_an_onset_marked_after_its_peak_stays_with_it(copy, wfdb):
    # Record 7, V2 begins so.
    mark(wfdb, copy, "1", "II", [(965, "N"), (967, "("), (996, ")"), (1089, "("), (1132, "t")])
    assert waves(load_ludb(copy), "II") == [
        ("QRS", 1, 967, 965, 996),
        ("T", 1, 1089, 1132, None),
    ]


def test_paths_come_with_target_and_marks_but_without_reading(copy):
    for record in "123":
        (copy / "data" / f"{record}.dat").unlink()
    ludb = load_ludb(copy, as_paths=True)
    assert ludb.data.tolist() == [str(copy / "data" / f"{record}.hea") for record in "123"]
    assert ludb.target.tolist() == [1, 0, 0]
    assert len(ludb.marks) == 108


def test_a_folder_that_is_not_ludb_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"is not a copy of LUDB: there is no ludb\.csv"):
        load_ludb(tmp_path)


def test_a_copy_without_recordings_is_an_error(tmp_path):
    (tmp_path / "ludb.csv").write_text(TABLE)
    with pytest.raises(FileNotFoundError, match=r"has none of the recordings of its ludb\.csv"):
        load_ludb(tmp_path)


@pytest.mark.parametrize("missing", ["2.dat", "3.avf"])
def test_a_missing_file_of_a_recording_is_named(copy, missing):
    (copy / "data" / missing).unlink()
    with pytest.raises(FileNotFoundError, match=missing):
        load_ludb(copy)


@pytest.mark.parametrize(
    ("text", "message"), [("ID,Sex\n1,F\n", "has no column Age, Rhythms"), ("", "is no table")]
)
def test_a_damaged_table_is_named(copy, text, message):
    (copy / "ludb.csv").write_text(text)
    with pytest.raises(ValueError, match=rf"ludb\.csv {message}"):
        load_ludb(copy)


def test_a_recording_of_another_length_is_named(copy):
    (copy / "data/2.dat").write_bytes(bytes(24 * 4999))
    with pytest.raises(ValueError, match=r"2\.hea holds \(12, 4999\) samples"):
        load_ludb(copy)


@pytest.fixture(scope="module")
def real(data_dir):
    return load_ludb(data_dir / "ludb")


def test_the_real_part_has_8_infarctions_of_100_ecgs(real):
    assert real.data.shape == (100, 12, 5000)
    assert real.groups[real.target == 1].tolist() == [7, 21, 24, 33, 55, 64, 69, 86]


def test_einthovens_law_holds_in_stored_units_and_not_in_those_of_the_headers(real, data_dir):
    def error(ecg):
        return np.abs(ecg[0] + ecg[2] - ecg[1]).max()

    assert max(map(error, real.data)) < 1e-6
    limb = real.data[:, :6].astype(float)
    derived = (-(limb[:, 0] + limb[:, 1]), limb[:, 0] - limb[:, 2], limb[:, 1] + limb[:, 2])
    for lead, twice in zip((3, 4, 5), derived, strict=True):
        assert np.abs(limb[:, lead] - twice / 2).max() < 0.00051  # rounded to a unit
    by_header = [read_wfdb(data_dir / f"ludb/data/{record}")[0] for record in (1, 2, 3)]
    assert min(map(error, by_header)) > 0.1


def test_no_mark_of_the_real_part_is_lost(real, data_dir, wfdb):
    assert real.marks[["onset", "peak", "offset"]].notna().to_numpy().sum() == 85393
    assert real.marks["wave"].value_counts().to_dict() == {"QRS": 10829, "T": 9653, "P": 8001}
    assert real.marks["wave"].isna().sum() == 2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        annotation = wfdb.rdann(str(data_dir / "ludb/data/42"), "v3")
    marks = real.marks.query("record == 42 and lead == 'V3'")[["onset", "peak", "offset"]]
    found = np.sort(marks.to_numpy().ravel())
    np.testing.assert_array_equal(found[np.isfinite(found)], annotation.sample)
