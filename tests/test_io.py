"""Reading ECGs of any format: what holds whatever the format."""

import os
import pickle
import re
import sys
from datetime import datetime

import numpy as np
import pytest

from skecg import _beats
from skecg.io import ECG, ECGFormatError, read_ecg, read_ecgs
from skecg.leads import INDEPENDENT_LEADS, LEADS
from skecg.preprocessing import MedianBeat

FORMATS = [
    "aecg/cvrg_hl7aecg-Example2.xml",
    "aecg/hl7_2003_Example_aECG.xml",
    "aecg/liryc_hl7aecg_example.xml",
    "dicom/cardio_sample.dcm",
    "dicom/ecgtoolkit_Example.dcm",
    "dicom/pydicom_waveform_ecg.dcm",
    "ge_muse/braveheart_example1.xml",
    "ge_muse/braveheart_example2.xml",
    "philips_sierra/1_03_129DYPRG.XML",
    "philips_sierra/1_03_repbeats_example.xml",
    "philips_sierra/1_04_3191723_ZZDEMOPTONLY.xml",
    "schiller/cardio_sample_schiller.xml",
    "scp/ecgtoolkit_Example.scp",
]
ONE_RECORDING = [
    "dicom/ecgtoolkit_Example.dcm",
    "aecg/hl7_2003_Example_aECG.xml",
    "scp/ecgtoolkit_Example.scp",
]


@pytest.fixture
def twelve():
    """Twelve leads of 2000 samples that obey the algebra of the limb leads, in mV."""
    leads = dict(
        zip(INDEPENDENT_LEADS, np.random.default_rng(0).normal(size=(8, 2000)), strict=True)
    )
    leads["III"] = leads["II"] - leads["I"]
    leads["aVR"] = -(leads["I"] + leads["II"]) / 2
    leads["aVL"] = leads["I"] - leads["II"] / 2
    leads["aVF"] = leads["II"] - leads["I"] / 2
    return np.stack([leads[name] for name in LEADS])


@pytest.fixture
def npy(tmp_path, twelve):
    np.save(tmp_path / "ecg.npy", twelve)
    return tmp_path / "ecg.npy"


TOLD = {"sampling_rate": 500, "unit": "mV", "leads": LEADS}


# Arrays


@pytest.mark.parametrize("turned", [False, True], ids=["rows", "columns"])
@pytest.mark.parametrize(("unit", "factor"), [("mV", 1), ("uV", 1e3), ("V", 1e-3), ("nV", 1e6)])
def test_an_array_of_leads_in_rows_or_columns_and_any_unit_is_read(
    tmp_path, twelve, turned, unit, factor
):
    array = twelve * factor
    np.save(tmp_path / "ecg.npy", array.T if turned else array)
    ecg = read_ecg(tmp_path / "ecg.npy", sampling_rate=250, unit=unit, leads=LEADS)
    np.testing.assert_allclose(ecg.signal, twelve, rtol=1e-5)
    assert (ecg.format, ecg.sampling_rate, ecg.leads) == ("npy", 250.0, LEADS)
    assert ecg.signal.dtype == np.float32
    assert ecg.notes == ()


@pytest.mark.parametrize("given", ["sampling_rate", "unit", "leads"])
def test_an_array_without_its_rate_unit_or_leads_is_refused_and_the_parameter_named(npy, given):
    told = {name: value for name, value in TOLD.items() if name != given}
    with pytest.raises(ECGFormatError, match=f"does not tell its {given}. Give read_ecg {given}="):
        read_ecg(npy, **told)


def test_a_square_array_is_ambiguous(tmp_path):
    np.save(tmp_path / "ecg.npy", np.zeros((12, 12)))
    with pytest.raises(ECGFormatError, match="whether rows or columns are leads cannot be told"):
        read_ecg(tmp_path / "ecg.npy", **TOLD)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((11, 40)), "neither the rows nor the columns are 12"),
        (np.zeros((2, 12, 40)), "one ECG is numbers of shape"),
        (np.full((12, 40), "x"), "one ECG is numbers of shape"),
        (np.zeros((12, 0)), "holds 12 leads of 0 samples"),
    ],
)
def test_an_array_that_is_no_ecg_is_refused(tmp_path, array, message):
    np.save(tmp_path / "ecg.npy", array)
    with pytest.raises(ECGFormatError, match=message):
        read_ecg(tmp_path / "ecg.npy", **TOLD)


