"""Fit the normal heart of the simulator: vector loops and lead fields of normal ECGs in PTB-XL.

Writes ``skecg/datasets/_normal.json``: means, and how they vary together. No recording is in it.

    python benchmarks/fit_heart_loops.py PATH_OF_PTBXL
"""

import argparse
import json
from pathlib import Path

import numpy as np

from skecg._vectorcardiogram import INVERSE_DOWER
from skecg.datasets import load_ptbxl
from skecg.datasets._heart import CORNERS, N_PHASES, QRS, T_TAIL, regions
from skecg.feature_extraction import delineate
from skecg.leads import INDEPENDENT_LEADS, LEADS
from skecg.preprocessing import MedianBeat

EIGHT = [LEADS.index(lead) for lead in INDEPENDENT_LEADS]
OTHERS = ["MI", "STTC", "CD", "HYP"]
N_MODES = 48
# What a field and the logarithm of the size count for beside a loop of unit size.
FIELD_WEIGHT, SIZE_WEIGHT = 1.0, 3.0


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path")
    path = parser.parse_args().path
    # Normal and nothing else: a set leaves out what belongs to both of its classes.
    alone = load_ptbxl(path, positive=OTHERS, negative="NORM")
    normal = alone.target == 0
    beats = MedianBeat().fit_transform(alone.data[normal])
    table = alone.table[normal]
    waves = delineate(beats)
    age = table["age"].to_numpy(dtype=float)
    keep = waves.notna().all(axis=1).to_numpy() & (age < 120)
    female = table["sex"].to_numpy()[keep] == 1
    leads = sample_loops(beats[keep][:, EIGHT].astype(float), waves[keep])
    print(f"{len(leads)} normal ECGs, {female.sum()} of women")

    dipoles = INVERSE_DOWER @ leads
    fields = np.stack([fit_field(*pair) for pair in zip(leads, dipoles, strict=True)])
    seen = fields @ (dipoles[:, None] * regions()[:, None]).reshape(len(leads), 12, -1)
    rest = np.square(leads - seen).sum(axis=(1, 2)) / np.square(leads).sum(axis=(1, 2))
    print(f"median energy outside their own fields: {np.median(rest):.5f}")

    size = np.sqrt(np.square(dipoles[..., QRS]).sum(axis=1).mean(axis=-1))
    vectors = np.hstack(
        [
            (dipoles / size[:, None, None]).reshape(len(leads), -1),
            FIELD_WEIGHT * fields.reshape(len(leads), -1),
            SIZE_WEIGHT * np.log(size)[:, None],
        ]
    )
    fit = describe(vectors, female, (age[keep] - 45) / 10)
    scale = np.ones(vectors.shape[1])
    scale[3 * N_PHASES : -1], scale[-1] = FIELD_WEIGHT, SIZE_WEIGHT
    fit = {name: np.rint(1e4 * part / scale).astype(int).tolist() for name, part in fit.items()}
    out = Path(__file__).parents[1] / "skecg" / "datasets" / "_normal.json"
    out.write_text(json.dumps(fit, separators=(",", ":")) + "\n", encoding="utf-8")
    print(f"{out.name}: {out.stat().st_size / 1e3:.0f} kB")


def sample_loops(beats, waves):
    """Take the leads at equal steps between landmarks, zero between T and P."""
    t_end = waves["t_off"] + T_TAIL * (waves["t_off"] - waves["t_peak"])
    waves = waves[["p_on", "p_off", "qrs_on", "qrs_off", "t_peak"]].assign(t_end=t_end)
    phases = np.arange(N_PHASES)
    loops = np.empty((*beats.shape[:2], N_PHASES))
    for out, beat, marks in zip(loops, beats, 300 + waves.to_numpy() / 2, strict=True):
        times = np.interp(phases, CORNERS, marks)
        out[:] = [np.interp(times, np.arange(beat.shape[1]), lead) for lead in beat]
    tilt = np.linspace(0, 1, N_PHASES)
    return loops - loops[..., :1] * (1 - tilt) - loops[..., -1:] * tilt


def fit_field(leads, dipole):
    """Regress the leads of an ECG on its dipole, as seen by each region of the heart (8, 12).

    The field agrees with Dower's in the space of Dower's matrix, by which the dipole was found;
    what it adds is what that matrix cannot see.
    """
    parts = (dipole * regions()[:, None]).reshape(12, -1)
    # A few per cent of each region's energy keep weak directions of its own field at rest.
    energy = np.square(parts).reshape(4, -1).sum(axis=1)
    ridge = np.repeat(energy * (0, 0.02, 0.02, 0.02), 3)
    outside = leads - np.linalg.pinv(INVERSE_DOWER) @ dipole
    field = outside @ parts.T @ np.linalg.inv(parts @ parts.T + np.diag(ridge))
    field[:, :3] += np.linalg.pinv(INVERSE_DOWER)
    return field


def describe(vectors, female, decades):
    """Return the mean of men and women, the change a decade, and the main modes of the rest."""
    columns = np.stack([~female, female, decades], axis=1).astype(float)
    effects = np.linalg.lstsq(columns, vectors, rcond=None)[0]
    _, s, v = np.linalg.svd(vectors - columns @ effects, full_matrices=False)
    held = np.square(s[:N_MODES]).sum() / np.square(s).sum()
    print(f"{N_MODES} modes hold {held:.4f} of the variance")
    modes = v[:N_MODES] * s[:N_MODES, None] / np.sqrt(len(vectors))
    return {"mean": effects[:2], "decade": effects[2], "modes": modes}


if __name__ == "__main__":
    main()
