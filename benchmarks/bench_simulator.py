"""How fast `make_omi` is on one core, and how near its ECGs come to published figures.

Prints beats and recordings a second (processor time), what the STEMI criteria find among simulated
occlusions, negatives and normals, and, with a copy of PTB-XL, the AUC of a forest asked to tell
simulated normals from PTB-XL's: .5 were perfect.

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


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--data")
    options = parser.parse_args()
    n = 600 if options.quick else 4000
    print_speed(n)
    normals = print_criteria(n)
    if options.data:
        print_likeness(normals, options.data)


def print_speed(n):
    for form, n_patients in (("beat", n), ("ecg", n // 10)):
        rates = []
        for seed in range(5):
            start = time.process_time()
            ecgs = make_omi(n_patients, form=form, random_state=seed)[0]
            rates.append(len(ecgs) / (time.process_time() - start))
        print(f'form="{form}": {np.median(rates):.0f} a second, best {max(rates):.0f}')


def print_criteria(n):
    """Print what the STEMI criteria find, and return the features of normals."""
    X, _, _, table = make_omi(n, prevalence=1, return_table=True, random_state=0)
    fired = meets_criteria(X, table)[0]
    print(f"STEMI criteria, sensitivity: {fired.mean():.3f}")
    for artery, rows in table.groupby("artery").groups.items():
        print(f"    {artery:8} {fired[rows].mean():.3f}")
    X, _, _, table = make_omi(n, prevalence=0, return_table=True, random_state=1)
    fired, found = meets_criteria(X, table)
    normal = (table[list(PLAIN)] == list(PLAIN.values())).all(axis=1).to_numpy()
    print(f"specificity: {1 - fired.mean():.3f}, of normals {1 - fired[normal].mean():.3f}")
    return found[normal]


def meets_criteria(X, table):
    found = add_patient(FEATURES.fit_transform(X), age=table["age"], sex=table["sex"])
    rule = STEMICriteriaClassifier().fit(found, np.arange(len(found)) % 2)
    return rule.predict(found) == 1, found


def print_likeness(simulated, path):
    """Print the AUC of simulated against real normals, as many of each sex and age."""
    data = load_ptbxl(path, positive=["MI", "STTC", "CD", "HYP"], negative="NORM")
    real, table = data.data[data.target == 0], data.table[data.target == 0]
    age = table["age"].clip(upper=90)
    sex = np.where(table["sex"] == 1, "F", "M")
    found = FEATURES.fit_transform(MedianBeat().fit_transform(real))
    found = add_patient(found, age=age.to_numpy(), sex=sex)
    # To each real ECG the simulated one of its sex that is nearest in age and not yet taken.
    left = np.ones(len(simulated), dtype=bool)
    partners, kept = [], []
    for row, (is_of, years) in enumerate(zip(found["sex"], found["age"], strict=True)):
        away = np.abs(simulated["age"].to_numpy() - years)
        away[~left | (simulated["sex"] != is_of).to_numpy()] = np.inf
        if away.min() <= 5:
            partners.append(away.argmin())
            kept.append(row)
            left[partners[-1]] = False
    features = [name for name in found if name not in ("age", "sex")]
    both = np.vstack([found.iloc[kept][features], simulated.iloc[partners][features]])
    label = np.repeat([0, 1], len(kept))
    forest = RandomForestClassifier(200, min_samples_leaf=3, random_state=0)
    model = make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), forest)
    score = cross_val_predict(model, both, label, cv=4, method="predict_proba")[:, 1]
    print(f"{len(kept)} pairs of normals, simulated or real: AUC {roc_auc_score(label, score):.3f}")


if __name__ == "__main__":
    main()