def test_objects_are_never_unpickled(tmp_path):
    np.save(tmp_path / "ecg.npy", np.array([[{}]], dtype=object), allow_pickle=True)
    with pytest.raises(ECGFormatError, match="cannot be read as npy"):
        read_ecg(tmp_path / "ecg.npy", **TOLD)


def test_an_array_that_claims_gigabytes_is_refused_before_memory_is_taken(tmp_path):
    header = {"descr": "<f8", "fortran_order": False, "shape": (12, 10**8)}
    with (tmp_path / "ecg.npy").open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        file.write(bytes(1000))
    with pytest.raises(ECGFormatError, match=r"ecg\.npy cannot be read as npy"):
        read_ecg(tmp_path / "ecg.npy", **TOLD)


@pytest.mark.parametrize("value", [np.inf, 1e300])
def test_infinite_voltages_are_refused(tmp_path, twelve, value):
    twelve[3, 7] = value
    np.save(tmp_path / "x.npy", twelve)
    with pytest.raises(ECGFormatError, match=r"x\.npy holds infinite voltages"):
        read_ecg(tmp_path / "x.npy", **TOLD)


@pytest.mark.parametrize("unit", ["mmHg", "", "kV"])
def test_an_unknown_unit_is_an_error(npy, unit):
    with pytest.raises(ECGFormatError, match=f"gives the unit {unit}; V, mV, uV or nV are known"):
        read_ecg(npy, **TOLD | {"unit": unit})


@pytest.mark.parametrize("rate", [0, -500, np.nan, np.inf])
def test_a_rate_that_is_none_is_an_error(npy, rate):
    with pytest.raises(ECGFormatError, match="gives a sampling rate of"):
        read_ecg(npy, **TOLD | {"sampling_rate": rate})


# CSV


def write_csv(path, array, header=None, separator=",", decimal="."):
    lines = [separator.join(f"{v:.6f}".replace(".", decimal) for v in row) for row in array]
    path.write_text("\n".join(([separator.join(header)] if header else []) + lines) + "\n")
    return path


@pytest.mark.parametrize(
    ("separator", "decimal"), [(",", "."), (";", "."), (";", ","), ("\t", "."), (" ", ".")]
)
def test_columns_below_names_of_leads_need_no_leads(tmp_path, twelve, separator, decimal):
    path = write_csv(tmp_path / "x.dat", twelve[::-1].T, LEADS[::-1], separator, decimal)
    ecg = read_ecg(path, sampling_rate=500, unit="mV")
    np.testing.assert_allclose(ecg.signal, twelve, atol=1e-6)
    assert ecg.format == "csv"


@pytest.mark.parametrize("turned", [False, True], ids=["rows", "columns"])
def test_numbers_without_names_are_read_with_leads(tmp_path, twelve, turned):
    path = write_csv(tmp_path / "x.csv", twelve.T if turned else twelve)
    np.testing.assert_allclose(read_ecg(path, **TOLD).signal, twelve, atol=1e-6)


def test_other_columns_are_left_out_and_told(tmp_path, twelve):
    table = np.column_stack([np.arange(2000), np.arange(2000) / 500, twelve.T])
    path = write_csv(tmp_path / "x.csv", table, ["", "time", *LEADS])
    ecg = read_ecg(path, sampling_rate=500, unit="mV")
    np.testing.assert_allclose(ecg.signal, twelve, atol=1e-6)
    assert ecg.notes == ("columns left out: unnamed, time",)


