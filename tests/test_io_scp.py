"""SCP-ECG records, encoded here and real."""

import binascii
import struct
from datetime import datetime

import numpy as np
import pytest

from skecg.io._aecg import read_aecg
from skecg.io._ecg import ECGFormatError
from skecg.io._huffman import make_table
from skecg.io._scp import is_scp, read_scp

RNG = np.random.default_rng(0)
# Steps of every size that the default table has codes for: one digit, 8 bits, 16 bits.
STEPS = np.r_[np.arange(-9, 10), -128, 127, -129, 128, 3000, -4000, RNG.integers(-20, 20, 75)]
COUNTS = np.array([np.cumsum(STEPS), np.cumsum(STEPS[::-1])])
CUSTOM = {0: "0", 1: "10", -1: "110"}  # all else: 111 and 16 bits


def default_code(value):
    if value == 0:
        return "0"
    if abs(value) <= 8:
        return "1" * abs(value) + "0" + "01"[value < 0]
    bits = 8 if -128 <= value < 128 else 16
    return "111111111" + ("0" if bits == 8 else "1") + f"{value & (1 << bits) - 1:0{bits}b}"


def custom_code(value):
    return CUSTOM.get(value) or f"111{value & 0xFFFF:016b}"


def raw(values):
    return np.array(values, "<i2").tobytes()


def huffman(values, code=default_code):
    bits = "".join(code(int(value)) for value in values)
    bits += "0" * (-len(bits) % 16)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


def custom(values):
    return huffman(values, custom_code)


def differences(values, order):
    values = np.asarray(values, np.int64)
    return np.r_[values[:order], np.diff(values, order)] if order else values


def section(number, body):
    body += b"\0" * (len(body) % 2)
    header = struct.pack("<HIBB6x", number, 16 + len(body), 20, 20)
    checksum = binascii.crc_hqx(header + body, 0xFFFF)
    return struct.pack("<H", checksum) + header + body


def record(bodies):
    """Return a record of the bodies of sections by number."""
    at, content = 6 + 136 + 1, b""
    pointers = struct.pack("<HII", 0, 136, 7)
    for number in range(1, 12):
        made = section(number, bodies[number]) if number in bodies else b""
        pointers += struct.pack("<HII", number, len(made), at if made else 0)
        at, content = at + len(made), content + made
    pointers = struct.pack("<HIBB6s", 0, 136, 20, 20, b"SCPECG") + pointers
    checksum = binascii.crc_hqx(pointers, 0xFFFF)
    return sealed(struct.pack("<H", checksum) + pointers + content)


def sealed(content):
    body = struct.pack("<I", len(content) + 6) + content
    return struct.pack("<H", binascii.crc_hqx(body, 0xFFFF)) + body


def signals(leads, order=0, encode=raw, nanovolts=2500, interval=2000, bimodal=0):
    """Return the body of section 5 or 6."""
    chunks = [encode(differences(values, order)) for values in leads]
    body = struct.pack("<HHBB", nanovolts, interval, order, bimodal)
    return body + struct.pack(f"<{len(chunks)}H", *map(len, chunks)) + b"".join(chunks)


def definition(ranges, codes=(1, 2), flags=0b100):
    leads = (struct.pack("<IIB", *range_, code) for range_, code in zip(ranges, codes, strict=True))
    return struct.pack("<BB", len(ranges), flags) + b"".join(leads)


def sections(leads=COUNTS, **kwargs):
    """Return the sections of a record without reference beat: 2 where encoded, 3 and 6."""
    found = {3: definition([(1, len(values)) for values in leads])}
    if kwargs.get("encode") is huffman:
        found[2] = struct.pack("<H", 19999)
    elif kwargs.get("encode") is custom:
        found[2] = struct.pack("<HH", 1, len(CUSTOM) + 1)
        for value, code in CUSTOM.items():
            found[2] += struct.pack("<BBBhI", *[len(code)] * 2, 1, value, int(code[::-1], 2))
        found[2] += struct.pack("<BBBhI", 3, 19, 1, 0, 0b111)
    found[6] = signals(leads, **kwargs)
    return found


def write(folder, content):
    path = folder / "one.scp"
    path.write_bytes(content if isinstance(content, bytes) else record(content))
    return path


