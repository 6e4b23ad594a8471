"""What models that learned from simulated ECGs alone say of real ones.

PTB-XL: quantiles of the score by diagnostic class, and the AUC of each class against the ECGs that
are normal and nothing else; medians of those with a wide QRS. Old infarction is not what the models
learned. The ECGs with a code of acute injury in ids 1-500 (414, 468, 483), the one with an infarct
of stage I (189) and the STEMI entries of LUDB are shown one by one, each with the share of normal
ECGs (of other LUDB entries) that score below it: too few for an AUC. Likewise the two recordings of
the PTB database's patient 001, an inferolateral infarction of two days before.

Last, the ECGs of PTB-XL without infarction once more, with and without the change laid upon them
that a simulated occlusion makes in a heart of like QRS and QT: the AUC for real hearts and
recorders, were real occlusions like simulated ones.

    python benchmarks/bench_zero_shot.py --data FOLDER [--models NAME ...] [--quick]

FOLDER holds ptbxl/, ludb/ and ptbdb_patient001/.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.metrics import roc_auc_score

from skecg._pretrained import PRETRAINED
from skecg.datasets import load_ludb, load_ptbxl, make_omi
from skecg.feature_extraction import BeatFeatures
from skecg.io import read_ecg
from skecg.persistence import load_pretrained
from skecg.preprocessing import MedianBeat

CLASSES = ("NORM", "MI", "STTC", "CD", "HYP")
ACUTE = (189, 414, 468, 483)
WIDE = {"RBBB": "CRBBB", "LBBB": "CLBBB", "pacing": "PACE"}  # codes of PTB-XL


def beats_of(data):
    """Return the median beats and which rows have one."""
    X = MedianBeat(on_bad="nan").fit_transform(data)
    return X, np.isfinite(X).all(axis=(1, 2))


def ptbxl_classes(path, table):
    """Return by class which rows of the table have a code of it."""
    found = {}
    for name in CLASSES:
        ids = load_ptbxl(path, positive=name, negative=None, as_paths=True)
        found[name] = table["ecg_id"].isin(ids.table.loc[ids.target == 1, "ecg_id"]).to_numpy()
    return found


def report_ptbxl(score, table, classes):
    """Print the scores of PTB-XL, and return them by class."""
    others = np.any([classes[name] for name in CLASSES[1:]], axis=0)
    groups = {"NORM": classes["NORM"] & ~others} | {name: classes[name] for name in CLASSES[1:]}
    acute = table["ecg_id"].isin(ACUTE).to_numpy()
    normal = score[groups["NORM"]]
    groups["MI"] = groups["MI"] & ~acute
    print(f"{'':8s}{'n':>5s}{'10 %':>8s}{'median':>8s}{'90 %':>8s}  AUC against NORM")
    for name, rows in groups.items():
        low, middle, high = np.quantile(score[rows], [0.1, 0.5, 0.9])
        y = np.repeat([0, 1], [len(normal), rows.sum()])
        auc = "" if name == "NORM" else f"{roc_auc_score(y, np.r_[normal, score[rows]]):.3f}"
        print(f"{name:8s}{rows.sum():5d}{low:8.3f}{middle:8.3f}{high:8.3f}  {auc}")
    for name, code in WIDE.items():
        rows = np.array([code in codes for codes in table["scp_codes"]])
        print(f"{name}: median of {rows.sum()} {np.median(score[rows]):.3f}")
    for row in np.flatnonzero(acute):
        below = (normal < score[row]).mean()
        print(f"PTB-XL {table['ecg_id'][row]}: score {score[row]:.3f}, above {below:.3f} of NORM")
    return {name: score[rows] for name, rows in groups.items()} | {"acute": score[acute]}


def report_ludb(score, numbers, stemi):
    """Print the scores of LUDB's STEMI entries one by one."""
    others = score[stemi == 0]
    for number, value in zip(numbers[stemi == 1], score[stemi == 1], strict=True):
        print(
            f"LUDB {number}: score {value:.3f}, above {(others < value).mean():.3f} of the others"
        )
    return score[stemi == 1]


def report_ptb(score, paths, normal):
    """Print the scores of recordings of an acute infarction one by one."""
    for path, value in zip(paths, score, strict=True):
        print(f"PTB {path.stem}: score {value:.3f}, above {(normal < value).mean():.3f} of NORM")


