"""
Probabilities at the prevalence
===============================

A network learns from batches with as many occlusions as others, so it says 50 % where one ECG in
five would be right. This brings its probabilities back to the prevalence, and looks at what is
left. It needs ``pip install 'skecg[plot]'``.
"""

# %%
# One network a fold; every ECG is scored by the one that has not seen its patient.
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.calibration import CalibrationDisplay
from sklearn.pipeline import make_pipeline

from skecg import ALVDClassifier, FeatureForestClassifier
from skecg.calibration import calibration_line, correct_prior
from skecg.datasets import make_omi
from skecg.metrics import auc_ap_score
from skecg.model_selection import cross_validate_rotation, rotate_folds
from skecg.plotting import DecisionCurveDisplay
from skecg.preprocessing import BeatCropper, LeadStandardScaler

X, y, groups = make_omi(200, prevalence=0.2, severity=3, random_state=0)
fold = rotate_folds(y, groups, n_splits=3, random_state=0)
network = ALVDClassifier(lr=3e-3, max_epochs=8, batch_size=32, random_state=0)
models = {
    "network": make_pipeline(BeatCropper(), LeadStandardScaler(), network),
    "forest": FeatureForestClassifier(n_estimators=50, random_state=0),
}
table, proba = cross_validate_rotation(models, X, y, groups=groups, fold=fold, return_proba=True)
risk = {
    "network, balanced": proba["network"][:, 1],
    "network, corrected": correct_prior(proba["network"][:, 1], y.mean()),
    "forest": proba["forest"][:, 1],
}


# %%
# A good probability has the prevalence as its mean, an intercept of 0 and a slope of 1. The order
# of the ECGs, and so AUC and AP, is not changed by the correction; they are means over the folds,
# each of which has a network of its own. The forest needs none: it has been calibrated on patients
# held out.
def score(p):
    """Return the mean score of the folds."""
    return np.mean([auc_ap_score(y[fold == k], p[fold == k]) for k in range(3)])


rows = {name: [p.mean(), *calibration_line(y, p), score(p)] for name, p in risk.items()}
columns = ["mean", "intercept", "slope", "2/3 AUC + 1/3 AP"]
print(f"Prevalence {y.mean():.3f}")
print(pd.DataFrame.from_dict(rows, orient="index", columns=columns).round(2).to_string())

# %%
# How often was it an occlusion where the model said so, and what would decisions be worth?
fig, (left, right) = plt.subplots(ncols=2, figsize=(10, 4.5), layout="constrained")
for name, p in risk.items():
    CalibrationDisplay.from_predictions(y, p, n_bins=5, strategy="quantile", name=name, ax=left)
    DecisionCurveDisplay.from_predictions(y, p, name=name, ax=right)
left.set(xlabel="Probability of occlusion", ylabel="Share that is occlusion")
fig.savefig("calibration.png", dpi=150)
print("Figure: calibration.png")
