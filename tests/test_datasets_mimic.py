"""MIMIC-IV-ECG: a small copy in the published layout, with its order of leads."""

import numpy as np
import pytest

from skecg.datasets import load_mimic_iv_ecg
from skecg.leads import LEADS

STORED = ["I", "II", "III", "aVR", "aVF", "aVL", "V1", "V2", "V3", "V4", "V5", "V6"]
MEASURES = "rr_interval,p_onset,p_end,qrs_onset,qrs_end,t_end,p_axis,qrs_axis,t_axis"
KEYS = {"data", "target", "target_names", "groups", "sampling_rate", "table", "DESCR"}
ECGS = [  # patient, study, statements; the last has no row of measurements
    (10000032, 40689238, ["Sinus rhythm", "Normal ECG"]),
    (10000032, 44458630, ["Sinus tachycardia", "*** Consider acute ST elevation MI ***"]),
    (10000117, 45090959, ["Sinus rhythm", "Cannot rule out anterior infarct", "Abnormal ECG"]),
    (10000117, 48446569, []),
    (10000248, 49036311, None),
]


def record_path(patient, study):
    return f"files/p{patient // 10000}/p{patient}/s{study}/{study}"


def write(folder, i, patient, study):
    """Write a record whose lead k, in standard order, is a ramp from 20 i + k units of 5 uV."""
    file = folder / record_path(patient, study)
    file.parent.mkdir(parents=True)
    level = 20 * i + np.array([LEADS.index(lead) for lead in STORED])
    (level + np.arange(5000)[:, None] % 7).astype("<i2").tofile(f"{file}.dat")
    lines = [f"{study} 12 500 5000 08:44:00 23/07/2180"]
    lines += [f"{study}.dat 16 200.0(0)/mV 16 0 4 14670 0 {lead}" for lead in STORED]
    file.with_name(f"{study}.hea").write_text(
        "\n".join([*lines, f"# <subject_id>: {patient}"]) + "\n"
    )


@pytest.fixture
def copy(tmp_path):
    """Four recordings of a list of five."""
    records = ["subject_id,study_id,file_name,ecg_time,path"]
    reports = ",".join(f"report_{k}" for k in range(18))
    machine = [f"subject_id,study_id,cart_id,ecg_time,{reports},bandwidth,filtering,{MEASURES}"]
    for i, (patient, study, statements) in enumerate(ECGS):
        time = f"2180-07-23 08:44:0{i}"
        records.append(f"{patient},{study},{study},{time},{record_path(patient, study)}")
        if statements is not None:
            cells = ",".join(statements + [""] * (18 - len(statements)))
            values = "659,40,128,170,258,518,81,77,75"
            machine.append(
                f"{patient},{study},6848296,{time},{cells},0.005-150 Hz,60 Hz notch,{values}"
            )
        if i != 3:
            write(tmp_path, i, patient, study)
    (tmp_path / "record_list.csv").write_text("\n".join(records) + "\n")
    order = [machine[0], *machine[:0:-1]]  # another order than the list's
    (tmp_path / "machine_measurements.csv").write_text("\n".join(order) + "\n")
    return tmp_path


def test_without_positive_there_is_no_target(copy):
    mimic = load_mimic_iv_ecg(copy)
    assert set(mimic) == KEYS
    assert mimic.target is None
    assert mimic.target_names is None
    assert mimic.groups.tolist() == [10000032, 10000032, 10000117, 10000248]
    assert mimic.groups.dtype == np.int64
    assert mimic.sampling_rate == 500


def test_paths_are_the_default_and_those_of_absent_recordings_are_left_out(copy):
    mimic = load_mimic_iv_ecg(copy)
    present = [ECGS[i][:2] for i in (0, 1, 2, 4)]
    assert mimic.data.tolist() == [str(copy / f"{record_path(*ecg)}.hea") for ecg in present]
    assert "4 ECGs of MIMIC-IV-ECG, 500 Hz. 1 ECGs of record_list.csv are not" in mimic.DESCR


