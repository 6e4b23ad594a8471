"""Philips SierraECG, written here and real."""

import base64
import struct
import sys
from datetime import datetime

import numpy as np
import pytest

from skecg.io._ecg import ECGFormatError
from skecg.io._sierra import read_sierra
from skecg.leads import LEADS

RNG = np.random.default_rng(0)
N_TIMES = 60
COUNTS = RNG.integers(-30, 30, (12, N_TIMES)).cumsum(axis=1)  # no law holds: all is residual


def lzw(data):
    """Compress bytes to codes of 10 bits; the highest that a string may have is 1022."""
    codes, strings, word = [], {bytes([i]): i for i in range(256)}, b""
    for byte in data:
        longer = word + bytes([byte])
        if longer in strings:
            word = longer
            continue
        codes.append(strings[word])
        if len(strings) <= 1022:
            strings[longer] = len(strings)
        word = bytes([byte])
    codes.append(strings[word])
    bits = "".join(f"{code:010b}" for code in codes)
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


def xli(counts):
    """Compress leads: limb leads as residuals, all as second differences, high bytes first."""
    stored = np.array(counts)
    if len(stored) > 5:
        i, ii, iii, avr, avl, avf = stored[:6].copy()
        stored[2:6] = (
            ii - i - iii,
            -avr - (i + ii) // 2,
            (i - iii) // 2 - avl,
            (ii + iii) // 2 - avf,
        )
    leads = b""
    for lead in stored:
        second = 2 * lead[1:-1] - lead[:-2] - lead[2:]
        values = np.r_[lead[:2], second[1:] + 64, 64].astype(">i2").tobytes()
        codes = lzw(values[::2] + values[1::2])
        leads += struct.pack("<IHh", len(codes), 1, second[0]) + codes
    return leads


def b64(data):
    return base64.encodebytes(data).decode()


def version_103(
    counts=COUNTS, data=None, gain=5, duration=None, beats="", years="<years>50</years>"
):
    data = xli(counts) if data is None else data
    duration = duration or 2 * len(counts[0])
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<restingecgdata xmlns="http://www3.medical.philips.com"><documentinfo>
<documenttype>SierraECG</documenttype><documentversion>1.03</documentversion></documentinfo>
<dataacquisition date="2020-07-01" time="09:10:11"><signalcharacteristics>
<samplingrate>500</samplingrate><signalresolution>{gain}</signalresolution>
<signalbandwidth>0.05-150</signalbandwidth><acquisitiontype>STD-12</acquisitiontype>
<bitspersample>16</bitspersample><signaloffset>0</signaloffset><signalsigned>True</signalsigned>
<numberchannelsallocated>12</numberchannelsallocated></signalcharacteristics></dataacquisition>
<patient><generalpatientdata><patientid>123</patientid><name><lastname>Doe</lastname>
<firstname>Jane</firstname></name><age>{years}<dateofbirth>1950-07-01</dateofbirth></age>
<sex>Female</sex></generalpatientdata></patient><waveforms>
<parsedwaveforms compressflag="True" compressmethod="XLI" dataencoding="Base64"
 durationperchannel="{duration}">{b64(data)}</parsedwaveforms>{beats}</waveforms></restingecgdata>"""


def version_104(data, leads="I II V1", compression="XLI", extra="", duration=2 * N_TIMES):
    return f"""<?xml version="1.0" encoding="UTF-16"?>