def test_an_empty_cell_is_a_missing_sample_and_told(tmp_path):
    (tmp_path / "x.csv").write_text("I,II\n1,2\n,4\n5,6\n")
    ecg = read_ecg(tmp_path / "x.csv", sampling_rate=500, unit="mV")
    np.testing.assert_array_equal(ecg.signal[:2], [[1, np.nan, 5], [2, 4, 6]])
    assert "samples missing in I, III, aVR, aVL, aVF" in ecg.notes


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("I,II\n1,2\n3,abc\n", "other than a number in column II, row 1 of the data"),
        ("x,y\n1,2\n", r"None of the twelve leads is among \['x', 'y'\]"),
        ("hello world\nhow are you\n", "text of no known format"),
        ("I,0.1,0.2\nII,0.3,0.4\n", "text of no known format"),
        ("<html></html>\n", "of no known format"),
        ("I,I\n1,2\n", "Lead I occurs twice"),
    ],
)
def test_text_that_is_no_ecg_is_refused(tmp_path, text, message):
    (tmp_path / "x.csv").write_text(text)
    with pytest.raises(ECGFormatError, match=message):
        read_ecg(tmp_path / "x.csv", sampling_rate=500, unit="mV")


@pytest.mark.parametrize(
    ("form", "factor"), [("{} (mV)", 1), ("{}[uV]", 1e-3), ("{}_nV", 1e-6), ("{} \u00b5V", 1e-3)]
)
@pytest.mark.parametrize("leads", [None, ["V2", "II"]])
def test_a_unit_in_the_names_of_columns_is_taken(tmp_path, form, factor, leads):
    header = ",".join(form.format(name) for name in ("V2", "II"))
    (tmp_path / "x.csv").write_text(f"\n{header}\n100,200\n300,400\n", encoding="utf-8")
    ecg = read_ecg(tmp_path / "x.csv", sampling_rate=500, leads=leads)
    np.testing.assert_allclose(
        ecg.signal[[7, 1]], [[100 * factor, 300 * factor], [200 * factor, 400 * factor]]
    )


@pytest.mark.parametrize(
    ("header", "unit"), [("I (uV),II (uV)", "mV"), ("I (uV),II (mV)", None), ("I (uV),II", None)]
)
def test_units_that_contradict_one_another_are_an_error(tmp_path, header, unit):
    (tmp_path / "x.csv").write_text(f"{header}\n1,2\n3,4\n")
    with pytest.raises(ECGFormatError, match=r"has columns of the units .* They must be one"):
        read_ecg(tmp_path / "x.csv", sampling_rate=500, unit=unit)


def test_leads_that_contradict_the_header_of_a_table_are_an_error(tmp_path, twelve):
    path = write_csv(tmp_path / "x.csv", twelve.T, LEADS)
    assert read_ecg(path, **TOLD).missing_leads == ()
    with pytest.raises(ECGFormatError, match=r"names its columns I, II, .* differ"):
        read_ecg(path, **TOLD | {"leads": LEADS[::-1]})


# Leads


def test_missing_limb_leads_are_computed_and_chest_leads_are_not(tmp_path, twelve):
    names = ["aVF", "-aVR", "V6", "vx"]
    array = np.stack([twelve[5], -twelve[3], twelve[11], twelve[11]])
    np.save(tmp_path / "x.npy", array)
    ecg = read_ecg(tmp_path / "x.npy", **TOLD | {"leads": names})
    np.testing.assert_allclose(
        ecg.signal[[0, 1, 2, 3, 4, 5, 11]], twelve[[0, 1, 2, 3, 4, 5, 11]], atol=1e-5
    )
    assert ecg.derived_leads == ("I", "II", "III", "aVL")
    assert ecg.missing_leads == ("V1", "V2", "V3", "V4", "V5")
    assert np.isnan(ecg.signal[6:11]).all()
    assert ecg.notes == (
        "aVR is the file's -aVR, turned over",
        "I, II, III, aVL computed from two other limb leads",
        "V1, V2, V3, V4, V5 missing",
        "leads left out: vx",
    )


def test_a_file_without_any_of_the_twelve_leads_is_refused_by_their_names(tmp_path, twelve):
    np.save(tmp_path / "x.npy", twelve[:3])
    with pytest.raises(ECGFormatError, match=r"None of the twelve leads is among .*vx.*vy.*vz"):
        read_ecg(tmp_path / "x.npy", **TOLD | {"leads": ["vx", "vy", "vz"]})


@pytest.mark.parametrize(("error", "told"), [(0.015, False), (0.03, True)])
def test_limb_leads_that_contradict_one_another_are_told_and_left(tmp_path, twelve, error, told):
    wrong = twelve.copy()
    wrong[2] += error
    np.save(tmp_path / "x.npy", wrong)
    ecg = read_ecg(tmp_path / "x.npy", **TOLD)
    np.testing.assert_allclose(ecg.signal, wrong, rtol=1e-5)
    assert any("limb leads contradict one another by over 30 uV" in n for n in ecg.notes) == told


