"""PTB-XL: a small copy built here, and a real part of it."""

import numpy as np
import pytest

from skecg.datasets import load_ptbxl

KEYS = {"data", "target", "target_names", "groups", "sampling_rate", "table", "DESCR"}
NAMES = ["I", "II", "III", "AVR", "AVL", "AVF", "V1", "V2", "V3", "V4", "V5", "V6"]
CODES = [
    {"IMI": 100.0, "SR": 0.0},
    {"NORM": 80.0, "SR": 0.0},
    {"NORM": 0.0},
    {"NORM": 35.0, "ASMI": 15.0},
    {"CLBBB": 100.0},
    {"ASMI": 0.0},
]


@pytest.fixture
def copy(tmp_path):
    """Six ECGs at 100 Hz; lead k of ECG i is constantly 100 i + k microvolt, leads reversed."""
    lines = ["ecg_id,patient_id,age,sex,scp_codes,strat_fold,filename_lr,filename_hr"]
    for i, codes in enumerate(CODES):
        name = f"records100/{i}_lr"
        lines.append(f'{i + 1},{i // 2}.0,300.0,1,"{codes}",{i + 3},{name},records500/{i}_hr')
        (tmp_path / "records100").mkdir(exist_ok=True)
        levels = (100 * i + np.arange(12))[::-1].astype("<i2")
        np.tile(levels, 1000).tofile(tmp_path / f"{name}.dat")
        header = [f"{i}_lr 12 100 1000"]
        header += [f"{i}_lr.dat 16 1000/mV 16 0 0 0 0 {lead}" for lead in NAMES[::-1]]
        (tmp_path / f"{name}.hea").write_text("\n".join(header) + "\n")
    (tmp_path / "ptbxl_database.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "scp_statements.csv").write_text(
        ",diagnostic_class\nIMI,MI\nASMI,MI\nNORM,NORM\nCLBBB,CD\nSR,\n"
    )
    return tmp_path


def test_ecgs_of_both_classes_or_neither_are_left_out(copy):
    ptbxl = load_ptbxl(copy, sampling_rate=100)
    assert ptbxl.table["ecg_id"].tolist() == [1, 2, 3, 6]
    assert ptbxl.target.tolist() == [1, 0, 0, 1]
    assert ptbxl.target_names.tolist() == ["NORM", "MI"]
    assert "1 ECGs of both and 1 of neither left out" in ptbxl.DESCR


def test_everything_is_in_the_order_of_the_rows(copy):
    ptbxl = load_ptbxl(copy, sampling_rate=100)
    assert set(ptbxl) == KEYS | {"fold"}
    assert ptbxl.sampling_rate == 100
    assert ptbxl.groups.tolist() == [0, 0, 1, 2]
    assert ptbxl.fold.tolist() == [3, 4, 5, 8]
    assert {a.dtype for a in (ptbxl.target, ptbxl.groups, ptbxl.fold)} == {np.dtype(np.int64)}
    assert ptbxl.table["scp_codes"][3] == {"ASMI": 0.0}
    assert (ptbxl.table["age"] == 300).all()


def test_leads_are_put_in_order_by_name(copy):
    data = load_ptbxl(copy, sampling_rate=100).data
    assert data.shape == (4, 12, 1000)
    assert data.dtype == np.float32
    expected = (100 * np.array([0, 1, 2, 5])[:, None] + np.arange(12)) / 1000
    np.testing.assert_allclose(data[:, :, 500], expected, atol=1e-6)


@pytest.mark.parametrize(("rate", "end"), [(100, "lr"), (500, "hr")])
def test_paths_come_without_reading(copy, rate, end):
    ptbxl = load_ptbxl(copy, sampling_rate=rate, as_paths=True)  # there are no files at 500 Hz
    expected = [str(copy / f"records{rate}/{i}_{end}.hea") for i in (0, 1, 2, 5)]
    assert ptbxl.data.tolist() == expected
    assert ptbxl.target.tolist() == [1, 0, 0, 1]


