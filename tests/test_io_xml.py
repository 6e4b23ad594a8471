"""What the formats written in XML have in common."""

import sys
from datetime import datetime

import pytest

from skecg.io import _xml
from skecg.io._aecg import read_aecg
from skecg.io._ecg import ECGFormatError, millivolt_per
from skecg.io._muse import read_muse
from skecg.io._schiller import read_schiller
from skecg.io._sierra import read_sierra
from skecg.io._xml import compact_time, integers, parse_xml, xml_format

SCHILLER = "com.xiriuz.sema.xml.schillerEDI.SchillerEDI"
READERS = [
    (read_aecg, "AnnotatedECG"),
    (read_muse, "RestingECG"),
    (read_schiller, SCHILLER),
    (read_sierra, "restingecgdata"),
]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('<?xml version="1.0"?>\n<AnnotatedECG xmlns="urn:hl7-org:v3">', "aecg"),
        ("<!-- <RestingECG> --><hl7:AnnotatedECG>", "aecg"),
        ('<restingecgdata xmlns="http://www3.medical.philips.com">', "sierra"),
        ('<!DOCTYPE RestingECG SYSTEM "restecg.dtd">\r\n<RestingECG/>', "muse"),
        ('<!DOCTYPE RestingECG [<!ENTITY a ">">\n]><RestingECG>', "muse"),
        (f"<{SCHILLER}>", "schiller"),
        ("<html><RestingECG/></html>", None),
        ("RestingECG", None),
        ("<", None),
        ("<!-- cut off", None),
        ("", None),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_a_format_is_told_by_its_root_element_in_any_encoding(text, kind, encoding):
    assert xml_format(text.encode(encoding)) == kind


def test_real_files_are_told_apart(data_dir):
    found = {}
    for path in sorted((data_dir / "formats").rglob("*.*")):
        with path.open("rb") as file:
            found.setdefault(path.parent.name, set()).add(xml_format(file.read(4096)))
    assert {folder: kinds for folder, kinds in found.items() if kinds != {None}} == {
        "aecg": {"aecg"},
        "ge_muse": {"muse"},
        "philips_sierra": {"sierra"},
        "schiller": {"schiller"},
    }


BILLION_LAUGHS = '<!DOCTYPE {0} [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><{0}>&b;</{0}>'
EXTERNAL = '<!DOCTYPE {0} [<!ENTITY a SYSTEM "{1}">]><{0}>&a;</{0}>'
PARAMETER = '<!DOCTYPE {0} [<!ENTITY % a SYSTEM "{1}"> %a;]><{0}/>'


@pytest.mark.parametrize(("read", "root"), READERS)
@pytest.mark.parametrize("attack", [BILLION_LAUGHS, EXTERNAL, PARAMETER])
def test_entities_are_refused(tmp_path, read, root, attack):
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    path = tmp_path / "attack.xml"
    path.write_text(attack.format(root, secret.as_uri()))
    with pytest.raises(ECGFormatError, match=r"attack\.xml: XML with entities is refused"):
        read(path)


def test_the_dtd_that_a_doctype_names_is_not_opened(tmp_path):
    dtd = tmp_path / "restecg.dtd"
    dtd.write_text('<!ENTITY a "from outside">')
    path = tmp_path / "one.xml"
    path.write_text(f'<!DOCTYPE RestingECG SYSTEM "{dtd.as_uri()}"><RestingECG>x</RestingECG>')
    assert parse_xml(path, "RestingECG").text == "x"
    path.write_text(f'<!DOCTYPE RestingECG SYSTEM "{dtd.as_uri()}"><RestingECG>&a;</RestingECG>')
    with pytest.raises(ECGFormatError, match="damaged XML"):
        parse_xml(path, "RestingECG")


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (b"", "damaged XML"),
        (b"<RestingECG>", "damaged XML"),
        (b"<RestingECG>\xff</RestingECG>", "damaged XML"),
        (b'<?xml version="1.0" encoding="nonsense"?><RestingECG/>', "damaged XML"),
        (b"<AnnotatedECG/>", "the root element is AnnotatedECG, not RestingECG"),
        (b"<RestingECG>" + b"<a/>" * 1_000_001 + b"</RestingECG>", "tags and attributes"),
    ],
)
def test_what_is_no_such_file_is_told_with_its_name(tmp_path, content, cause):
    path = tmp_path / "one.xml"
    path.write_bytes(content)
    with pytest.raises(ECGFormatError, match=rf"one\.xml: .*{cause}"):
        read_muse(path)


def test_a_file_too_large_for_an_ecg_is_not_read(tmp_path, monkeypatch):
    path = tmp_path / "large.xml"
    path.write_bytes(b"<RestingECG/>")
    monkeypatch.setattr(_xml, "MAX_BYTES", 12)
    with pytest.raises(ECGFormatError, match="13 bytes are more than the 12"):
        read_muse(path)


def test_without_defusedxml_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "defusedxml", None)
    with pytest.raises(ImportError, match=r"pip install 'skecg\[xml\]'"):
        read_muse(tmp_path / "one.xml")


@pytest.mark.parametrize(
    ("unit", "factor"),
    [("mV", 1), (" uV ", 1e-3), ("UV", 1e-3), ("µV", 1e-3), ("MICROVOLTS", 1e-3), ("nV", 1e-6)],
)
def test_units_are_turned_into_millivolts(unit, factor):
    assert millivolt_per(unit) == factor


@pytest.mark.parametrize("unit", ["mm", "", None])
def test_an_unknown_unit_is_refused(unit):
    with pytest.raises(ECGFormatError, match="V, mV, uV or nV are known"):
        millivolt_per(unit)


@pytest.mark.parametrize("text", ["1,,2", "1,2.5", "1,x", "", None, "9" * 20])
def test_samples_that_are_no_whole_numbers_are_refused(text):
    with pytest.raises(ECGFormatError, match="samples of lead I are not all whole numbers"):
        integers(text, "lead I", separator=",")


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("20021122", datetime(2002, 11, 22)),
        ("200211220737", datetime(2002, 11, 22, 7, 37)),
        ("20021122091000.250+0100", datetime(2002, 11, 22, 9, 10, 0, 250_000)),
        ("20021122091", None),
        ("20021322", None),
        ("2002", None),
        (None, None),
    ],
)
def test_compact_times_are_read_by_their_length(text, time):
    assert compact_time(text) == time
