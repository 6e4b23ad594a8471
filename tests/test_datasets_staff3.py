"""STAFF III: small copies in the published layout, with its quirks."""

import sys
import warnings

import numpy as np
import openpyxl
import pytest

from skecg.datasets import load_staff3
from skecg.leads import LEADS

KEYS = {"data", "target", "target_names", "groups", "sampling_rate", "table", "DESCR"}
STORED = ["V1", "V2", "V3", "V4", "V5", "V6", "I", "II", "III"]
ON, OFF, DYE = "balloon inflation", "balloon deflation", "contrast injection"


def sheet_row(patient, **cells):
    """Return the 29 cells of a patient: BR in column 3, BC 4-5, inflations from 6, MI 28."""
    row = [None] * 29
    row[0], row[1], row[2], row[28] = patient, 52, "f", "no"
    for column, cell in cells.items():
        row[int(column[1:])] = cell
    return row


def write_sheet(folder, rows):
    book = openpyxl.Workbook()
    sheet = book.active
    for number in range(10):  # remarks and headings, the first row empty
        sheet.append([None] * 29 if number == 0 else [f"heading {number}"] * 3)
    for row in rows:
        sheet.append(row)
    sheet.append(["Patients 28, 67, 78 and 103 do not exist."])
    book.save(folder / "STAFF-III-Database-Annotations.xlsx")


def write_record(folder, name, seconds, *, header_seconds=None, offset=10):
    """Write a record whose lead k, in stored order, has 16 (k + 1) units in second 0, 1 more a s.

    A unit is 0.625 uV; 512 bytes stand before the signal.
    """
    second = np.repeat(np.arange(seconds), 1000)[:, None]
    counts = (16 * np.arange(1, 10) + second).astype("<i2")
    (folder / "data" / f"{name}.dat").write_bytes(bytes(512) + counts.tobytes())
    lines = [f"{name} 9 1000 {1000 * (header_seconds or seconds)} 20:26:00 27/09/1995"]
    lines += [f"{name}.dat 16+512 1600 12 0 0 0 0  {lead}" for lead in STORED]
    (folder / "data" / f"{name}.hea").write_text("\n".join([*lines, "# Age: 52", "# Sex: F"]))


