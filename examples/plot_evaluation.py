"""
Evaluate a model as a reviewer would
====================================

Curves of training, scores of every fold, the difference between two models with its interval, and
the patients in whom a model fails. It needs ``pip install 'skecg[plot]'``.
"""

# %%
# Two networks that differ by their learning rate, and a forest, on the same folds. To end within
# a minute the networks are the smallest, and occlusions have twice the ST deviation of real life.
from sklearn.pipeline import make_pipeline

from skecg import ALVDClassifier, FeatureForestClassifier, STEMICriteriaClassifier
from skecg.datasets import make_omi
from skecg.metrics import omi_subgroups, paired_differences, subgroup_table
from skecg.model_selection import cross_validate_rotation, fold_differences, rotate_folds
from skecg.plotting import ComparisonDisplay, TrainingCurveDisplay
from skecg.preprocessing import BeatCropper, LeadStandardScaler

X, y, groups, truth = make_omi(140, prevalence=0.25, severity=2, return_table=True, random_state=0)
fold = rotate_folds(y, groups, n_splits=3, random_state=0)


def network(lr):
    """Return a pipeline from median beats in mV to the probability of OMI."""
    net = ALVDClassifier(lr=lr, max_epochs=7, batch_size=32, random_state=0)
    return make_pipeline(BeatCropper(), LeadStandardScaler(), net)


models = {
    "network": network(3e-3),
    "network, slow": network(3e-4),
    "forest": FeatureForestClassifier(n_estimators=100, random_state=0),
}
table, proba, fitted = cross_validate_rotation(
    models, X, y, groups=groups, fold=fold, return_proba=True, return_estimator=True
)

# %%
# Figure 5 of the paper: validation scores over the epochs, mean and standard deviation.
networks = {name: fits for name, fits in fitted.items() if name != "forest"}
TrainingCurveDisplay.from_cv_results(networks).figure_.savefig("training_curves.png", dpi=150)

# %%
# Table 4 as a picture: every fold is a point.
display = ComparisonDisplay.from_cv_results(table)
display.figure_.savefig("comparison.png", dpi=150)
print(display.summary().to_string())
print("Figures: training_curves.png, comparison.png")

# %%
# Is the difference more than chance? Over the folds, whose training sets overlap (Nadeau and
# Bengio), and over the patients (bootstrap). Every fold has a model of its own, whose scores may be
# higher or lower than another's: with ``fold`` ECGs are ranked within folds only.
print(fold_differences(table, reference="network").round(3).to_string())
positive = {name: p[:, 1] for name, p in proba.items()}
print(
    paired_differences(y, positive, reference="network", groups=groups, fold=fold, random_state=0)
    .round(3)
    .to_string()
)

# %%
# Where does it fail? First of all, where the STEMI criteria fail too: those are the patients whom
# a model is for. Each fold's threshold was chosen on its validation fold.
stemi = STEMICriteriaClassifier().fit(X, y).reasons(X)["positive"]
subgroups = omi_subgroups(
    y,
    stemi=stemi,
    culprit=truth["artery"],
    qrs_duration=truth["qrs"],
    sex=truth["sex"],
    age=truth["age"],
)
threshold = table.query("model == 'forest'").set_index("fold")["threshold"]
rows = subgroup_table(
    y,
    positive["forest"],
    subgroups,
    threshold=threshold,
    groups=groups,
    fold=fold,
    n_resamples=500,
    random_state=0,
)
columns = ["n", "n_positive", "Sens", "Sens_low", "Sens_high", "Spec", "AUC"]
print(rows.loc["every ECG", columns].round(2).to_string())
