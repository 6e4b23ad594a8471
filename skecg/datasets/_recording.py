"""Median beats and raw recordings of simulated hearts."""

import numpy as np

from .._beats import r_offset
from ..leads import INDEPENDENT_LEADS, to_standard_order
from ._heart import SAMPLING_RATE, phases_at, project, render
from ._noise import electrode_noise, recording_noise
from ._rhythm import (
    ATRIAL,
    NORMAL,
    VENTRICULAR,
    atrial_beats,
    beat_times,
    fibrillation_waves,
    ventricular_beats,
)

R_INDEX = 300
N_TIMES = {"beat": 600, "ecg": 5000}
_MS = 1000 / SAMPLING_RATE
_TIMES = (np.arange(600, dtype=np.float32) - R_INDEX) * _MS  # ms from R
_TURN = np.radians(4)  # of the heart, by the breath
_AROUND_R = (60, 80)  # samples, as MedianBeat looks for R


def find_r(leads, marks):
    """Return where R lies in ms from the onset of QRS (n,), as MedianBeat puts it."""
    before, after = _AROUND_R
    middle = 0.45 * (marks[:, 3] - marks[:, 2])
    times = middle[:, None] + np.arange(-before, after) * _MS
    qrs = to_standard_order(render(leads, phases_at(times, marks)), INDEPENDENT_LEADS)
    return middle + (r_offset(qrs) - before) * _MS


def median_beats(leads, marks, table, rng):
    """Return median beats in 12 leads (n, 12, 600) of hearts with R at 0 ms."""
    own = render(leads, phases_at(_TIMES, marks))
    n = len(own)
    signal = own.copy()
    rr = 60 * SAMPLING_RATE / table["rate"]
    # Neighbouring beats come a little earlier or later each time: the median blurs them; where
    # the rhythm has no order, it leaves nothing of them.
    shifts = rr[:, None, None] * np.array([-2, -1, 1, 2])[:, None]
    shifts = shifts * (1 + 0.025 * rng.standard_normal((n, 4, 3)))
    shifts[table["rhythm"] == "AF"] = 2 * R_INDEX
    shifts = np.rint(shifts).astype(int).reshape(n, -1)
    own /= 3
    rows, columns = np.nonzero(np.abs(shifts) < 600)
    for row, start in zip(rows.tolist(), shifts[rows, columns].tolist(), strict=True):
        if start > 0:
            signal[row, :, start:] += own[row, :, :-start]
        else:
            signal[row, :, :start] += own[row, :, -start:]
    # The median of n beats has 1.25 / sqrt(n) of the noise of one.
    n_beats = np.clip(table["rate"] / 6 - 1, 4, None)
    level = (table["noise"] * 1.25 / np.sqrt(n_beats)).astype(np.float32)
    noise = electrode_noise(n, 600, rng)
    noise *= level[:, None, None]
    signal += noise
    onset = R_INDEX + np.rint(marks[:, 2] / _MS).astype(int)
    pq = onset[:, None, None] + np.arange(-10, -1)
    signal -= np.take_along_axis(signal, pq, axis=-1).mean(axis=-1, keepdims=True)
    return to_standard_order(signal, INDEPENDENT_LEADS)


def recordings(loops, fields, detail, marks, table, rng):
    """Return raw recordings in 12 leads (n, 12, 5000)."""
    n, n_times = len(loops), N_TIMES["ecg"]
    seconds = n_times / SAMPLING_RATE
    breath_rate = rng.uniform(0.2, 0.35, n)  # 12 to 21 a minute
    rhythm, rate = table["rhythm"], table["rate"]
    times, kinds = beat_times(rhythm, rate, seconds, breath_rate, rng)
    shown = (times > -0.7) & (times < seconds + 0.7)
    owner = np.nonzero(shown)[0]
    times, kinds = times[shown], kinds[shown]
    phase = rng.uniform(0, 2 * np.pi, n)
    breath_at = np.sin(2 * np.pi * breath_rate[owner] * times + phase[owner])
    signal = np.zeros((n, 8, n_times), dtype=np.float32)
    for kind in (NORMAL, VENTRICULAR, ATRIAL):
        of_kind = kinds == kind
        rows = np.unique(owner[of_kind])
        if not len(rows):
            continue
        still, moved, at = _beats_of_kind(kind, loops, fields, detail, marks, rows, rng)
        number = np.searchsorted(rows, owner[of_kind])
        # The breath turns the heart and moves it away; each beat is a little its own.
        own = 1 + 0.02 * rng.standard_normal((len(number), 1, 1))
        leads = own * (still[number] + breath_at[of_kind, None, None] * moved[number])
        _lay(signal, leads, at[number], owner[of_kind], times[of_kind])
    _add_spikes(signal, fields, marks, table, owner[kinds == NORMAL], times[kinds == NORMAL])
    fibrillates = np.flatnonzero(rhythm == "AF")
    waves = fibrillation_waves(len(fibrillates), n_times, SAMPLING_RATE, rng)
    signal[fibrillates] += fields[fibrillates, :, :3] @ waves
    clock = np.arange(n_times) / SAMPLING_RATE
    breath = np.sin(2 * np.pi * breath_rate[:, None] * clock + phase[:, None])
    signal += recording_noise(table["noise"], breath, rng)
    return to_standard_order(signal, INDEPENDENT_LEADS)


def _beats_of_kind(kind, loops, fields, detail, marks, rows, rng):
    # Leads of one kind of beat: at rest, what a full breath adds, and their landmarks.
    loops, fields, marks = loops[rows], fields[rows], marks[rows]
    detail = detail[rows] if kind != VENTRICULAR else 0
    if kind == VENTRICULAR:
        loops = ventricular_beats(len(rows), rng)
        marks = np.tile([-190.0, -90.0, -60.0, 90.0, 270.0, 400.0], (len(rows), 1))
    elif kind == ATRIAL:
        loops = atrial_beats(loops, rng)
    x, y, z = np.moveaxis(loops, 1, 0)
    turned = np.stack([x - _TURN * y, y + _TURN * x, z], axis=1) * 0.95
    still = project(loops, fields)
    return still + detail, project(turned, fields) - still, marks


def _lay(signal, leads, marks, owner, times):
    # Add beats to recordings (n, 8, n_times), in place.
    at = times * SAMPLING_RATE
    starts = np.floor(at).astype(int)
    fraction = (at - starts)[:, None] * _MS
    first, last = -180, 320  # samples from R that a beat can reach
    clock = np.arange(first, last) * _MS
    beats = render(leads, phases_at(clock - fraction, marks))
    n_times = signal.shape[-1]
    for beat, row, start in zip(beats, owner, starts + first, strict=True):
        low, high = max(start, 0), min(start + beat.shape[-1], n_times)
        if low < high:
            signal[row, :, low:high] += beat[:, low - start : high - start]


def _add_spikes(signal, fields, marks, table, owner, times):
    # A pacing spike of 2 ms before each paced QRS, of a bipolar lead: .3 to 1 mV.
    paced = (table["conduction"] == "paced")[owner]
    row = owner[paced]
    at = np.rint((times[paced] + marks[row, 2] / 1000) * SAMPLING_RATE).astype(int) - 4
    inside = (at >= 0) & (at < signal.shape[-1])
    spike = fields[row, :, :3] @ np.array([-0.3, 0.6, -0.2])
    signal[row[inside], :, at[inside]] += spike[inside]