def test_the_order_of_cabrera_is_put_right_by_name(tmp_path, twelve):
    order = [4, 0, 3, 1, 5, 2, *range(6, 12)]
    stored = twelve[order] * np.where(np.array(order) == 3, -1, 1)[:, None]
    names = ["AVL", "i", "-AVR", "ii", "avf", "iii", *LEADS[6:]]
    np.save(tmp_path / "x.npy", stored)
    ecg = read_ecg(tmp_path / "x.npy", **TOLD | {"leads": names})
    np.testing.assert_allclose(ecg.signal, twelve, rtol=1e-6)
    assert ecg.notes == ("aVR is the file's -aVR, turned over",)


def test_coarse_rounding_is_no_contradiction(tmp_path, twelve):
    np.save(tmp_path / "x.npy", np.round(twelve / 0.025) * 0.025)
    assert read_ecg(tmp_path / "x.npy", **TOLD).notes == ()


# Which format


def test_a_file_that_tells_its_own_rate_may_not_be_contradicted(data_dir):
    path = data_dir / "formats" / "dicom" / "cardio_sample.dcm"
    assert read_ecg(path, sampling_rate=500, leads=[n.upper() for n in LEADS]).sampling_rate == 500
    with pytest.raises(ECGFormatError, match=r"500 Hz by its own word; sampling_rate=250"):
        read_ecg(path, sampling_rate=250)
    with pytest.raises(ECGFormatError, match=r"tells its own unit. Leave unit='uV' out"):
        read_ecg(path, unit="uV")
    with pytest.raises(ECGFormatError, match="contradicts them"):
        read_ecg(path, leads=LEADS[::-1])


@pytest.mark.parametrize("name", ["x.dcm", "x.txt", "x.xml", "x.hea", "x.npy", "x"])
@pytest.mark.parametrize("file", ONE_RECORDING)
def test_the_name_of_a_file_plays_no_part(tmp_path, data_dir, name, file):
    (tmp_path / name).symlink_to(data_dir / "formats" / file)
    kind = {"dcm": "dicom", "xml": "aecg", "scp": "scp"}[file[-3:]]
    assert read_ecg(tmp_path / name).format == kind


@pytest.mark.parametrize("name", ["x.dcm", "x.hea", "x.xml", "x.scp", "x.edf", "x.dat", "x.csv"])
@pytest.mark.parametrize(
    "content",
    [b"", b"\0" * 5000, b"DICM", b"\0" * 128 + b"DICM", b"\x89PNG\r\n\x1a\n\0", b"12 3\n", b"<a/>"],
    ids=["empty", "zeros", "magic", "preamble", "picture", "numbers", "xml"],
)
def test_what_is_no_ecg_is_refused_by_name_whatever_it_is_called(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ECGFormatError, match=name.replace(".", r"\.")):
        read_ecg(tmp_path / name, sampling_rate=500, unit="mV", leads=LEADS)


@pytest.mark.parametrize("file", FORMATS)
@pytest.mark.parametrize("part", [0.02, 0.4, 0.98])
def test_a_file_cut_short_is_refused_by_name(tmp_path, data_dir, file, part):
    content = (data_dir / "formats" / file).read_bytes()
    cut = tmp_path / "cut.bin"
    cut.write_bytes(content[: int(len(content) * part)])
    with pytest.raises(ECGFormatError, match=r"cut\.bin"):
        read_ecg(cut)


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(ECGFormatError, match=r"is a folder. Give the files in it"):
        read_ecg(tmp_path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"There is no file .*gone\.dcm"):
        read_ecg(tmp_path / "gone.dcm")


def test_a_file_of_gigabytes_is_not_even_opened(tmp_path):
    with (tmp_path / "big.dcm").open("wb") as file:
        file.write(bytes(128) + b"DICM")
        file.truncate(2**33)
    with pytest.raises(ECGFormatError, match="more than 1073741824 are not read"):
        read_ecg(tmp_path / "big.dcm")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_named_pipe_is_refused_and_does_not_block(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ECGFormatError, match="is not a regular file"):
        read_ecg(tmp_path / "pipe")


