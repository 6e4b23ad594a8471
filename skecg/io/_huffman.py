"""Huffman codes of SCP-ECG: section 2 of a record, and the samples that are written with it."""

import struct
from typing import NamedTuple

import numpy as np

from ._ecg import ECGFormatError

_DEFAULT = 19999  # in place of the number of tables: the one of the standard
_WINDOW = 32  # bits looked at from each bit on
_PADDING = 16  # bits; a lead's data end at an even byte


class HuffmanTable(NamedTuple):
    """Codes as ranges of the 32 bits that begin with them, in rising order."""

    starts: np.ndarray
    ends: np.ndarray
    prefix_bits: np.ndarray
    total_bits: np.ndarray
    is_switch: np.ndarray  # to another table
    values: np.ndarray


def make_table(codes):
    """Make a table of codes: bits of the prefix and in all, switch or not, value, prefix."""
    codes = sorted(codes, key=lambda code: code[4] << (_WINDOW - code[0]))
    prefix_bits, total_bits, is_switch, values, prefixes = (
        np.array(column) for column in zip(*codes, strict=True)
    )
    starts = prefixes << (_WINDOW - prefix_bits)
    ends = (prefixes + 1) << (_WINDOW - prefix_bits)
    if (starts[1:] < ends[:-1]).any():
        raise ECGFormatError("a Huffman code begins with another one")
    return HuffmanTable(starts, ends, prefix_bits, total_bits, is_switch, values)


def _default_table():
    codes = [(1, 1, False, 0, 0b0)]
    for value in range(1, 9):  # as many ones as the value, a zero, the sign
        ones = (1 << value) - 1
        codes.append((value + 2, value + 2, False, value, ones << 2))
        codes.append((value + 2, value + 2, False, -value, ones << 2 | 1))
    codes.append((10, 18, False, 0, 0b1111111110))  # the value follows in 8 bits
    codes.append((10, 26, False, 0, 0b1111111111))  # the value follows in 16 bits
    return make_table(codes)


def parse_section_2(section):
    """Return the first table of section 2, or None where it has none: nothing is encoded."""
    (n_tables,) = struct.unpack_from("<H", section)
    if n_tables == _DEFAULT:
        return _default_table()
    if n_tables == 0:
        return None
    (n_codes,) = struct.unpack_from("<H", section, 2)
    codes = []
    for i in range(n_codes):
        prefix_bits, total_bits, mode, value, prefix = struct.unpack_from(
            "<BBBhI", section, 4 + 9 * i
        )
        if not 1 <= prefix_bits <= _WINDOW or not 0 <= total_bits - prefix_bits <= 16:
            raise ECGFormatError(f"a Huffman code has {prefix_bits} of {total_bits} bits as prefix")
        # The bit that is sent first is the lowest of the stored prefix.
        prefix = int(f"{prefix & (1 << prefix_bits) - 1:0{prefix_bits}b}"[::-1], 2)
        codes.append((prefix_bits, total_bits, mode == 0, value, prefix))
    if not codes:
        raise ECGFormatError("the Huffman table has no codes")
    return make_table(codes)


def decode_huffman(data, n_samples, table):
    """Return the `n_samples` values that a lead's bytes hold."""
    windows = _windows(data)
    rows = np.searchsorted(table.starts, windows, side="right") - 1
    rows[windows >= table.ends[rows]] = -1  # and row -1 remains where nothing starts so low
    step = np.where(rows < 0, 0, table.total_bits[rows]).tolist()
    places, at, n_bits = [], 0, len(windows)
    while len(places) < n_samples:
        if at >= n_bits:
            raise ECGFormatError(f"Huffman data end after {len(places)} of {n_samples} samples")
        if not step[at]:
            raise ECGFormatError(f"no Huffman code begins at bit {at}")
        places.append(at)
        at += step[at]
    if not 0 <= n_bits - at < _PADDING:
        raise ECGFormatError(f"Huffman data of {n_bits} bits, but {n_samples} samples take {at}")
    places = np.array(places)
    rows = rows[places]
    if table.is_switch[rows].any():
        raise ECGFormatError("changing the Huffman table between samples is not supported")
    values = table.values[rows].astype(np.int64)
    bits = (table.total_bits - table.prefix_bits)[rows]
    extra = np.flatnonzero(bits)  # the value goes on after the prefix, with its sign first
    bits = bits[extra]
    low = windows[places[extra] + table.prefix_bits[rows[extra]]] >> (_WINDOW - bits)
    values[extra] += np.where(low >> (bits - 1), low - (1 << bits), low)
    return values


def _windows(data):
    """Return the next 32 bits from each bit of the data on, as numbers."""
    octets = np.frombuffer(data + bytes(4), np.uint8).astype(np.int64)
    n = len(data)
    forty = sum(octets[i : i + n] << 8 * (4 - i) for i in range(5))
    return (forty[:, None] >> np.arange(8, 0, -1) & (1 << _WINDOW) - 1).ravel()