def test_the_table_joins_list_and_measurements_by_study(copy):
    table = load_mimic_iv_ecg(copy).table
    assert table["study_id"].tolist() == [40689238, 44458630, 45090959, 49036311]
    assert table["report"].tolist() == [
        "Sinus rhythm\nNormal ECG",
        "Sinus tachycardia\n*** Consider acute ST elevation MI ***",
        "Sinus rhythm\nCannot rule out anterior infarct\nAbnormal ECG",
        "",
    ]
    np.testing.assert_equal(table["rr_interval"].tolist(), [659, 659, 659, np.nan])
    assert table["bandwidth"].tolist()[0] == "0.005-150 Hz"
    assert table["ecg_time"].tolist()[3] == "2180-07-23 08:44:04"
    assert table.columns.is_unique
    assert not any(name.startswith("report_") for name in table)


def test_leads_are_put_in_order_by_name(copy):
    data = load_mimic_iv_ecg(copy, as_paths=False).data
    assert data.shape == (4, 12, 5000)
    assert data.dtype == np.float32
    expected = 0.005 * (20 + np.arange(12)[:, None] + np.arange(5000) % 7)
    np.testing.assert_allclose(data[1], expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("positive", "negative", "studies", "target", "name"),
    [
        ("acute.*MI", None, [40689238, 44458630, 45090959], [0, 1, 0], "acute.*MI"),
        ("acute.*MI", "^normal ecg$", [40689238, 44458630], [0, 1], None),
        ("infarct|MI", "sinus rhythm", [40689238, 44458630], [0, 1], None),
        (lambda report: "infarct" in report, None, [40689238, 44458630, 45090959], [0, 0, 1], None),
    ],
)  # fmt: skip
def test_classes_are_matches_of_the_statements(copy, positive, negative, studies, target, name):
    mimic = load_mimic_iv_ecg(copy, positive=positive, negative=negative)
    assert mimic.table["study_id"].tolist() == studies
    assert mimic.target.tolist() == target
    assert mimic.target.dtype == np.int64
    assert name is None or mimic.target_names.tolist() == [f"not {name}", name]


def test_a_function_gives_the_class_its_name(copy):
    def infarction(report):
        return "infarct" in report

    mimic = load_mimic_iv_ecg(copy, positive=infarction)
    assert mimic.target_names.tolist() == ["not infarction", "infarction"]


def test_ecgs_without_statements_are_of_neither_class_and_counted(copy):
    description = load_mimic_iv_ecg(copy, positive="infarct|MI", negative="sinus rhythm").DESCR
    assert "1 ECGs without statements, 1 of both classes and 0 of neither left out" in description
    with pytest.raises(ValueError, match=r"No ECG of .* is not \.\* and not also of the other"):
        load_mimic_iv_ecg(copy, positive=".*")


def test_a_negative_without_a_positive_is_an_error(copy):
    with pytest.raises(ValueError, match="negative is the other class of positive"):
        load_mimic_iv_ecg(copy, negative="Normal ECG")


@pytest.mark.parametrize("missing", ["record_list.csv", "machine_measurements.csv"])
def test_a_folder_that_is_not_mimic_iv_ecg_is_an_error(copy, missing):
    (copy / missing).unlink()
    with pytest.raises(
        FileNotFoundError, match=f"not a copy of MIMIC-IV-ECG: there is no {missing}"
    ):
        load_mimic_iv_ecg(copy)


def test_a_copy_without_recordings_is_an_error(copy):
    for file in copy.rglob("*.hea"):
        file.unlink()
    with pytest.raises(FileNotFoundError, match=r"holds none of the recordings .*p1000.*\.hea"):
        load_mimic_iv_ecg(copy)


def test_a_missing_signal_is_named(copy):
    next(copy.rglob("44458630.dat")).unlink()
    with pytest.raises(FileNotFoundError, match=r"44458630\.dat"):
        load_mimic_iv_ecg(copy, as_paths=False)


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("record_list.csv", "subject_id", "subject", "has no column subject_id"),
        ("machine_measurements.csv", "report_0", "report", "has no column report_0"),
        ("machine_measurements.csv", "45090959", "40689238", "has a study_id twice"),
    ],
)
def test_a_damaged_table_is_named(copy, file, old, new, message):
    (copy / file).write_text((copy / file).read_text().replace(old, new))
    with pytest.raises(ValueError, match=rf"{file} {message}"):
        load_mimic_iv_ecg(copy)


def test_a_recording_of_another_length_is_named(copy):
    header = next(copy.rglob("44458630.hea"))
    header.write_text(header.read_text().replace("12 500 5000", "12 500 4000"))
    with pytest.raises(ValueError, match=r"44458630\.hea holds \(12, 4000\) samples"):
        load_mimic_iv_ecg(copy, as_paths=False)