# Real files


@pytest.mark.parametrize("file", FORMATS)
def test_a_file_of_each_format_is_read(data_dir, file):
    ecg = read_ecg(data_dir / "formats" / file)
    assert ecg.signal.dtype == np.float32
    assert ecg.signal.shape[0] == 12
    assert 9.9 < ecg.signal.shape[1] / ecg.sampling_rate < 11.1
    assert ecg.missing_leads == ()
    assert np.isfinite(ecg.signal).all()
    assert 0.5 < np.ptp(ecg.signal) < 10  # mV


@pytest.mark.parametrize("file", [file for file in FORMATS if "liryc" not in file])
def test_limb_lead_algebra_holds_in_each_format(data_dir, file):
    ecg = read_ecg(data_dir / "formats" / file)
    i, ii, iii, avr, avl, avf = ecg.signal[:6]
    # The coarsest resolution is 5 uV, and each of three leads may be off by one step.
    np.testing.assert_allclose(i + iii, ii, atol=0.0151)
    np.testing.assert_allclose(avr + avl + avf, 0, atol=0.0151)
    assert not any(note.startswith("limb leads contradict") for note in ecg.notes)


def test_limb_leads_of_a_drawn_example_contradict_one_another_and_this_is_told(data_dir):
    ecg = read_ecg(data_dir / "formats" / "aecg/liryc_hl7aecg_example.xml")
    assert any(note.startswith("limb leads contradict one another") for note in ecg.notes)


@pytest.mark.parametrize("other", ONE_RECORDING[1:])
def test_copies_of_one_recording_agree_to_one_step_of_2_5_uv(data_dir, other):
    first = read_ecg(data_dir / "formats" / ONE_RECORDING[0])
    second = read_ecg(data_dir / "formats" / other)
    np.testing.assert_allclose(first.signal, second.signal, atol=0.0025 + 1e-6)
    n_times = second.median.shape[1]
    np.testing.assert_allclose(first.median[:, :n_times], second.median, atol=0.0025 + 1e-6)
    assert (first.acquired, first.sex) == (second.acquired, second.sex)
    assert first.age == pytest.approx(second.age)


@pytest.mark.parametrize(
    "record",
    ["cinc2021_sample/*.mat", "cpsc2018_sample/*.mat", "ptbdb_patient001/*.hea"],
)
def test_all_records_of_the_samples_are_read_and_obey_the_algebra(data_dir, record):
    paths = sorted(data_dir.glob(record))
    assert len(paths) == {"cinc": 50, "cpsc": 10, "ptbd": 2}[record[:4]]
    _, table = read_ecgs(paths)
    assert table["error"].isna().all()
    assert not table["notes"].str.contains("contradict|missing").any()
    left_out = table["notes"] == "leads left out: vx, vy, vz"
    assert left_out.all() if record.startswith("ptbdb") else (table["notes"] == "").all()


def test_scaled_gains_of_ludb_break_the_algebra_and_this_is_told(data_dir):
    paths = sorted((data_dir / "ludb" / "data").glob("*.hea"))
    assert len(paths) == 100
    _, table = read_ecgs(paths)
    assert table["error"].isna().all()
    assert table["notes"].str.startswith("limb leads contradict one another by over").all()


def test_records_of_ptb_xl_are_read(data_dir):
    paths = sorted((data_dir / "ptbxl" / "records500").glob("*/*.hea"))[:20]
    X, table = read_ecgs(paths)
    assert X.shape == (20, 12, 5000)
    assert (table["notes"] == "").all()


# What a recorder tells


@pytest.mark.parametrize(
    ("file", "highpass", "reliable"),
    [
        ("dicom/cardio_sample.dcm", 0.16, False),
        ("dicom/pydicom_waveform_ecg.dcm", 0.05, True),
        ("dicom/ecgtoolkit_Example.dcm", None, None),
        ("philips_sierra/1_03_repbeats_example.xml", 0.05, True),
    ],
)
def test_a_high_pass_above_a_twentieth_of_a_hertz_makes_st_unreliable(
    data_dir, file, highpass, reliable
):
    ecg = read_ecg(data_dir / "formats" / file)
    assert (ecg.highpass, ecg.st_reliable) == (highpass, reliable)
    told = f"ST unreliable: high-pass of {highpass} Hz"
    assert any(note.startswith(told) for note in ecg.notes) == (reliable is False)


