"""
Choose an operating point
=========================

A probability becomes a decision at a threshold. It is chosen on the validation fold and measured
on the test fold, with 95 % intervals from resampling patients: Table 5 and Figure 6 of the paper.
It needs ``pip install 'skecg[plot]'``.
"""

# %%
# Patients in four folds. Fold 0 tests and fold 1 validates; the rest teach a forest, which is
# used here because it is quick. A network is used the same way.
import pandas as pd

from skecg import FeatureForestClassifier
from skecg.datasets import make_omi
from skecg.metrics import classification_table, f1_threshold, rule_in_threshold, rule_out_threshold
from skecg.model_selection import rotate_folds
from skecg.plotting import OperatingPointDisplay

X, y, groups = make_omi(400, prevalence=0.2, random_state=0)
fold = rotate_folds(y, groups, n_splits=4, random_state=0)
val, test = fold == 1, fold == 0
forest = FeatureForestClassifier(n_estimators=100, random_state=0)
forest.fit(X[~test], y[~test], groups=groups[~test], fold=fold[~test])
p_val, p_test = (forest.predict_proba(X[rows])[:, 1] for rows in (val, test))

# %%
# Three thresholds for three purposes: the paper's, which weighs sensitivity and predictive value
# equally; one that misses at most 5 % of the occlusions, to rule out; and one where at least 90 %
# of those called positive are occlusions, to rule in.
cuts = {
    "F1": f1_threshold(y[val], p_val),
    "rule out": rule_out_threshold(y[val], p_val, sensitivity=0.95),
    "rule in": rule_in_threshold(y[val], p_val, ppv=0.9),
}
shown = {}
for name, cut in cuts.items():
    table = classification_table(
        y[test], p_test, threshold=cut, groups=groups[test], random_state=0
    )
    shown[f"{name}, {cut:.2f}"] = [
        f"{row.estimate:.2f} ({row.low:.2f}-{row.high:.2f})" for row in table.itertuples()
    ]
print(pd.DataFrame(shown, index=table.index).loc[:"F1"].to_string())

# %%
# What was promised on the validation fold need not hold on the test fold: that is what the
# intervals are for. The two curves with the paper's kind of threshold:
display = OperatingPointDisplay.from_predictions(
    y[val], p_val, threshold=cuts["F1"], name="Validation"
)
OperatingPointDisplay.from_predictions(
    y[test], p_test, threshold=cuts["F1"], name="Test", ax=display.axes_
)
display.figure_.savefig("operating_point.png", dpi=150)
print("Figure: operating_point.png")
