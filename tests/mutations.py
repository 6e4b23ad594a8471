"""Mutations of ECG files: damage to bytes, and edits that leave a file readable."""

import base64
import binascii
import re

NUMBER = re.compile(rb"[-+]?\d+(?:\.\d+)?")
EXTREMES = (b"\xff\xff\xff\xff", b"\0\0\0\0", b"\xff\xff\xff\x7f", b"\0\0\0\x80")
NONSENSE = (b"nan", b"inf", b"-1", b"0", b"", b"1e999", b"9" * 30, b"-9999999999", b"1e-300", b"x")
JUNK = (b"\xff\xfe", b"\xef\xbb\xbf", b"\0", b"\xc3\x28", "µ".encode(), "\u2028".encode(), b"\x0b")
UNITS = (b"mV", b"uV", b"V", b"nV", b"mv", b"mmHg", b"", "µV".encode())
LEAD_NAMES = (
    b"I",
    b"II",
    b"III",
    b"aVR",
    b"aVL",
    b"aVF",
    b"-aVR",
    b"V1",
    b"V6",
    b"-V1",
    b"V7",
    b"",
)


# Any file


def flip_bit(content, rng):
    content[_place(content, rng)] ^= 1 << rng.randrange(8)


def replace_byte(content, rng):
    content[_place(content, rng)] = rng.randrange(256)


def write_extreme(content, rng):
    at = _place(content, rng)
    content[at : at + 4] = rng.choice(EXTREMES)


def delete(content, rng):
    at = _place(content, rng)
    del content[at : at + rng.choice([1, 2, 3, 24, 200])]


def insert(content, rng):
    at = _place(content, rng)
    content[at:at] = rng.choice([b"\0", b"\0\0", rng.randbytes(rng.randrange(1, 60)), *JUNK])


def repeat(content, rng):
    at = _place(content, rng)
    content[at:at] = content[at : at + rng.choice([1, 2, 24, 1000])]


def truncate(content, rng):
    del content[rng.randrange(len(content)) :]


def clear(content, rng):
    at = _place(content, rng)
    part = content[at : at + rng.choice([2, 24, 1000])]
    content[at : at + len(part)] = bytes(len(part))


BYTES = (flip_bit, replace_byte, write_extreme, delete, insert, repeat, truncate, clear)


def _place(content, rng):
    """Choose a place, mostly in the beginning, where sizes and counts are."""
    return rng.randrange(min(len(content), 3000) if rng.random() < 0.5 else len(content))


# Text


def other_number(text, rng):
    """Return a number near to one, of another size, or none at all."""
    if rng.random() < 0.3:
        return rng.choice(NONSENSE)
    value = float(text)
    kind = rng.randrange(6)
    if kind == 0 and re.search(rb"\d", text):
        at = rng.choice([m.start() for m in re.finditer(rb"\d", text)])
        return text[:at] + b"%d" % rng.randrange(10) + text[at + 1 :]
    factor, term = ((1, 1), (1, -1), (10, 0), (0.1, 0), (2, 0))[kind - 1 if kind else 0]
    value = rng.choice([1, 1, -1]) * (value * factor + term)
    return (b"%d" if value.is_integer() else b"%g") % value


def change_number(content, rng):
    found = list(NUMBER.finditer(content, 0, 20_000 if rng.random() < 0.7 else len(content)))
    if found:
        match = rng.choice(found)
        content[match.start() : match.end()] = other_number(match[0], rng)


def edit_lines(content, rng):
    lines = content.splitlines(keepends=True)
    if len(lines) > 1:
        i, j = rng.sample(range(len(lines)), 2)
        kind = rng.randrange(3)
        if kind == 0:
            lines[i], lines[j] = lines[j], lines[i]
        elif kind == 1:
            del lines[i]
        else:
            lines.insert(j, lines[i])
        content[:] = b"".join(lines)


# WFDB headers


def _edit_field(content, rng, edit, lines=None):
    """Change a field of a signal's line, or of several, by ``edit(fields, i_line)``."""
    texts = bytes(content).split(b"\n")
    signals = [i for i, text in enumerate(texts) if i and text.strip() and text[:1] != b"#"]
    for i in rng.sample(signals, lines or 1):
        fields = texts[i].split(maxsplit=8)
        edit(fields)
        texts[i] = b" ".join(fields)
    content[:] = b"\n".join(texts)


def change_rate(content, rng):
    fields = bytes(content).split(b"\n", 1)[0].split()
    _change_first(content, 2, other_number(fields[2], rng))


def change_counts(content, rng):
    i = rng.choice([1, 3])
    _change_first(content, i, other_number(bytes(content).split(b"\n", 1)[0].split()[i], rng))