@pytest.mark.parametrize(
    ("highpass", "reliable"), [(0.05, True), (0.0501, True), (0.051, False), (0.5, False)]
)
def test_rounding_of_a_twentieth_of_a_hertz_is_tolerated(highpass, reliable):
    ecg = ECG(np.zeros((12, 1), np.float32), 500.0, "test", highpass=highpass)
    assert ecg.st_reliable is reliable


@pytest.mark.parametrize(
    ("file", "person"),
    [
        ("dicom/ecgtoolkit_Example.dcm", ["Clark", "SBJ-123", "19530508"]),
        ("dicom/pydicom_waveform_ecg.dcm", ["Anonymous", "642341", "19710123"]),
        ("aecg/hl7_2003_Example_aECG.xml", ["SBJ-123", "19530508"]),
        ("scp/ecgtoolkit_Example.scp", ["Clark", "SBJ-123"]),
    ],
)
def test_names_and_numbers_of_the_patient_are_kept_only_if_asked_for(data_dir, file, person):
    path = data_dir / "formats" / file
    ecg = read_ecg(path)
    shown = repr(ecg) + repr(vars(ecg))
    assert not [word for word in person if word in shown]
    assert not [word for word in person if word.encode() in pickle.dumps(ecg)]
    assert ecg.identifiers is None
    kept = repr(read_ecg(path, keep_identifiers=True).identifiers)
    assert [word for word in person if word in kept.replace("-", "")] or person[0] in kept


# Many


def test_what_cannot_be_read_is_a_row_with_its_error(tmp_path, npy, data_dir):
    good = data_dir / "formats" / "dicom" / "cardio_sample.dcm"
    (tmp_path / "empty.dcm").touch()
    paths = [tmp_path / "gone.dcm", good, tmp_path / "empty.dcm", npy, tmp_path, good]
    X, table = read_ecgs(iter(paths))
    assert X.shape == (6, 12, 5000)
    assert list(np.isnan(X).all(axis=(1, 2))) == [True, False, True, True, True, False]
    assert list(np.isnan(X).any(axis=(1, 2))) == [True, False, True, True, True, False]
    assert list(table["path"]) == [str(path) for path in paths]
    assert list(table["error"].isna()) == [False, True, False, False, False, True]
    for word, error in zip(
        ["no file", "is empty", "sampling_rate", "folder"], table["error"].dropna(), strict=True
    ):
        assert word in error


def test_the_table_tells_what_each_file_tells(data_dir):
    files = ["dicom/cardio_sample.dcm", "ge_muse/braveheart_example1.xml"]
    _, table = read_ecgs([data_dir / "formats" / file for file in files])
    assert list(table.columns) == [
        *("path", "n_times", "format", "sampling_rate", "age", "sex", "acquired"),
        *("highpass", "lowpass", "notch", "st_reliable", "has_median"),
        *("derived_leads", "missing_leads", "notes", "error"),
    ]
    first = table.iloc[0]
    assert (first["format"], first["n_times"], first["sampling_rate"]) == ("dicom", 5000, 500)
    assert (first["age"], first["sex"]) == (39, "M")
    assert first["acquired"] == datetime(2009, 4, 28, 11, 39, 9)
    assert (first["highpass"], first["lowpass"], first["st_reliable"]) == (0.16, 150, False)
    assert first["has_median"]
    assert list(table["derived_leads"]) == ["", "III, aVR, aVL, aVF"]


def test_recordings_of_other_rates_are_resampled(tmp_path, data_dir):
    path = data_dir / "formats" / "dicom" / "pydicom_waveform_ecg.dcm"  # 1000 Hz, 10 s
    stored = read_ecg(path).signal
    X, table = read_ecgs([path])
    assert X.shape == (1, 12, 5000)
    assert X.dtype == np.float32
    assert table["sampling_rate"][0] == 1000
    assert np.abs(X[0] - stored[:, ::2]).max() < 0.05 * np.ptp(stored)
    X, _ = read_ecgs([path], sampling_rate=None)
    np.testing.assert_array_equal(X[0], stored)
    assert read_ecgs([path], sampling_rate=250)[0].shape == (1, 12, 2500)


