"""
Compare the five models
=======================

The paper's comparison on simulated ECGs: every fold tests once and validates once,
no patient is split, and the five models see the same rows.

To end within minutes on two cores, this departs from the paper's protocol, which is the
estimators' default: three folds instead of ten, a few epochs at a learning rate of 1e-3
instead of 100 at 1e-5, batches of 32 instead of 128, and occlusions with twice the ST
deviation of real life. What it printed is under :ref:`results-simulated`.
"""

# %%
# Simulated median beats of chest-pain patients, most of them with one ECG, some with up
# to four. A third of the patients have an occluded coronary artery.
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
from skecg.datasets import make_omi
from skecg.model_selection import cross_validate_rotation, rotate_folds
from skecg.networks import ResNet18
from skecg.preprocessing import BeatCropper, LeadStandardScaler

start = time.perf_counter()
X, y, groups = make_omi(600, prevalence=1 / 3, severity=2, random_state=0)
fold = rotate_folds(y, groups, n_splits=3, random_state=0)
print(f"{len(y)} ECGs of {len(set(groups))} patients, {y.sum()} of them OMI")

# %%
# ResNet-18 starts from ImageNet weights, as in the paper, where they can be had.
try:
    ResNet18(weights="imagenet")
    weights = "imagenet"
except OSError:
    weights = None
    print("The ImageNet weights cannot be fetched here: ResNet-18 starts from random weights.")


# %%
# A model is a whole pipeline. The networks take 400 samples around the R peak, z-scored
# lead by lead; the forest takes the beats as they are.
def network(classifier, **params):
    """Return a pipeline from median beats in mV to the probability of OMI."""
    protocol = {"lr": 1e-3, "batch_size": 32, "precision": "auto", "random_state": 0, "verbose": 1}
    return make_pipeline(BeatCropper(), LeadStandardScaler(), classifier(**(protocol | params)))


models = {
    "ECG-SMART-NET": network(SmartNetClassifier, max_epochs=3),
    "Mayo Clinic ALVD": network(ALVDClassifier, lr=3e-3, max_epochs=12),
    "Temporal ResNet-18": network(TemporalResNetClassifier, max_epochs=3),
    "ResNet-18": network(ResNetClassifier, weights=weights, max_epochs=4),
    "Random forest": FeatureForestClassifier(random_state=0),
}
table = cross_validate_rotation(models, X, y, groups=groups, fold=fold, verbose=1)

# %%
# Table 4 of the paper: mean and standard deviation over the folds.
columns = {"val_auc": "Val AUC", "val_ap": "Val AP", "test_auc": "Test AUC", "test_ap": "Test AP"}
summary = table.groupby("model", sort=False)[list(columns)].agg(["mean", "std"])
text = {
    title: [f"{m:.3f} ± {s:.3f}" for m, s in summary[name].itertuples(index=False)]
    for name, title in columns.items()
}
print(f"\n{'':20}" + "".join(f"{title:>16}" for title in text))
for i, name in enumerate(models):
    print(f"{name:20}" + "".join(f"{text[title][i]:>16}" for title in text))
print(f"\n{time.perf_counter() - start:.0f} s in all")

# %%
# Every fold's test AUC, and the mean.
fig, ax = plt.subplots(figsize=(7, 3), layout="constrained")
for i, name in enumerate(models):
    auc = table.loc[table["model"] == name, "test_auc"]
    ax.plot(auc, [i] * len(auc), "o", color="tab:blue", alpha=0.5)
    ax.plot(auc.mean(), i, "|", color="black", markersize=20, markeredgewidth=2)
ax.set(yticks=range(len(models)), yticklabels=models, xlabel="Test AUC (dots: folds, bar: mean)")
ax.margins(y=0.15)
ax.invert_yaxis()
ax.grid(axis="x", alpha=0.3)
fig.savefig("compare_models.png", dpi=150)
print("Figure: compare_models.png")
