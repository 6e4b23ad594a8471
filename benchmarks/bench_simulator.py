"""How fast `make_omi` is on one core, and how near its ECGs come to published figures.

Prints beats and recordings a second (processor time), what the STEMI criteria find among simulated
occlusions, negatives and normals, and, with a copy of PTB-XL, the AUC of a forest asked to tell
simulated ECGs from real ones, by diagnosis, in pairs of like age, sex and heart rate: .5 were
perfect.

    python benchmarks/bench_simulator.py [--quick] [--data PATH_OF_PTBXL]
"""

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"  # before numpy is imported

import argparse
import time

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline

from skecg import STEMICriteriaClassifier
from skecg.datasets import load_ptbxl, make_omi
from skecg.feature_extraction import BeatFeatures, add_patient
from skecg.preprocessing import MedianBeat

FEATURES = BeatFeatures().set_output(transform="pandas")
PLAIN = {"confounder": "none", "conduction": "normal", "rhythm": "sinus", "placement": "in place"}
# Diagnoses of the simulator with ten or more ECGs in PTB-XL: its codes, and those which rows of it
# may not have; the column of the simulator's table.
WIDE = {"CLBBB", "CRBBB", "PACE", "IVCD"}
BLOCKS = WIDE | {"LAFB", "IRBBB"}
DIAGNOSES = {
    "normal": ({"NORM", "SR", "SARRH", "SBRAD", "STACH"}, set(), None),
    "LVH": ({"LVH", "VCLVH"}, BLOCKS, "confounder"),
    "ST depression": ({"STD_", "ISC_", "ISCAL", "ISCIL"}, BLOCKS, "confounder"),
    "T change": ({"NDT", "NT_", "NST_", "INVT"}, BLOCKS, "confounder"),
    "old infarct": ({"IMI", "ASMI", "AMI", "LMI", "ILMI", "ALMI"}, WIDE, "confounder"),
    "LAFB": ({"LAFB"}, WIDE | {"IRBBB"}, "conduction"),
    "incomplete RBBB": ({"IRBBB"}, WIDE | {"LAFB"}, "conduction"),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--data")
    options = parser.parse_args()
    n = 600 if options.quick else 4000
    print_speed(n)
    print_criteria(n)
    if options.data:
        print_likeness(options.data, 4 * n)


def print_speed(n):
    for form, n_patients in (("beat", n), ("ecg", n // 10)):
        rates = []
        for seed in range(5):
            start = time.process_time()
            ecgs = make_omi(n_patients, form=form, random_state=seed)[0]
            rates.append(len(ecgs) / (time.process_time() - start))
        print(f'form="{form}": {np.median(rates):.0f} a second, best {max(rates):.0f}')


def print_criteria(n):
    """Print what the STEMI criteria find."""
    X, _, _, table = make_omi(n, prevalence=1, return_table=True, random_state=0)
    fired = meets_criteria(X, table)
    print(f"STEMI criteria, sensitivity: {fired.mean():.3f}")
    for artery, rows in table.groupby("artery").groups.items():
        print(f"    {artery:8} {fired[rows].mean():.3f}")
    X, _, _, table = make_omi(n, prevalence=0, return_table=True, random_state=1)
    fired = meets_criteria(X, table)
    normal = (table[list(PLAIN)] == list(PLAIN.values())).all(axis=1).to_numpy()
    print(f"specificity: {1 - fired.mean():.3f}, of normals {1 - fired[normal].mean():.3f}")


def meets_criteria(X, table):
    found = add_patient(FEATURES.fit_transform(X), age=table["age"], sex=table["sex"])
    rule = STEMICriteriaClassifier().fit(found, np.arange(len(found)) % 2)
    return rule.predict(found) == 1


def print_likeness(path, n):
    """Print by diagnosis how well simulated ECGs are told from real ones of like patients."""
    data = load_ptbxl(path, positive="MI", negative=None)
    report = MedianBeat().report(data.data)
    good = report["heart_rate"].notna().to_numpy()
    table = data.table[good]
    real = add_patient(
        FEATURES.fit_transform(MedianBeat().fit_transform(data.data[good])),
        age=table["age"].clip(upper=90).to_numpy(),
        sex=np.where(table["sex"] == 1, "F", "M"),
        heart_rate=report.loc[good, "heart_rate"].to_numpy(),
    )
    codes = [set(each) for each in table["scp_codes"]]
    X, _, _, made = make_omi(n, prevalence=0, return_table=True, random_state=1)
    simulated = add_patient(
        FEATURES.fit_transform(X), age=made["age"], sex=made["sex"], heart_rate=made["rate"]
    )
    for name, (wanted, unwanted, column) in DIAGNOSES.items():
        if column is None:
            rows = np.array([each <= wanted for each in codes])
            like = (made[list(PLAIN)] == list(PLAIN.values())).all(axis=1)
        else:
            # With infarction only where that is asked for.
            free = data.target[good] == (name == "old infarct")
            rows = free & [bool(each & wanted) and not each & unwanted for each in codes]
            like = (made[column] == name) & (made["placement"] == "in place")
        auc, n_pairs = told_apart(real[rows], simulated[like.to_numpy()])
        print(f"    {name:16} {n_pairs:3d} pairs: AUC {auc:.3f}")


def told_apart(real, simulated):
    """Return the AUC of a forest that tells real from simulated ECGs, and how many pairs it saw.

    To each real ECG the simulated one of its sex that is nearest in age and rate and not yet taken.
    """
    left = np.ones(len(simulated), dtype=bool)
    partners, kept = [], []
    alike = ["age", "heart_rate"]
    for row, (is_of, *of_it) in enumerate(real[["sex", *alike]].to_numpy()):
        away = np.abs(simulated[alike].to_numpy() - np.array(of_it, dtype=float)).sum(axis=1)
        away[~left | (simulated["sex"] != is_of).to_numpy()] = np.inf
        if away.min() <= 10:
            partners.append(away.argmin())
            kept.append(row)
            left[partners[-1]] = False
    features = [name for name in real if name not in ("sex", *alike)]
    both = np.vstack([real.iloc[kept][features], simulated.iloc[partners][features]])
    label = np.repeat([0, 1], len(kept))
    forest = RandomForestClassifier(200, min_samples_leaf=3, random_state=0)
    model = make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), forest)
    score = cross_val_predict(model, both, label, cv=4, method="predict_proba")[:, 1]
    return roc_auc_score(label, score), len(kept)


if __name__ == "__main__":
    main()