def test_a_sine_keeps_its_shape_and_its_gap_when_resampled(tmp_path):
    t = np.arange(4000) / 400
    signal = np.tile(np.sin(2 * np.pi * 3 * t), (2, 1))
    signal[0, 1000:1100] = np.nan
    signal[1, :50] = np.nan
    lines = [",".join("" if np.isnan(v) else f"{v:.7f}" for v in row) for row in signal.T]
    (tmp_path / "x.csv").write_text("\n".join(["V1,V2", *lines]))
    ecg = read_ecg(tmp_path / "x.csv", sampling_rate=400, unit="mV")
    from skecg.io._batch import _resample

    resampled = _resample(ecg.signal, 400, 500)[6:8]
    truth = np.tile(np.sin(2 * np.pi * 3 * np.arange(5000) / 500), (2, 1))
    gap = np.isnan(resampled)
    assert abs(gap[0, 1250:1375].sum() - 125) <= 1
    assert abs(gap[1, :62].sum() - 62) <= 1
    assert gap.sum() <= 190
    away = np.ones((2, 5000), dtype=bool)
    away[0, 1200:1425] = away[1, :110] = away[:, :10] = away[:, -50:] = False
    np.testing.assert_allclose(resampled[away], truth[away], atol=2e-3)


def test_recordings_of_unequal_length_come_as_a_list(tmp_path, data_dir):
    paths = sorted((data_dir / "cpsc2018_sample").glob("*.hea"))
    X, table = read_ecgs([*paths, tmp_path / "gone"])
    assert isinstance(X, list)
    assert [x.shape for x in X[:-1]] == [(12, n) for n in table["n_times"][:-1]]
    assert len(set(table["n_times"][:-1])) > 1
    assert X[-1].shape == (12, 1)
    assert np.isnan(X[-1]).all()


def test_recordings_of_one_length_but_two_rates_come_as_a_list(tmp_path, data_dir):
    files = ["dicom/pydicom_waveform_ecg.dcm", "aecg/cvrg_hl7aecg-Example2.xml"]
    paths = [data_dir / "formats" / file for file in files]
    assert isinstance(read_ecgs(paths, sampling_rate=None)[0], np.ndarray)
    paths.append(data_dir / "formats" / "dicom/cardio_sample.dcm")
    assert isinstance(read_ecgs(paths, sampling_rate=None)[0], list)
    assert isinstance(read_ecgs(paths)[0], np.ndarray)


def test_several_processes_read_the_same_as_one(data_dir):
    paths = [data_dir / "formats" / file for file in FORMATS[3:8]]
    X, table = read_ecgs(paths)
    Y, other = read_ecgs(paths, n_jobs=2)
    np.testing.assert_array_equal(X, Y)
    assert table.equals(other)


def test_nothing_is_shown_unless_asked_for(npy, capsys):
    read_ecgs([npy])
    assert capsys.readouterr() == ("", "")
    read_ecgs([npy], verbose=1)
    assert "1/1" in capsys.readouterr().err


def test_no_files_make_no_rows():
    X, table = read_ecgs([])
    assert (X.shape[0], len(table)) == (0, 0)


def test_identifiers_are_a_column_only_if_asked_for(data_dir):
    path = data_dir / "formats" / "dicom" / "ecgtoolkit_Example.dcm"
    assert "Clark" not in read_ecgs([path])[1].to_string()
    table = read_ecgs([path], keep_identifiers=True)[1]
    assert table["identifiers"][0]["PatientName"] == "Clark"


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"paths": "ecg.dcm"}, TypeError),
        ({"paths": [None]}, TypeError),
        ({"paths": [], "form": "mean"}, ValueError),
        ({"paths": [], "sampling_rate": 0}, ValueError),
    ],
)
def test_wrong_arguments_are_refused(arguments, error):
    with pytest.raises(error, match=r"must be|expected str"):
        read_ecgs(**arguments)