@pytest.mark.parametrize("encode", [raw, huffman, custom])
@pytest.mark.parametrize("order", [0, 1, 2])
def test_samples_come_back_through_each_encoding(tmp_path, encode, order):
    stored = read_scp(write(tmp_path, sections(encode=encode, order=order)))
    np.testing.assert_allclose(stored.signal, COUNTS * 0.0025, rtol=1e-12)
    assert (stored.leads, stored.sampling_rate, stored.median) == (["I", "II"], 500, None)


@pytest.mark.parametrize("n_times", [1, 2, 3])
@pytest.mark.parametrize("order", [1, 2])
def test_differences_of_a_few_samples_are_undone(tmp_path, n_times, order):
    stored = read_scp(write(tmp_path, sections(COUNTS[:, :n_times], encode=huffman, order=order)))
    np.testing.assert_allclose(stored.signal, COUNTS[:, :n_times] * 0.0025)


def test_a_difference_beyond_16_bits_wraps_around(tmp_path):
    leads = [[-30000, 30000, -30000]] * 2  # a step of 60000 is sent as -5536

    def wrapped(values):
        return raw(np.asarray(values).astype(np.int16))

    stored = read_scp(write(tmp_path, sections(leads, order=1, encode=wrapped)))
    np.testing.assert_allclose(stored.signal, np.array(leads) * 0.0025)


@pytest.mark.parametrize(("nanovolts", "interval"), [(1000, 1000), (4880, 2000), (5000, 4000)])
def test_amplitude_multiplier_and_sample_interval_scale(tmp_path, nanovolts, interval):
    stored = read_scp(write(tmp_path, sections(nanovolts=nanovolts, interval=interval)))
    np.testing.assert_allclose(stored.signal, COUNTS * nanovolts * 1e-6)
    assert stored.sampling_rate == 1e6 / interval


BEAT = np.array([[1, 5, 100, -50, 7, 3], [2, 6, 200, -70, 9, 4]])


def with_reference(n_times=40, fiducials=(10, 25), kinds=(0, 0), nanovolts=2500, interval=2000):
    """Return sections whose rhythm is BEAT at the fiducials, plus COUNTS; and that rhythm in mV.

    The third sample of the beat is its fiducial point; samples 2 to 5 of it are subtracted.
    """
    residual = COUNTS[:, :n_times]
    rhythm = residual * 0.0025
    zones = b""
    for kind, fiducial in zip(kinds, fiducials, strict=True):
        zones += struct.pack("<HIII", kind, fiducial - 1, fiducial, fiducial + 2)
        if kind == 0:
            end = min(fiducial + 2, n_times)
            part = BEAT[:, 1:5][:, : end - fiducial + 2]
            rhythm[:, fiducial - 2 : end] += part * nanovolts * 1e-6
    zones += b"".join(struct.pack("<II", f - 1, f + 1) for f in fiducials)  # protected areas
    milliseconds = 6 * interval // 1000
    made = {
        2: struct.pack("<H", 19999),
        3: definition([(1, n_times)] * 2, flags=0b101),
        4: struct.pack("<HHH", milliseconds, 3, len(fiducials)) + zones,
        5: signals(BEAT, 1, huffman, nanovolts, interval),
        6: signals(residual, 2, huffman),
    }
    return made, rhythm


@pytest.mark.parametrize("nanovolts", [2500, 1000])
@pytest.mark.parametrize("kinds", [(0, 0), (1, 0)])
def test_the_reference_beat_is_added_where_it_was_subtracted(tmp_path, kinds, nanovolts):
    made, rhythm = with_reference(kinds=kinds, nanovolts=nanovolts)
    stored = read_scp(write(tmp_path, made))
    np.testing.assert_allclose(stored.signal, rhythm, atol=1e-12)
    np.testing.assert_allclose(stored.median, BEAT * nanovolts * 1e-6)
    assert (stored.median_leads, stored.median_sampling_rate) == (["I", "II"], 500)
    assert stored.median_r_index == 2


def test_a_beat_at_the_end_is_added_as_far_as_the_lead_goes(tmp_path):
    made, rhythm = with_reference(fiducials=(10, 39))
    np.testing.assert_allclose(read_scp(write(tmp_path, made)).signal, rhythm, atol=1e-12)


def test_nothing_is_added_where_nothing_was_subtracted(tmp_path):
    made, _ = with_reference()
    made[3] = definition([(1, 40)] * 2, flags=0b100)
    stored = read_scp(write(tmp_path, made))
    np.testing.assert_allclose(stored.signal, COUNTS[:, :40] * 0.0025)
    np.testing.assert_allclose(stored.median, BEAT * 0.0025)


