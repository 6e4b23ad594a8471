"""
Infarction against normal on PTB-XL
===================================

Raw recordings of PTB-XL become median beats, and the five models tell infarction from
normal: ``python examples/plot_ptbxl.py --data PATH``, with the path of a PTB-XL folder.

Most infarctions of PTB-XL are old ones. This shows the way from recordings to a table;
it says nothing about occlusion. What it printed is under :ref:`results-ptbxl`.
"""

# sphinx_gallery_thumbnail_path = "ptbxl.png"

# %%
# What to run. The defaults take about an hour on two cores for 500 recordings; the
# paper's own settings are ``--max-epochs 100 --batch-size 128 --lr 1e-5``.
import argparse
import time

import matplotlib.pyplot as plt
from sklearn.pipeline import make_pipeline

from skecg import (
    ALVDClassifier,
    FeatureForestClassifier,
    ResNetClassifier,
    SmartNetClassifier,
    TemporalResNetClassifier,
)
from skecg.datasets import load_ptbxl
from skecg.model_selection import cross_validate_rotation, rotate_folds
from skecg.networks import ResNet18
from skecg.preprocessing import BeatCropper, LeadStandardScaler, MedianBeat

parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
parser.add_argument("--data", required=True, help="folder with ptbxl_database.csv")
parser.add_argument("--n-splits", type=int, default=10)
parser.add_argument("--max-epochs", type=int, default=30)
parser.add_argument("--batch-size", type=int, default=64)
parser.add_argument("--lr", type=float, default=3e-4, help="ten times this for the ALVD network")
parser.add_argument("--device", default="cpu")
parser.add_argument("--n-jobs", type=int, default=1)
parser.add_argument("--cache-dir", help="keep finished folds here; a killed run goes on from them")
parser.add_argument("--table", help="write a row a model and fold to this CSV file")
args = parser.parse_args()
start = time.perf_counter()

# %%
# Raw recordings, 10 s in twelve leads, and the patients they come from.
ptbxl = load_ptbxl(args.data, positive="MI", negative="NORM")
y, groups = ptbxl.target, ptbxl.groups
n_mi = y.sum()
print(f"{len(y)} ECGs of {len(set(groups))} patients, {n_mi} infarction, {len(y) - n_mi} normal")

# %%
# Median beats, and what was found on the way.
median_beat = MedianBeat()
report = median_beat.report(ptbxl.data)
print("Quality of the recordings:", report["quality"].value_counts().to_dict())
X = median_beat.fit_transform(ptbxl.data)
fold = rotate_folds(y, groups, n_splits=args.n_splits, random_state=0)

# %%
# The five models. ResNet-18 starts from ImageNet weights where they can be had.
try:
    ResNet18(weights="imagenet")
    weights = "imagenet"
except OSError:
    weights = None
    print("The ImageNet weights cannot be fetched here: ResNet-18 starts from random weights.")


def network(classifier, **params):
    """Return a pipeline from median beats in mV to the probability of infarction."""
    protocol = {
        "lr": args.lr,
        "max_epochs": args.max_epochs,
        "batch_size": args.batch_size,
        "precision": "auto",
        "device": args.device,
        "random_state": 0,
        "verbose": 1,
    }
    return make_pipeline(BeatCropper(), LeadStandardScaler(), classifier(**(protocol | params)))


models = {
    "ECG-SMART-NET": network(SmartNetClassifier),
    "Mayo Clinic ALVD": network(ALVDClassifier, lr=10 * args.lr),
    "Temporal ResNet-18": network(TemporalResNetClassifier),
    "ResNet-18": network(ResNetClassifier, weights=weights),
    "Random forest": FeatureForestClassifier(random_state=0),
}
table = cross_validate_rotation(
    models, X, y, groups=groups, fold=fold, n_jobs=args.n_jobs, cache_dir=args.cache_dir, verbose=1
)
if args.table:
    table.to_csv(args.table, index=False)

# %%
# Mean and standard deviation over the folds.
columns = ["val_auc", "val_ap", "test_auc", "test_ap"]
by_model = table.groupby("model", sort=False)
mean, std = by_model[columns].mean(), by_model[columns].std()
shown = mean.map("{:.3f}".format) + " ± " + std.map("{:.3f}".format)
shown["best epoch"] = by_model["best_epoch"].median()
shown["fit [s]"] = by_model["seconds"].mean().round(1)
print(shown.to_string())
print(f"{args.n_splits} folds, {vars(args)}")
print(f"{time.perf_counter() - start:.0f} s in all")

# %%
# Every fold's test AUC, and the mean.
fig, ax = plt.subplots(figsize=(7, 3), layout="constrained")
for i, (_, rows) in enumerate(by_model):
    ax.plot(rows["test_auc"], [i] * len(rows), "o", color="tab:blue", alpha=0.5)
    ax.plot(rows["test_auc"].mean(), i, "|", color="black", markersize=20, markeredgewidth=2)
ax.set(yticks=range(len(models)), yticklabels=models, xlabel="Test AUC (dots: folds, bar: mean)")
ax.margins(y=0.15)
ax.invert_yaxis()
ax.grid(axis="x", alpha=0.3)
fig.savefig("ptbxl.png", dpi=150)
print("Figure: ptbxl.png")
