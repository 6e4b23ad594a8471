"""Compare wave boundaries of median beats with cardiologists' marks and with known beats.

    python benchmarks/bench_delineation.py --ludb PATH [--quick]

PATH is a copy of LUDB (https://physionet.org/content/ludb/). A record's reference is the median,
over beats and leads, of mark minus R. NeuroKit2 delineates one lead at a time and needs several
beats: it gets each lead of the same median beat, repeated at the record's heart rate, and its
global boundary is the median over leads; a wave is found where half of the leads have it.
"""

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

from skecg.feature_extraction import delineate
from skecg.leads import LEADS
from skecg.preprocessing import MedianBeat, r_peaks

BOUNDS = ["p_on", "p_peak", "p_off", "qrs_on", "qrs_off", "t_on", "t_peak", "t_off"]
MARKED = {"p": "p_on p_peak p_off", "N": "qrs_on r qrs_off", "t": "t_on t_peak t_off"}
NEUROKIT = {"P": "p_on p_peak p_off", "R": "qrs_on r qrs_off", "T": "t_on t_peak t_off"}
T = np.arange(-300, 300) * 2.0  # ms from R
GAINS = np.cos(1.3 * np.arange(12))  # how much of each wave a lead sees


# --- LUDB


def ludb_beats(folder, n_records=100):
    """Return median beats, heart rates and the reference: ms from R, NaN where not marked."""
    import wfdb

    recordings, marks = [], []
    for number in range(1, n_records + 1):
        name = str(Path(folder, "data", str(number)))
        record = wfdb.rdrecord(name, physical=False)
        order = [record.sig_name.index(lead.lower()) for lead in LEADS]
        recordings.append(record.d_signal.T[order] / 1000)  # one count is 1 uV in every lead
        with warnings.catch_warnings():  # wfdb 4.3 with pandas 3
            warnings.filterwarnings("ignore", "The inplace keyword", DeprecationWarning)
            marks.append([_marks(wfdb.rdann(name, lead.lower())) for lead in LEADS])
    recordings = np.array(recordings)
    median_beat = MedianBeat()
    rates = median_beat.fit(recordings).report(recordings)["heart_rate"].to_numpy()
    reference = [_reference(*pair) for pair in zip(marks, r_peaks(recordings), strict=True)]
    return median_beat.transform(recordings), rates, pd.DataFrame(reference, columns=BOUNDS)


def _marks(annotation):
    """Return (onset, peak, offset) of each wave of a lead, by its symbol."""
    symbols, at = annotation.symbol, annotation.sample.astype(float)
    found = {wave: [] for wave in MARKED}
    for i, symbol in enumerate(symbols):
        if symbol in found:
            on = at[i - 1] if i and symbols[i - 1] == "(" else np.nan
            off = at[i + 1] if symbols[i + 1 : i + 2] == [")"] else np.nan
            found[symbol].append((on, at[i], off))
    return {wave: np.reshape(rows, (-1, 3)) for wave, rows in found.items()}


def _reference(leads, r):
    """Return the median of mark minus R; of P and T, NaN unless most QRS of all leads have one."""
    around = {wave: [] for wave in MARKED}
    for marks in leads:
        qrs = marks["N"]
        for i in range(len(qrs)):
            nearest = r[np.abs(r - qrs[i, 1]).argmin()]
            if abs(nearest - qrs[i, 1]) > 75:
                continue
            around["N"].append(qrs[i] - nearest)
            # Before the first QRS and after the last one, nothing may be marked.
            if i:
                around["p"].append(_between(marks["p"], qrs[i - 1, 1], qrs[i, 1])[-1] - nearest)
            if i + 1 < len(qrs):
                around["t"].append(_between(marks["t"], qrs[i, 1], qrs[i + 1, 1])[0] - nearest)
    reference = {}
    for wave, names in MARKED.items():
        rows = 2 * np.array(around[wave])
        marked = np.isfinite(rows[:, 1]).mean() > 0.5
        values = np.nanmedian(rows, axis=0) if marked else np.full(3, np.nan)
        reference |= dict(zip(names.split(), values, strict=True))
    return reference


def _between(rows, first, last):
    inside = rows[(rows[:, 1] > first) & (rows[:, 1] < last)]
    return inside if len(inside) else np.full((1, 3), np.nan)


# --- beats known to the sample


def known_beat(width):
    """Return a beat and its boundaries: P a trapezium, QRS a triangle, ST flat, T a half sine."""
    ends = {"qrs_on": -width / 2, "qrs_off": width / 2}
    ends |= {"p_on": ends["qrs_on"] - 160, "p_off": ends["qrs_on"] - 60}
    ends |= {"t_on": width / 2 + 120, "t_peak": width / 2 + 210, "t_off": width / 2 + 300}
    wave = np.interp(T, [ends["qrs_on"], 0, ends["qrs_off"]], [0, 1, 0])
    wave += np.interp(T, ends["p_on"] + np.array([0, 30, 70, 100]), [0, 0.15, 0.15, 0])
    wave += 0.3 * np.sin(np.pi * np.clip((T - ends["t_on"]) / 180, 0, 1))
    return GAINS[:, np.newaxis] * wave, ends