def test_leads_of_other_times_are_nan_where_they_were_not_recorded(tmp_path):
    made = {3: definition([(1, 3), (3, 6)]), 6: signals([[1, 2, 3], [4, 5, 6, 7]])}
    stored = read_scp(write(tmp_path, made))
    nan = np.nan
    expected = np.array([[1, 2, 3, nan, nan, nan], [nan, nan, 4, 5, 6, 7]]) * 0.0025
    np.testing.assert_allclose(stored.signal, expected)


def test_leads_are_named_by_their_codes(tmp_path):
    codes = (1, 2, 3, 8, 61, 62, 63, 64, 65, 84)
    made = {3: definition([(1, 2)] * 10, codes), 6: signals([[1, 2]] * 10)}
    names = ["I", "II", "V1", "V6", "III", "aVR", "aVL", "aVF", "-aVR"]
    assert read_scp(write(tmp_path, made)).leads == [*names, "lead of code 84"]


def tag(number, form, *values):
    value = form if isinstance(form, bytes) else struct.pack(form, *values)
    return struct.pack("<BH", number, len(value)) + value


def test_filters_age_sex_time_and_identifiers_are_read(tmp_path):
    made = sections()
    made[1] = b"".join(
        [
            tag(0, b"Doe\0"), tag(1, b"Jane\0"), tag(2, b"123\0"), tag(4, "<HB", 18, 2),
            tag(5, "<HBB", 1950, 7, 1), tag(8, "<B", 2), tag(25, "<HBB", 2020, 7, 1),
            tag(26, "<BBB", 9, 10, 11), tag(27, "<H", 5), tag(28, "<H", 150), tag(29, "<B", 2),
            tag(255, b""),
        ]
    )  # fmt: skip
    stored = read_scp(write(tmp_path, made))
    assert (stored.highpass, stored.lowpass, stored.notch) == (0.05, 150, 50)
    assert (stored.age, stored.sex) == (1.5, "F")
    assert stored.acquired == datetime(2020, 7, 1, 9, 10, 11)
    identifiers = {"patient_name": "Jane Doe", "patient_id": "123", "birth_date": "19500701"}
    assert stored.identifiers == identifiers


def test_what_section_1_does_not_tell_is_none(tmp_path):
    made = sections()
    made[1] = (
        tag(4, "<HB", 0, 0) + tag(8, "<B", 9) + tag(25, "<HBB", 2020, 13, 1) + tag(29, "<B", 3)
    )
    stored = read_scp(write(tmp_path, made))
    found = stored.highpass, stored.lowpass, stored.notch, stored.age, stored.sex, stored.acquired
    assert found == (None,) * 6


def without(number):
    return {key: body for key, body in sections(encode=huffman).items() if key != number}


def changed(number, body):
    return {**sections(encode=huffman), number: body}


def short_of_a_sample():
    return {**sections(encode=huffman), 6: signals(COUNTS[:, :60], encode=huffman)}


@pytest.mark.parametrize(
    ("made", "cause"),
    [
        (without(3), r"section 3 \(lead definition\) or 6 \(rhythm data\) is missing"),
        (without(6), r"section 3 \(lead definition\) or 6 \(rhythm data\) is missing"),
        (without(2), "lead I has .* bytes for 100 samples"),
        (short_of_a_sample(), "Huffman data end after 6. of 100 samples|take"),
        (changed(3, definition([(1, 40)] * 2)), "Huffman data of .* bits, but 40 samples take"),
        (changed(3, definition([(1, 0)] * 2)), "lead 1 goes from sample 1 to 0"),
        (changed(3, definition([(1, 100)] * 2, (1, 1))), "a lead occurs twice"),
        (changed(3, definition([(1, 2**32 - 1)] * 2)), "more than 20000000 samples"),
        (changed(3, b"\0\0"), "section 3 defines no lead"),
        (changed(3, b"\x05\0"), "a section is shorter than what it should hold"),
        (changed(6, signals(COUNTS, encode=huffman, nanovolts=0)), "amplitude multiplier"),
        (changed(6, signals(COUNTS, encode=huffman, bimodal=1)), "bimodal compression is not"),
        (changed(6, b"\x01\0\x01\0\x03\0"), "differences of order 3"),
        (changed(6, signals(COUNTS, encode=huffman)[:100]), "lead I has .* of .* bytes"),
        (changed(2, struct.pack("<HH", 1, 0)), "the Huffman table has no codes"),
        (changed(2, struct.pack("<HHBBBhI", 1, 1, 0, 9, 1, 0, 0)), "has 0 of 9 bits as prefix"),
        (changed(1, struct.pack("<BH", 0, 999)), "tag 0 of section 1 is longer than the section"),
        (changed(4, struct.pack("<HHH", 0, 0, 99)), "99 QRS complexes in 100 samples"),
        (
            {**sections(), 3: definition([(1, 100)] * 2, flags=1)},
            "reference beat to add is missing",
        ),
        (with_reference(interval=1000)[0], "reference beat to add is missing or of another"),
    ],
)
def test_damage_is_an_error_that_names_file_and_cause(tmp_path, made, cause):
    with pytest.raises(ECGFormatError, match=rf"one\.scp: .*({cause})"):
        read_scp(write(tmp_path, made))