def _change_first(content, i, value):
    first, rest = bytes(content).split(b"\n", 1)
    fields = first.split()
    fields[i] = value
    content[:] = b" ".join(fields) + b"\n" + rest


def change_gain(content, rng):
    def edit(fields):
        text = NUMBER.match(fields[2])[0]
        fields[2] = other_number(text, rng) + fields[2][len(text) :]

    _edit_field(content, rng, edit)


def change_baseline(content, rng):
    def edit(fields):
        gain, slash, unit = fields[2].partition(b"/")
        gain = gain.partition(b"(")[0]
        fields[2] = (
            gain + b"(%s)" % other_number(b"%d" % rng.randrange(-99, 99), rng) + slash + unit
        )

    _edit_field(content, rng, edit)


def change_unit(content, rng):
    def edit(fields):
        unit = rng.choice(UNITS)
        fields[2] = fields[2].partition(b"/")[0] + (b"/" + unit if unit else b"")

    _edit_field(content, rng, edit)


def change_integer(content, rng):
    i = rng.randrange(3, 8)  # bits, ADC zero, first value, checksum, block size

    def edit(fields):
        fields[i] = other_number(fields[i], rng)

    _edit_field(content, rng, edit)


def change_format(content, rng):
    def edit(fields):
        kinds = (b"8", b"61", b"80", b"160", b"212", b"24", b"32", b"310", b"311", b"516", b"16x2")
        more = (b"16:1", b"16:99999999", b"16+2", b"16+24", b"16+999999", b"16x0", b"", b"0")
        fields[1] = rng.choice([*kinds, *more])

    _edit_field(content, rng, edit, lines=rng.choice([1, 12]))


def change_name(content, rng):
    _edit_field(content, rng, lambda fields: fields.__setitem__(-1, rng.choice(LEAD_NAMES)))


def change_file(content, rng):
    names = (b"other.dat", b"none.dat", b"~", b"../one.dat", b"/dev/zero", b"one.hea")

    def edit(fields):
        fields[0] = rng.choice(names)

    _edit_field(content, rng, edit, lines=rng.choice([1, 12]))


def swap_names(content, rng):
    names = []
    state = rng.getstate()
    _edit_field(content, rng, lambda fields: names.append(fields[-1]), lines=2)
    rng.setstate(state)
    _edit_field(content, rng, lambda fields: fields.__setitem__(-1, names.pop()), lines=2)


HEADER = (
    *(change_rate, change_counts, change_gain, change_baseline, change_unit, change_integer),
    *(change_format, change_name, change_file, swap_names, edit_lines, change_number),
)


def change_all_gains(content, rng):
    """Change all gains in the same way, which nothing in a record contradicts."""
    factor = rng.choice([0.1, 0.5, 2, 10])

    def edit(fields):
        text = NUMBER.match(fields[2])[0]
        fields[2] = b"%g" % (float(text) * factor) + fields[2][len(text) :]

    _edit_field(content, rng, edit, lines=12)


# XML


TAG = re.compile(rb"<(/?)([A-Za-z][\w.:-]*)([^<>]*)>")


def swap_tags(content, rng):
    first, second = _two(content, rng)
    content[second.start(2) : second.end(2)] = first[2]
    content[first.start(2) : first.end(2)] = second[2]


def delete_element(content, rng):
    start, end = _element(content, rng)
    del content[start:end]


def repeat_element(content, rng):
    start, end = _element(content, rng)
    content[end:end] = content[start:end] * rng.choice([1, 2, 20])


def nest(content, rng):
    start, end = _element(content, rng)
    n = rng.choice([10, 1000, 100_000])
    content[start:end] = b"<a>" * n + content[start:end] + b"</a>" * n


def declare_entity(content, rng):
    root = re.search(rb"<[A-Za-z]", content)
    attack = rng.choice(
        [b'<!ENTITY a "ha">', b'<!ENTITY a SYSTEM "file:///etc/passwd">', b'<!ENTITY % a "x">%a;']
    )
    if root:
        content[root.start() : root.start()] = b"<!DOCTYPE r [" + attack + b"]>"


def damage_base64(content, rng):
    found = list(re.finditer(rb"[A-Za-z0-9+/\s]{200,}={0,2}", content))
    if found:
        at = rng.randrange(*rng.choice(found).span())
        junk = [b"=", b"!", b"AAAA", b"", base64.b64encode(rng.randbytes(9)), b"\xff", b"A"]
        content[at : at + rng.choice([0, 1, 4])] = rng.choice(junk)


def _two(content, rng):
    found = list(TAG.finditer(bytes(content)))
    first, second = sorted(rng.sample(range(len(found)), 2))
    return found[first], found[second]