def write_events(folder, wfdb, name, events):
    seconds, notes = zip(*events, strict=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # pandas 3.1 of wfdb's code
        wfdb.wrann(
            name,
            "event",
            (1000 * np.array(seconds)).astype(int),
            ['"'] * len(notes),
            aux_note=list(notes),
            write_dir=str(folder / "data"),
        )


@pytest.fixture
def copy(tmp_path, wfdb):
    """Two patients; the second has two inflations in one recording, and no BC."""
    (tmp_path / "data").mkdir()
    write_sheet(
        tmp_path,
        [
            sheet_row(7, c3="7a", c4="7b", c5="7d", c6="7c", c7="prox mid LAD", c8="20;60;999"),
            sheet_row(28),
            sheet_row(
                89, c1="?", c2="m", c3="89a", c6="89d", c7="dist circ", c10="89d", c11="RCA",
                c28="inf",
            ),
        ],
    )  # fmt: skip
    for name, seconds in {"007a": 50, "007b": 50, "007d": 50, "007c": 100, "089a": 60}.items():
        write_record(tmp_path, name, seconds)
    write_record(tmp_path, "089d", 130, header_seconds=200)  # the file ends before its header says
    write_events(tmp_path, wfdb, "007c", [(5, DYE), (20, ON), (70, DYE), (80, OFF)])
    write_events(tmp_path, wfdb, "089d", [(15, ON), (45, OFF), (60, ON), (125, OFF)])
    return tmp_path


def windows(staff3):
    table = staff3.table
    return list(zip(table["record"], table["start"], staff3.target.tolist(), strict=True))


def test_windows_are_the_middle_of_baseline_and_the_end_of_inflation(copy):
    staff3 = load_staff3(copy)
    assert set(staff3) == KEYS
    assert windows(staff3) == [
        ("007b", 20, 0),
        ("007d", 20, 0),
        ("007c", 70, 1),
        ("089d", 35, 1),
        ("089d", 115, 1),
    ]
    assert staff3.groups.tolist() == [7, 7, 7, 89, 89]
    assert {staff3.groups.dtype, staff3.target.dtype} == {np.dtype(np.int64)}
    assert staff3.target_names.tolist() == ["baseline", "inflation"]
    assert staff3.sampling_rate == 1000
    assert "5 windows of 10 s of STAFF III, 1000 Hz: 3 of inflation, 2 of base" in staff3.DESCR


def test_windows_hold_the_leads_by_name_in_millivolt_with_three_derived(copy):
    staff3 = load_staff3(copy)
    assert staff3.data.shape == (5, 12, 10000)
    assert staff3.data.dtype == np.float32
    units = {lead: 16 * (k + 1) + 70 for k, lead in enumerate(STORED)}  # of second 70
    units |= {
        "aVR": -(units["I"] + units["II"]) / 2,
        "aVL": units["I"] - units["II"] / 2,
        "aVF": units["II"] - units["I"] / 2,
    }
    expected = [units[lead] * 0.625e-3 for lead in LEADS]
    np.testing.assert_allclose(staff3.data[2, :, 0], expected, rtol=1e-5)
    ramp = 70 + np.repeat(np.arange(10), 1000)  # V1 has 16 more
    np.testing.assert_allclose(staff3.data[2, 6], (16 + ramp) * 0.625e-3, rtol=1e-5)


def test_the_table_tells_patient_artery_and_times(copy):
    table = load_staff3(copy).table
    assert table["phase"].tolist() == ["BC", "BC", "BI", "BI", "BI"]
    assert table["artery"].tolist() == ["", "", "LAD", "LCx", "RCA"]
    assert table["site"].tolist() == ["", "", "prox mid LAD", "dist circ", "RCA"]
    assert table["age"].tolist()[:3] == [52, 52, 52]
    assert table["age"].isna().tolist() == [False, False, False, True, True]
    assert table["sex"].tolist() == ["F", "F", "F", "M", "M"]
    assert table["prior_mi"].tolist() == ["no", "no", "no", "inf", "inf"]
    np.testing.assert_equal(table["duration"].tolist(), [np.nan, np.nan, 60, 30, 65])
    np.testing.assert_equal(table["since_inflation"].tolist(), [np.nan, np.nan, 60, 30, 65])
    np.testing.assert_equal(table["since_injection"].tolist(), [np.nan] * 2 + [10] + [np.nan] * 2)


def test_suspect_recordings_are_named(copy):
    suspect = load_staff3(copy).table.set_index("record")["suspect"]
    assert suspect["007c"] == ""
    expected = "leads may be reversed; file ends before its header says"
    assert suspect["089d"].tolist() == [expected] * 2


def test_annotations_are_trusted_over_the_sheet(copy):
    # The sheet says of 7c that it has 999 s after deflation, and nothing of 89d.
    assert load_staff3(copy).table.query("phase == 'BI'")["duration"].tolist() == [60, 30, 65]


def test_inflations_can_be_looked_at_after_the_same_time(copy):
    staff3 = load_staff3(copy, inflation_end=40)
    assert windows(staff3)[2:] == [("007c", 50, 1), ("089d", 90, 1)]
    assert staff3.table["since_inflation"].tolist()[2:] == [40, 40]
    assert "1 windows left out for want of time or a mark: 089d (inflation 1)." in staff3.DESCR


@pytest.mark.parametrize(
    ("baseline", "expected"),
    [
        ("room", [("007a", 20), ("089a", 25)]),
        ("cathlab", [("007b", 20), ("007d", 20)]),
        # 15 s after the first deflation the second inflation begins.
        ("preinflation", [("007c", 10), ("089d", 5), ("089d", 50)]),
    ],
)
def test_baseline_is_one_of_three(copy, baseline, expected):
    found = windows(load_staff3(copy, baseline=baseline))
    assert [(record, start) for record, start, target in found if target == 0] == expected
    assert sum(target for _, _, target in found) == 3


def test_no_baseline_reaches_into_an_inflation_or_before_the_recording(copy):
    staff3 = load_staff3(copy, window=16, baseline="preinflation")
    assert [row for row in windows(staff3) if row[2] == 0] == [("007c", 4, 0)]
    assert "089d (baseline 1), 089d (baseline 2)" in staff3.DESCR


def test_another_window_has_another_length(copy):
    assert load_staff3(copy, window=2.5).data.shape == (5, 12, 2500)


def test_a_baseline_that_is_too_short_is_left_out_and_named(copy):
    write_record(copy, "007b", 9)
    staff3 = load_staff3(copy)
    assert windows(staff3)[0] == ("007d", 20, 0)
    assert "007b (baseline)" in staff3.DESCR


def test_marks_without_a_partner_are_left_out_and_named(copy, wfdb):
    events = [(1, OFF), (15, ON), (45, OFF), (60, ON)]
    write_events(copy, wfdb, "089d", events)
    staff3 = load_staff3(copy)
    assert windows(staff3)[3:] == [("089d", 35, 1)]
    assert staff3.DESCR.count("089d (mark without partner)") == 2


def test_no_artery_is_guessed_where_sheet_and_annotations_differ(copy, wfdb):
    write_events(copy, wfdb, "089d", [(15, ON), (45, OFF)])
    row = load_staff3(copy).table.iloc[-1]
    assert (row["artery"], row["site"]) == ("", "")


def test_a_file_that_ends_within_an_inflation_ends_it(copy, wfdb):
    write_events(copy, wfdb, "089d", [(15, ON), (45, OFF), (60, ON), (190, OFF)])
    staff3 = load_staff3(copy)
    assert windows(staff3)[-1] == ("089d", 120, 1)
    assert staff3.table["duration"].iloc[-1] == 70
    assert np.isfinite(staff3.data).all()


def test_paths_come_with_the_windows_but_without_reading(copy):
    staff3 = load_staff3(copy, as_paths=True)
    expected = [str(copy / "data" / f"{name}.hea") for name in staff3.table["record"]]
    assert staff3.data.tolist() == expected
    assert staff3.table["start"].tolist() == load_staff3(copy).table["start"].tolist()


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"window": 0}, "window must be positive, got 0"),
        ({"baseline": "BR"}, "must be 'cathlab', 'room' or 'preinflation', got 'BR'"),
        ({"inflation_end": 5}, "inflation_end must be at least window, 10, got 5"),
        ({"window": 200}, "no windows of both classes with window=200"),
    ],
)
def test_a_parameter_out_of_range_is_an_error(copy, kwargs, message):
    with pytest.raises(ValueError, match=message):
        load_staff3(copy, **kwargs)


def test_a_folder_that_is_not_staff3_is_an_error(tmp_path):
    message = r"is not a copy of STAFF III: there is no STAFF-III-Database-Annotations\.xlsx"
    with pytest.raises(FileNotFoundError, match=message):
        load_staff3(tmp_path)


@pytest.mark.parametrize("missing", ["007b.hea", "007c.dat", "007c.event", "089d.hea"])
def test_a_missing_file_is_named(copy, missing):
    (copy / "data" / missing).unlink()
    with pytest.raises(FileNotFoundError, match=missing):
        load_staff3(copy)


def test_a_damaged_sheet_is_named(copy):
    (copy / "STAFF-III-Database-Annotations.xlsx").write_bytes(b"PK nothing")
    with pytest.raises(ValueError, match=r"Annotations\.xlsx is no sheet"):
        load_staff3(copy)


def test_another_sheet_is_named(copy):
    write_sheet(copy, [])
    with pytest.raises(ValueError, match=r"not 118 x 29"):
        load_staff3(copy)


def test_without_openpyxl_the_extra_is_named(copy, monkeypatch):
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(ImportError, match=r"pip install 'skecg\[datasets\]'"):
        load_staff3(copy)