def lay_occlusions(X, *, n_each):
    """Return `n_each` times all beats, with simulated occlusions laid upon them."""
    options = {"prevalence": 0.5, "return_table": True, "random_state": 0}
    occluded, y, _, table = make_omi(3000, **options)
    change = (occluded - make_omi(3000, severity=0, **options)[0])[y == 1]
    simulated = table.loc[y == 1, ["qrs", "qt"]].to_numpy()
    features = BeatFeatures().set_output(transform="pandas").fit_transform(X)
    real = features[["qrs_duration", "qt_interval"]]
    real = real.fillna(real.median()).to_numpy()
    distance = (((real[:, None] - simulated) / (10, 20)) ** 2).sum(axis=-1)
    like = distance.argsort(axis=1)[:, :30]
    rng = np.random.default_rng(0)
    chosen = [rng.choice(each) for _ in range(n_each) for each in like]
    return (np.tile(X, (n_each, 1, 1)) + change[chosen]).astype(np.float32)


def report_laid_on(model, X, laid, classes):
    """Print by class the AUC of beats with an occlusion laid on against the same without."""
    without, with_it = model.predict_proba(X)[:, 1], model.predict_proba(laid)[:, 1]
    for name, rows in classes.items():
        score = with_it.reshape(-1, len(X))[:, rows].ravel()
        y = np.repeat([0, 1], [rows.sum(), len(score)])
        auc = roc_auc_score(y, np.r_[without[rows], score])
        print(f"occlusions laid on {rows.sum()} of {name}: AUC {auc:.3f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--models", nargs="+", default=PRETRAINED)
    parser.add_argument("--quick", action="store_true", help="every fifth normal ECG only")
    args = parser.parse_args()
    ptbxl = load_ptbxl(args.data / "ptbxl", positive="MI", negative=None)
    ludb = load_ludb(args.data / "ludb", positive="STEMI", negative=None)
    classes = ptbxl_classes(args.data / "ptbxl", ptbxl.table)
    X, good = beats_of(ptbxl.data)
    if args.quick:
        good &= ~classes["NORM"] | (np.arange(len(X)) % 5 == 0)
    table = ptbxl.table[good].reset_index(drop=True)
    classes = {name: rows[good] for name, rows in classes.items()}
    L, good_ludb = beats_of(ludb.data)
    ptb = sorted((args.data / "ptbdb_patient001").glob("*.hea"))
    P = MedianBeat().fit_transform([read_ecg(path) for path in ptb])
    print(f"PTB-XL: {good.sum()} of {len(X)} ECGs; LUDB: {good_ludb.sum()} of {len(L)}")
    healthy = ~classes["MI"]
    without = X[good][healthy]
    laid = lay_occlusions(without, n_each=1 if args.quick else 3)
    groups = {name: rows[healthy] for name, rows in classes.items() if name != "MI"}
    groups |= {"all": np.ones(healthy.sum(), dtype=bool)}
    fig, axes = plt.subplots(
        1, len(args.models), figsize=(5 * len(args.models), 4), layout="constrained", squeeze=False
    )
    for ax, name in zip(axes[0], args.models, strict=True):
        model = load_pretrained(name)
        print(f"\n{name}")
        scores = report_ptbxl(model.predict_proba(X[good])[:, 1], table, classes)
        report_ptb(model.predict_proba(P)[:, 1], ptb, scores["NORM"])
        score = model.predict_proba(L[good_ludb])[:, 1]
        scores["LUDB STEMI"] = report_ludb(
            score, ludb.table["ID"][good_ludb], ludb.target[good_ludb]
        )
        report_laid_on(model, without, laid, groups)
        for i, values in enumerate(scores.values()):
            jitter = np.random.default_rng(0).uniform(-0.3, 0.3, len(values))
            ax.plot(i + jitter, values, ".", markersize=3 if len(values) > 20 else 8)
            ax.plot([i - 0.3, i + 0.3], [np.median(values)] * 2, color="black")
        ax.set(xticks=range(len(scores)), ylabel="Score (probability of OMI)", title=name)
        ax.set_xticklabels(scores, rotation=45, ha="right")
    fig.savefig("zero_shot.png", dpi=150)
    print("Figure: zero_shot.png")


if __name__ == "__main__":
    main()