def test_a_missing_package_is_a_row_that_names_the_extra(data_dir, monkeypatch):
    monkeypatch.setitem(sys.modules, "pydicom", None)
    _, table = read_ecgs([data_dir / "formats" / "dicom" / "cardio_sample.dcm"])
    assert "pip install 'skecg[dicom]'" in table["error"][0]


# Median beats


def test_median_beats_of_recorders_come_as_classifiers_take_them(data_dir):
    with_median = [file for file in FORMATS if "129DYPRG" not in file and "liryc" not in file]
    paths = [data_dir / "formats" / file for file in [*with_median, FORMATS[8]]]
    X, table = read_ecgs(paths, form="median")
    assert X.shape == (len(paths), 12, 600)
    assert X.dtype == np.float32
    assert np.isfinite(X[:-1]).all()
    assert np.isnan(X[-1]).all()
    assert table["error"].isna().all()
    assert list(table["has_median"]) == [True] * len(with_median) + [False]
    assert table["notes"].iloc[-1].endswith("no median beat in the file")
    rms = np.linalg.norm(X[:-1], axis=1)
    assert (abs(rms.argmax(axis=1) - 300) <= 10).all()


# Those whose median beat is of the same ECG.
@pytest.mark.parametrize(
    "file", [f for f in FORMATS if not re.search("129DYPRG|liryc|repbeats", f)]
)
def test_median_beats_of_recorders_and_of_this_package_are_aligned_to_2_ms(data_dir, file):
    theirs = read_ecgs([data_dir / "formats" / file], form="median")[0][0]
    ours = MedianBeat().transform([read_ecg(data_dir / "formats" / file)])[0]
    likeness = [
        np.corrcoef(ours[:, 200 + k : 480 + k].ravel(), theirs[:, 200:480].ravel())[0, 1]
        for k in range(-10, 11)
    ]
    assert abs(int(np.argmax(likeness)) - 10) <= 1


def test_a_median_beat_has_its_r_at_300_its_pq_at_zero_and_its_ends_held():
    from skecg.io._batch import place_median

    t = np.arange(400) - 170
    beat = np.exp(-(t**2) / 50) - 0.3 * np.exp(-((t - 12) ** 2) / 50) + 0.25
    beat += 0.2 * np.exp(-((t - 140) ** 2) / 800)
    median = np.linspace(0.5, 1.6, 12)[:, None] * beat
    median[:, -1] = np.nan
    ecg = ECG(np.zeros((12, 1)), 500.0, "test", median=median, median_sampling_rate=500.0)
    placed, notes = place_median(ecg)
    assert placed.shape == (12, 600)
    r = 300 - 110 - _beats.r_offset(median[:, 110:250])  # where the first sample goes
    assert abs(r - (300 - 170)) <= 5
    expected = median - median[:, 100:110].mean(axis=1, keepdims=True)
    np.testing.assert_allclose(placed[:, r : r + 399], expected[:, :399], atol=2e-3)
    np.testing.assert_array_equal(placed[:, :r], np.repeat(placed[:, [r]], r, axis=1))
    held = 2 * r, 2 * (600 - r - 399)
    note = f"the median beat's first value is held for {held[0]} ms, its last {held[1]}"
    assert notes == [note]


@pytest.mark.parametrize(("told", "n_notes"), [(255, 1), (250, 1), (100, 2)])
def test_a_fiducial_point_far_from_r_is_noted(told, n_notes):
    from skecg.io._batch import place_median

    t = np.arange(600) - 250
    median = np.linspace(0.5, 1.6, 12)[:, None] * np.exp(-(t**2) / 50)
    ecg = ECG(
        np.zeros((12, 1)),
        500.0,
        "test",
        median=median,
        median_sampling_rate=500.0,
        median_r_index=told,
    )
    placed, notes = place_median(ecg)
    assert abs(np.linalg.norm(placed, axis=0).argmax() - 300) <= 5
    assert len(notes) == n_notes


def test_a_median_beat_that_is_too_short_is_told():
    from skecg.io._batch import place_median

    t = np.arange(150) - 75
    median = np.ones((12, 1)) * np.exp(-(t**2) / 50)
    ecg = ECG(np.zeros((12, 1)), 500.0, "test", median=median, median_sampling_rate=500.0)
    placed, notes = place_median(ecg)
    assert placed is None
    assert "shorter than -150 to +300 ms around R" in notes[0]