def _element(content, rng):
    data = bytes(content)
    match = rng.choice(list(TAG.finditer(data)))
    end = data.find(b"</" + match[2] + b">", match.end())
    return (match.start(), end + len(match[2]) + 3) if end >= 0 else match.span()


XML = (swap_tags, delete_element, repeat_element, nest, declare_entity, damage_base64)
XML += (edit_lines, *3 * (change_number,))


# Formats with lengths


def change_scp_number(content, rng):
    """Change a number where SCP-ECG has pointers, lengths, counts and Huffman codes."""
    starts = [int.from_bytes(content[22 + 10 * i + 6 :][:4], "little") - 1 for i in range(12)]
    starts = [0, *(start for start in starts if 0 <= start < len(content) - 60)]
    at = rng.choice(starts) + rng.randrange(60 if rng.random() < 0.7 else 150)
    size = rng.choice([1, 2, 4])
    value = int.from_bytes(content[at : at + size], "little")
    value = rng.choice(
        [0, 1, 2**31, 2**32 - 1, value + 1, value - 1, 2 * value, rng.getrandbits(32)]
    )
    content[at : at + size] = (value % 256**size).to_bytes(size, "little")


def change_dicom_element(content, rng):
    """Change the value or the length of an element with a short explicit VR."""
    found = list(re.finditer(rb"[A-Z]{2}[\x02-\x40]\0", bytes(content)))
    if found:
        at = rng.choice(found).end()
        n = content[at - 2]
        if rng.random() < 0.3:
            content[at - 2 : at] = rng.choice([b"\xff\xff", b"\0\0", b"\xff\x7f", b"\x01\0"])
        elif NUMBER.fullmatch(bytes(content[at : at + n]).strip(b" \0")):
            number = other_number(bytes(content[at : at + n]).strip(b" \0"), rng)
            content[at : at + n] = number[:n].ljust(n)
        else:
            content[at : at + n] = rng.choice([rng.randbytes(n), b"\xff" * n, b"\0" * n])


def change_edf_field(content, rng):
    """Change a number of the header, in a field of 8 bytes."""
    starts = [184, 236, 244, 252]
    n_signals = int(bytes(content[252:256]).strip() or b"0") if content[252:256].isdigit() else 12
    starts += [256 + n_signals * 104 + 8 * i for i in range(4 * n_signals)]
    starts += [256 + n_signals * 216 + 8 * i for i in range(n_signals)]
    at = rng.choice(starts)
    width = 4 if at == 252 else 8
    text = bytes(content[at : at + width]).strip()
    new = other_number(text, rng) if NUMBER.fullmatch(text) else rng.choice(NONSENSE)
    content[at : at + width] = new[:width].ljust(width)


OWN = {
    "aecg": XML,
    "muse": XML,
    "sierra": XML,
    "schiller": XML,
    "scp": 3 * (change_scp_number,),
    "dicom": 3 * (change_dicom_element,),
    "edf": 3 * (change_edf_field,),
    "csv": (change_number, edit_lines),
    "npy": (change_number,),
}


def mutate(content, kind, rng):
    """Return a damaged copy of a file of a format, and the names of what was done to it."""
    content, names = bytearray(content), []
    for _ in range(rng.choice([1, 1, 1, 2, 5])):
        edit = rng.choice(OWN[kind] if rng.random() < 0.6 else BYTES)
        try:
            edit(content, rng)
        except (IndexError, ValueError):  # an edit before has left too little
            continue
        names.append(edit.__name__)
        content = content or bytearray(b"\0")
    if kind == "scp" and rng.random() < 0.8:
        content = with_checksum(content)
    return bytes(content), names


def mutate_record(header, data, rng, edits=None):
    """Return a damaged copy of a WFDB header and its signal file, and what was done."""
    header, data, names = bytearray(header), bytearray(data), []
    for _ in range(rng.choice([1, 1, 1, 2])):
        kind = rng.random()
        edit = rng.choice(edits or (HEADER if kind < 0.6 else BYTES))
        try:
            edit(data if not edits and kind > 0.8 else header, rng)
        except (IndexError, ValueError):  # an edit before has left too little
            continue
        names.append(edit.__name__ + (" (data)" if not edits and kind > 0.8 else ""))
    return bytes(header or b"\0"), bytes(data or b"\0"), names


def with_checksum(record):
    """Return an SCP-ECG record with length and checksum put right, so that the rest is read."""
    body = len(record).to_bytes(4, "little") + record[6:]
    return binascii.crc_hqx(bytes(body), 0xFFFF).to_bytes(2, "little") + body
