"""What is refused with strict=True, in records written here and in real ones."""

import numpy as np
import pytest

from skecg.datasets import make_omi
from skecg.io import ECGFormatError, read_ecg, read_ecgs
from skecg.leads import LEADS, to_standard_order

N_TIMES = 50


@pytest.fixture
def record(tmp_path):
    """A record of twelve leads, whose header tells all about it."""
    independent = np.random.default_rng(0).integers(-200, 200, (8, N_TIMES)) * 4
    signal = to_standard_order(independent, ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6"))
    counts = signal.astype("<i2")
    counts.T.tofile(tmp_path / "one.dat")
    lines = [f"one 12 500 {N_TIMES}"]
    for name, lead in zip(LEADS, counts, strict=True):
        lines.append(f"one.dat 16 1000(0)/mV 16 0 {lead[0]} {lead.sum(dtype=int) % 2**16} 0 {name}")
    (tmp_path / "one.hea").write_text("\n".join(lines))
    return tmp_path / "one.hea"


def edit(header, line, old, new):
    lines = header.read_text().split("\n")
    assert old in lines[line]
    lines[line] = lines[line].replace(old, new, 1)
    header.write_text("\n".join(lines))


def test_a_record_that_proves_itself_is_read_as_it_is_without_strict(record):
    strict, plain = read_ecg(record, strict=True), read_ecg(record)
    np.testing.assert_array_equal(strict.signal, plain.signal)
    assert strict.notes == plain.notes == ()


@pytest.mark.parametrize(
    ("line", "old", "new", "cause"),
    [
        (0, " 500 50", "", "leaves open: sampling rate not told"),
        (0, " 500 50", " 500", "does not tell the number of samples"),
        (0, " 500 50", " 501 50", "has a sampling rate of 501 Hz"),
        (0, " 500 50", " 500 49", "does not give the size of one.dat"),
        (1, "/mV", "", "does not tell gain, unit, zero, first value and checksum of 'I'"),
        (1, "16 0", "16 0.5", "does not tell gain"),
        (1, "1000(0)", "0(0)", "does not tell gain"),
        (1, "dat 16", "dat 16:1", "samples other than of format 16"),
        (1, "1000", "500", "different gains"),
        (1, "mV", "uV", "different gains"),
        (1, "(0)", "(1)", "different baselines"),
        (7, " V1", " V7", "holds no lead V1"),
        (7, " V1", " -V1", "holds no lead V1"),
        (7, " V1", "", "does not tell gain"),
    ],
)
def test_what_a_header_leaves_open_or_contradicts_is_refused(record, line, old, new, cause):
    edit(record, line, old, new)
    with pytest.raises(ECGFormatError, match=rf"one\.hea.*{cause}.*strict=True"):
        read_ecg(record, strict=True)
    read_ecg(record)


def test_names_that_are_swapped_are_refused(record):
    edit(record, 8, " V2", " V3")
    edit(record, 9, " V3", " V2")
    with pytest.raises(ECGFormatError, match="does not hold the chest leads in the order V1 to V6"):
        read_ecg(record, strict=True)
    edit(record, 8, " V3", " V2")
    edit(record, 9, " V2", " V3")
    edit(record, 1, " I", " II")
    edit(record, 2, " II", " I")
    with pytest.raises(ECGFormatError, match="has limb leads that contradict one another"):
        read_ecg(record, strict=True)


@pytest.mark.parametrize("zero", ["(5)", "(-3)"])
def test_a_baseline_other_than_the_adc_zero_is_refused(record, zero):
    record.write_text(record.read_text().replace("(0)", zero))
    with pytest.raises(ECGFormatError, match="a baseline other than the ADC zero"):
        read_ecg(record, strict=True)


@pytest.mark.parametrize(
    ("sample", "cause"), [(0, "the first value"), (7 * 12, "another checksum")]
)
def test_samples_that_are_changed_are_refused(record, sample, cause):
    counts = np.fromfile(record.with_suffix(".dat"), "<i2")
    counts[sample] += 1
    counts.tofile(record.with_suffix(".dat"))
    with pytest.raises(ECGFormatError, match=f"gives I {cause}"):
        read_ecg(record, strict=True)


def test_a_file_of_another_format_needs_a_usual_sampling_rate_and_limb_leads_that_agree(tmp_path):
    path = tmp_path / "one.csv"
    signal = to_standard_order(np.random.default_rng(0).normal(size=(8, 50)), LEADS[:2] + LEADS[6:])
    told = {"unit": "mV", "leads": LEADS, "strict": True}
    np.savetxt(path, signal.T, "%.6f", ",")
    assert read_ecg(path, sampling_rate=500, **told).signal.shape == (12, 50)
    with pytest.raises(ECGFormatError, match="has a sampling rate of 37 Hz"):
        read_ecg(path, sampling_rate=37, **told)
    signal[2] *= -1
    np.savetxt(path, signal.T, "%.6f", ",")
    with pytest.raises(ECGFormatError, match="limb leads that contradict one another"):
        read_ecg(path, sampling_rate=500, **told)


def test_a_sampling_rate_that_makes_the_qrs_too_narrow_is_refused(tmp_path):
    path = tmp_path / "one.npy"
    np.save(path, make_omi(1, form="ecg", random_state=1)[0][0])
    told = {"unit": "mV", "leads": LEADS, "strict": True}
    assert read_ecg(path, sampling_rate=500, **told).sampling_rate == 500
    with pytest.raises(ECGFormatError, match="has a QRS of less than 38 ms at 1000 Hz, which is"):
        read_ecg(path, sampling_rate=1000, **told)


@pytest.mark.parametrize(
    ("pattern", "is_read"),
    [
        ("ptbxl/records500/00000/0000*.hea", True),
        ("cinc2021_sample/*0.hea", True),
        ("cpsc2018_sample/*.hea", True),
        ("ludb/data/1*.hea", False),  # each lead has a gain of its own
        ("ptbdb_patient001/*.hea", False),  # checksums are not told
    ],
)
def test_real_records_are_read_or_refused_by_what_their_headers_tell(data_dir, pattern, is_read):
    paths = sorted(data_dir.glob(pattern))[:10]
    errors = read_ecgs(paths, strict=True)[1]["error"]
    assert errors.isna().tolist() == [is_read] * len(paths)
    assert read_ecgs(paths)[1]["error"].isna().all()