@pytest.mark.parametrize(
    ("positive", "negative", "ids", "names"),
    [
        ("ASMI", "NORM", [2, 3, 6], ["NORM", "ASMI"]),
        (["IMI", "CD"], "NORM", [1, 2, 3, 4, 5], ["NORM", "IMI or CD"]),
        ("MI", None, [1, 2, 3, 4, 5, 6], ["not MI", "MI"]),
        ("CLBBB", ["SR", "MI"], [1, 2, 4, 5, 6], ["SR or MI", "CLBBB"]),
    ],
)
def test_classes_are_superclasses_codes_or_lists_of_them(copy, positive, negative, ids, names):
    ptbxl = load_ptbxl(copy, positive=positive, negative=negative, sampling_rate=100)
    assert ptbxl.table["ecg_id"].tolist() == ids
    assert ptbxl.target_names.tolist() == names


@pytest.mark.parametrize("unknown", ["STEMI", ["MI", "STEMI"]])
def test_an_unknown_diagnosis_is_answered_with_the_known_ones(copy, unknown):
    with pytest.raises(ValueError, match=r"STEMI is no diagnosis.*CD, MI, NORM.*ASMI, CLBBB, IMI"):
        load_ptbxl(copy, positive=unknown, sampling_rate=100)


def test_an_empty_class_is_an_error(copy):
    with pytest.raises(ValueError, match=r"No ECG of .* is MI and not also of the other class"):
        load_ptbxl(copy, positive="MI", negative="MI", sampling_rate=100)


def test_another_sampling_rate_is_an_error(copy):
    with pytest.raises(ValueError, match="sampling_rate must be 500 or 100, got 250"):
        load_ptbxl(copy, sampling_rate=250)


@pytest.mark.parametrize("missing", ["ptbxl_database.csv", "scp_statements.csv"])
def test_a_folder_that_is_not_ptbxl_is_an_error(copy, missing):
    (copy / missing).unlink()
    with pytest.raises(FileNotFoundError, match=f"is not a copy of PTB-XL: there is no {missing}"):
        load_ptbxl(copy)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("strat_fold", "fold", "has no column strat_fold"),
        ("{'NORM': 0.0}", "{'NORM'", "has scp_codes that are no dict"),
        ("6,2.0,", "6,2.0,,,,", "is no table"),
    ],
)
def test_a_damaged_table_is_named(copy, old, new, message):
    file = copy / "ptbxl_database.csv"
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))
    with pytest.raises(ValueError, match=rf"ptbxl_database\.csv {message}"):
        load_ptbxl(copy, sampling_rate=100)


def test_a_missing_recording_is_named(copy):
    (copy / "records100" / "2_lr.dat").unlink()
    with pytest.raises(FileNotFoundError, match=r"2_lr\.dat"):
        load_ptbxl(copy, sampling_rate=100)


def test_a_recording_of_another_length_is_named(copy):
    header = copy / "records100" / "1_lr.hea"
    header.write_text(header.read_text().replace("12 100 1000", "12 100 900"))
    with pytest.raises(ValueError, match=r"1_lr holds \(12, 900\) samples"):
        load_ptbxl(copy, sampling_rate=100)


def test_the_real_part_has_73_infarctions_and_297_normal_ecgs(data_dir):
    ptbxl = load_ptbxl(data_dir / "ptbxl")
    assert np.bincount(ptbxl.target).tolist() == [297, 73]
    assert ptbxl.data.shape == (370, 12, 5000)
    assert np.isfinite(ptbxl.data).all()
    infarctions = ptbxl.target == 1
    assert len(np.unique(ptbxl.groups[infarctions])) == 70
    assert set(ptbxl.fold) == set(range(1, 11))
    np.testing.assert_allclose(
        ptbxl.data[:, 0] + ptbxl.data[:, 2], ptbxl.data[:, 1], atol=0.003
    )  # I + III = II