def known_beats(noise, n_repeats):
    """Return such beats with QRS of 20 to 140 ms and noise as of IEC 60601-2-51, and the truth."""
    rng = np.random.default_rng(0)
    beats, truth = [], []
    for width in range(20, 141, 20):
        beat, ends = known_beat(width)
        for _ in range(n_repeats):
            beats.append(beat + noise(rng))
            truth.append(ends)
    return np.array(beats), pd.DataFrame(truth).reindex(columns=BOUNDS)


def _sine(rng, size, frequency):
    phase = rng.uniform(0, 2 * np.pi, (12, 1))
    return size * np.sin(2 * np.pi * frequency * T / 1000 + phase)


NOISES = {
    "no noise": lambda rng: np.zeros((12, 600)),
    "white, 25 uV rms": lambda rng: rng.normal(0, 0.025, (12, 600)),
    "50 Hz, 25 uV peak": lambda rng: _sine(rng, 0.025, 50),
    "0.3 Hz, 50 uV peak": lambda rng: _sine(rng, 0.05, 0.3),
}


# --- NeuroKit2

_N_REPEATED = 6


def neurokit(beats, rates):
    """Delineate as NeuroKit2 does, in ms from R."""
    import neurokit2

    rows = []
    for beat, rate in zip(beats, rates, strict=True):
        rr = min(600, round(30000 / rate))
        start = min(max(0, 300 - round(0.4 * rr)), 600 - rr)
        r = np.arange(_N_REPEATED) * rr + 300 - start
        leads = []
        for lead in beat:
            signal = np.tile(lead[start : start + rr], _N_REPEATED)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    found = neurokit2.ecg_delineate(signal, r, sampling_rate=500)[1]
                except (ValueError, IndexError, ZeroDivisionError):
                    continue  # a lead in which it finds nothing at all
            leads.append(_neurokit_lead(found, r))
        rows.append(_median_of_most(pd.DataFrame(leads, columns=BOUNDS)))
    return pd.DataFrame(rows, columns=BOUNDS)


def _neurokit_lead(found, r):
    lead = {}
    for wave, names in NEUROKIT.items():
        keys = [f"ECG_{wave}_{end}" for end in ("Onsets", "Peaks", "Offsets")]
        for name, key in zip(names.split(), keys, strict=True):
            if name in BOUNDS:
                at = np.array(found[key], dtype=float)[1:-1]  # the first and the last are cut
                lead[name] = np.median(2 * (at - r[1:-1])) if len(at) == len(r) - 2 else np.nan
    return lead


def _median_of_most(leads):
    return leads.median().where(leads.notna().mean() >= 0.5)


# --- tables


def compare(found, reference):
    """Return mean and SD of found minus reference and how many waves both have."""
    error = found - reference
    return pd.DataFrame({"mean": error.mean(), "sd": error.std(), "n": error.notna().sum()})


def waves_found(found, reference):
    """Return how many of the marked waves were found, and of the unmarked ones."""
    rows = {}
    for wave in ("p_peak", "t_peak"):
        seen, marked = found[wave].notna(), reference[wave].notna()
        rows[wave] = {
            "found": f"{(seen & marked).sum()}/{marked.sum()}",
            "invented": f"{(seen & ~marked).sum()}/{(~marked).sum()}",
        }
    return pd.DataFrame(rows).T


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--ludb", default="../shared/data/ludb", help="a copy of LUDB")
    parser.add_argument("--quick", action="store_true", help="10 records, one beat a width")
    options = parser.parse_args()
    beats, rates, reference = ludb_beats(options.ludb, 10 if options.quick else 100)
    sets = {f"LUDB, {len(beats)} records": (beats, rates, reference)}
    for name, noise in NOISES.items():
        known, truth = known_beats(noise, 1 if options.quick else 3)
        sets[f"known beats, {name}"] = (known, np.full(len(known), 50.0), truth)
    methods = {"skecg": lambda beats, rates: delineate(beats), "NeuroKit2": neurokit}
    for title, (beats, rates, reference) in sets.items():
        tables = {}
        for method, function in methods.items():
            start = time.process_time()
            found = function(beats, rates)
            ms = 1000 * (time.process_time() - start) / len(beats)
            tables[f"{method}, {ms:.2f} ms a beat"] = compare(found, reference)
            if title.startswith("LUDB"):
                print(f"{method}\n{waves_found(found, reference)}\n")
        table = pd.concat(tables, axis=1)
        print(f"{title}: found minus reference in ms\n{table.round(1).to_string()}\n")


if __name__ == "__main__":
    main()