<restingecgdata xmlns="http://www3.medical.philips.com"><documentinfo>
<documenttype>PhilipsECG</documenttype><documentversion>1.04</documentversion></documentinfo>
<dataacquisition date="2020-07-01"><signalcharacteristics><samplingrate>250</samplingrate>
</signalcharacteristics></dataacquisition><waveforms><parsedwaveforms dataencoding="Base64"
 compression="{compression}" leadlabels="{leads}" durationperchannel="{duration}"
 samplespersecond="500" resolution="2.5" hipass="0.15" lowpass="100" notchfiltered="True"
 notchfilterfreqs="60" {extra}>{b64(data)}</parsedwaveforms></waveforms></restingecgdata>"""


def representative_beats(*beats, rate=1000, gain=1.0):
    """Return the element of version 1.03 for beats given by lead and counts."""
    items = "".join(
        f'<repbeat leadname="{name}" duration="{1000 * len(counts) // rate}">'
        f"{b64(np.array(counts, '<i2').tobytes())}</repbeat>"
        for name, counts in beats
    )
    return (
        f'<repbeats dataencoding="Base64" samplespersec="{rate}" resolution="{gain}">'
        f"{items}</repbeats>"
    )


def write(folder, text):
    path = folder / "sierra.xml"
    path.write_text(text, encoding="utf-16" if 'encoding="UTF-16"' in text[:80] else "utf-8")
    return path


def test_compressed_leads_come_back_with_their_residuals(tmp_path):
    stored = read_sierra(write(tmp_path, version_103()))
    np.testing.assert_allclose(stored.signal, COUNTS * 0.005, rtol=1e-12)
    assert (tuple(stored.leads), stored.sampling_rate, stored.notes) == (LEADS, 500, [])


def test_version_104_tells_leads_rate_resolution_and_filters_with_the_waveforms(tmp_path):
    stored = read_sierra(write(tmp_path, version_104(xli(COUNTS[:3]))))
    np.testing.assert_allclose(stored.signal, COUNTS[:3] * 0.0025, rtol=1e-12)
    assert (stored.leads, stored.sampling_rate) == (["I", "II", "V1"], 500)
    assert (stored.highpass, stored.lowpass, stored.notch) == (0.15, 100, 60)


def test_uncompressed_samples_are_read_less_their_offset(tmp_path):
    data = COUNTS[:3].astype("<i2").tobytes()
    text = version_104(data, compression="Uncompressed", extra='signaloffset="7"')
    np.testing.assert_allclose(read_sierra(write(tmp_path, text)).signal, (COUNTS[:3] - 7) * 0.0025)


def test_filters_age_sex_time_and_identifiers_are_read(tmp_path):
    stored = read_sierra(write(tmp_path, version_103()))
    assert (stored.highpass, stored.lowpass, stored.notch) == (0.05, 150, None)
    assert (stored.age, stored.sex) == (50, "F")
    assert stored.acquired == datetime(2020, 7, 1, 9, 10, 11)
    identifiers = {"patient_name": "Jane Doe", "patient_id": "123", "birth_date": "1950-07-01"}
    assert stored.identifiers == identifiers


def test_the_age_comes_from_the_dates_where_it_is_not_told(tmp_path):
    stored = read_sierra(write(tmp_path, version_103(years="")))
    assert stored.age == pytest.approx(70, abs=0.01)


def with_pulse(height):
    pulse = np.repeat([0, height, 0], [70, 100, 50])
    return np.hstack([COUNTS, np.tile(pulse, (12, 1))])


def test_a_pulse_of_1_mv_in_all_leads_at_the_end_is_cut_off_and_noted(tmp_path):
    counts = with_pulse(200)  # of 5 uV
    stored = read_sierra(write(tmp_path, version_103(counts)))
    np.testing.assert_allclose(stored.signal, counts[:, : N_TIMES + 20] * 0.005)
    assert stored.notes == ["calibration pulse after 0.16 s cut off"]


def test_a_pulse_of_another_height_is_left_as_it_is(tmp_path):
    stored = read_sierra(write(tmp_path, version_103(with_pulse(100))))
    np.testing.assert_allclose(stored.signal, with_pulse(100) * 0.005)
    assert stored.notes == []


def test_representative_beats_have_their_own_rate_and_resolution(tmp_path):
    beats = representative_beats(("I", [1, -2, 3]), ("V1", [4, 5, -6]))
    stored = read_sierra(write(tmp_path, version_103(beats=beats)))
    np.testing.assert_allclose(stored.median, [[0.001, -0.002, 0.003], [0.004, 0.005, -0.006]])
    assert (stored.median_leads, stored.median_sampling_rate) == (["I", "V1"], 1000)
    assert stored.median_r_index is None


def test_the_filling_of_a_representative_beat_is_left_out(tmp_path):
    beats = representative_beats(("I", [1, 2, 32767, 32767]), ("V1", [3, 32767, 32767, 32767]))
    stored = read_sierra(write(tmp_path, version_103(beats=beats)))
    np.testing.assert_allclose(stored.median, [[0.001, 0.002], [0.003, np.nan]])


def test_representative_beats_without_a_resolution_are_not_guessed_but_noted(tmp_path):
    beats = representative_beats(("I", [1, 2])).replace(' resolution="1.0"', "")
    stored = read_sierra(write(tmp_path, version_103(beats=beats)))
    assert stored.median is None
    assert len(stored.notes) == 1


XLI_3 = xli(COUNTS[:3])


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (version_103().replace(">1.03<", ">2.00<"), "version '2.00' is none of 1.03, 1.04"),
        (version_103().replace("parsedwaveforms", "other"), "no parsedwaveforms"),
        (version_103(data=b""), "the data end within lead I"),
        (version_103(data=xli(COUNTS)[:-10]), "the data end within lead V6"),
        (version_103(data=b"\0" * 8), "the data end within lead I"),
        (version_103(data=b"\xff\xff\xff\xff\0\0\0\0" * 9), "the data end within lead I"),
        (version_103(data=b"\4\0\0\0\1\0\0\0\xff\xff\0\0"), "lead I does not hold 60 samples"),
        (version_103(duration=118), "lead I does not hold 59 samples"),
        (version_103(duration=122), "lead I does not hold 61 samples"),
        (version_103(duration=10**9), "12 leads of 500000000 samples are none or too many"),
        (version_103(duration=4), "2 samples are too few for XLI"),
        (version_103(duration=-4), "durationperchannel is '-4', not above 0"),
        (version_103(gain="x"), "the resolution is 'x', not a number"),
        (version_103().replace("STD-12", "FRANK"), "the leads of type 'FRANK' have no names"),
        (version_103().replace("XLI", "ZIP"), "compression 'ZIP' cannot be read"),
        (version_103().replace('"Base64"', '"Plain"'), "dataencoding is 'Plain', not 'Base64'"),
        (version_103().replace(">True<", ">False<"), "unsigned samples cannot be read"),
        (version_103().replace(">16<", ">12<"), "the samples are not of 16 bits"),
        (version_104(XLI_3, compression="Uncompressed"), "bytes for 3 leads of 60 samples"),
        (version_104(XLI_3, leads="I III II"), "are not in the order that XLI needs"),
        (version_104(XLI_3, leads="I II I"), "a lead occurs twice"),
        (version_104(XLI_3, extra='numberofleads="4"'), "3 lead names for 4 leads"),
        (
            version_103(beats=representative_beats(("I", [1, 2]), ("II", [1]))),
            "the leads have 1 to 2 samples",
        ),
        (
            version_103(
                beats=representative_beats(("I", [1])).replace('duration="1"', 'duration="3"')
            ),
            r"the beat of I has 2 bytes, not 2 \* 3",
        ),
        (version_103(beats=representative_beats(("I", [32767]))), "beats hold no samples"),
    ],
)
def test_damage_is_an_error_that_names_file_and_cause(tmp_path, text, cause):
    with pytest.raises(ECGFormatError, match=rf"sierra\.xml: .*{cause}"):
        read_sierra(write(tmp_path, text))


def test_without_sierraecg_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "sierraecg.lzw", None)
    with pytest.raises(ImportError, match=r"pip install 'skecg\[sierra\]'"):
        read_sierra(write(tmp_path, version_103()))


@pytest.mark.parametrize("size", [100, 20_000, 56_000])
def test_a_truncated_file_is_refused(data_dir, tmp_path, size):
    path = tmp_path / "cut.xml"
    real = data_dir / "formats/philips_sierra/1_03_129DYPRG.XML"
    path.write_bytes(real.read_bytes()[:size])
    with pytest.raises(ECGFormatError, match=r"cut\.xml: damaged XML"):
        read_sierra(path)


def test_the_two_copies_of_one_ecg_are_equal(data_dir):
    folder = data_dir / "formats/philips_sierra"
    without = read_sierra(folder / "1_03_129DYPRG.XML")
    with_beats = read_sierra(folder / "1_03_repbeats_example.xml")
    np.testing.assert_array_equal(without.signal, with_beats.signal)
    assert without.median is None
    assert with_beats.median.shape == (12, 1200)
    assert (with_beats.age, with_beats.sex) == (50, "M")


@pytest.mark.parametrize("name", ["1_03_repbeats_example.xml", "1_04_3191723_ZZDEMOPTONLY.xml"])
def test_real_files_obey_the_laws_of_the_limb_leads(data_dir, name):
    stored = read_sierra(data_dir / "formats/philips_sierra" / name)
    assert tuple(stored.leads) == LEADS == tuple(stored.median_leads)
    assert (stored.signal.shape, stored.sampling_rate) == ((12, 5300), 500)
    assert stored.notes == ["calibration pulse after 10.6 s cut off"]
    lead_i, lead_ii, lead_iii, avr, avl, avf = stored.signal[:6]
    for derived, law in [
        (lead_iii, lead_ii - lead_i),
        (avr, -(lead_i + lead_ii) / 2),
        (avl, (lead_i - lead_iii) / 2),
        (avf, (lead_ii + lead_iii) / 2),
    ]:
        np.testing.assert_allclose(derived, law, atol=0.01)  # two units of 5 uV
    counts = stored.signal / 0.005
    np.testing.assert_allclose(counts, np.round(counts), atol=1e-9)


def test_the_representative_beat_of_a_real_file_is_that_of_its_rhythm(data_dir):
    stored = read_sierra(data_dir / "formats/philips_sierra/1_04_3191723_ZZDEMOPTONLY.xml")
    assert (stored.median.shape, stored.median_sampling_rate) == ((12, 600), 500)
    swings = np.ptp(stored.median, axis=1) / np.ptp(stored.signal, axis=1)
    assert ((swings > 0.75) & (swings < 1)).all()
    assert np.isfinite(stored.median).all()
    # The file's QRS onset in lead II is at 516 ms and lasts 80 ms.
    assert 516 < 2 * stored.median[1].argmax() < 596