def test_changing_the_huffman_table_is_refused(tmp_path):
    made = sections([[0, 0]] * 2, encode=huffman)
    codes = [(1, 1, 1, 0, 0b0), (1, 1, 0, 2, 0b1)]  # 1 changes to table 2
    made[2] = struct.pack("<HH", 1, 2) + b"".join(struct.pack("<BBBhI", *code) for code in codes)
    made[6] = struct.pack("<HHBB2H", 2500, 2000, 0, 0, 2, 2) + b"\x40\0\x40\0"
    with pytest.raises(ECGFormatError, match="changing the Huffman table between samples"):
        read_scp(write(tmp_path, made))


def test_a_code_that_begins_with_another_is_refused():
    with pytest.raises(ECGFormatError, match="a Huffman code begins with another one"):
        make_table([(1, 1, False, 0, 0b1), (2, 2, False, 1, 0b11)])


@pytest.mark.parametrize("at", [0, 3, 200, -1])
def test_a_changed_byte_is_found_by_the_checksum_or_the_length(tmp_path, at):
    content = bytearray(record(sections(encode=huffman)))
    content[at] ^= 1
    with pytest.raises(ECGFormatError, match=r"checksum of the record is wrong|of a record of"):
        read_scp(write(tmp_path, bytes(content)))


@pytest.mark.parametrize("size", [0, 31, 32, 200, -1])
def test_a_truncated_record_is_refused(tmp_path, size):
    with pytest.raises(ECGFormatError, match=r"one\.scp: (no SCP-ECG record|.* of a record of)"):
        read_scp(write(tmp_path, record(sections())[:size]))


@pytest.mark.parametrize(("index", "size"), [(0, 50), (9999, 50), (143, 15), (100, 50)])
def test_a_pointer_to_no_section_is_refused(tmp_path, index, size):
    content = bytearray(record(sections())[6:])
    struct.pack_into("<II", content, 16 + 3 * 10 + 2, size, index)
    with pytest.raises(ECGFormatError, match="section 3"):
        read_scp(write(tmp_path, sealed(bytes(content))))


def test_bytes_after_the_record_do_not_matter(tmp_path):
    stored = read_scp(write(tmp_path, record(sections()) + b"more"))
    np.testing.assert_allclose(stored.signal, COUNTS * 0.0025)


def test_a_record_is_known_by_its_first_bytes(data_dir):
    head = (data_dir / "formats/scp/ecgtoolkit_Example.scp").read_bytes()[:32]
    assert is_scp(head)
    assert is_scp(record(sections()))
    assert not is_scp(head[:31])
    assert not is_scp(b"<?xml version='1.0'?><RestingECG/>")
    assert not is_scp(bytes(64))


def test_the_scp_and_aecg_copies_of_one_recording_are_equal(data_dir):
    scp = read_scp(data_dir / "formats/scp/ecgtoolkit_Example.scp")
    aecg = read_aecg(data_dir / "formats/aecg/hl7_2003_Example_aECG.xml")
    assert [name.upper() for name in scp.leads] == aecg.leads
    assert scp.sampling_rate == aecg.sampling_rate == scp.median_sampling_rate
    np.testing.assert_allclose(scp.signal, aecg.signal, atol=1e-12)
    np.testing.assert_allclose(scp.median, aecg.median, atol=1e-12)
    assert (scp.age, scp.sex, scp.identifiers) == (aecg.age, aecg.sex, aecg.identifiers)
    assert scp.acquired == aecg.acquired
