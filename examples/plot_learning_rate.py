"""
Choose the learning rate
========================

The paper chose each network's initial learning rate by the highest mean validation
score, ``2/3 AUC + 1/3 AP``, over the folds. So can you; the test folds stay unseen.
"""

# %%
# Simulated median beats with patients dealt into folds.
import matplotlib.pyplot as plt
import pandas as pd
from sklearn.pipeline import make_pipeline

from skecg import ALVDClassifier
from skecg.datasets import make_omi
from skecg.model_selection import cross_validate_rotation, rotate_folds
from skecg.preprocessing import BeatCropper, LeadStandardScaler

X, y, groups = make_omi(180, prevalence=1 / 3, severity=2, random_state=0)
fold = rotate_folds(y, groups, n_splits=3, random_state=0)

# %%
# One model for each rate, on the same folds.
rates = [1e-5, 1e-4, 1e-3, 1e-2]
models = {
    rate: make_pipeline(
        BeatCropper(),
        LeadStandardScaler(),
        ALVDClassifier(lr=rate, max_epochs=6, batch_size=32, random_state=0),
    )
    for rate in rates
}
table = cross_validate_rotation(models, X, y, groups=groups, fold=fold, verbose=1)

# %%
# The choice is made on the validation folds alone. Only then look at its test score.
scores = table.groupby("model")[["val_score", "test_score"]].agg(["mean", "std"])
best = scores["val_score", "mean"].idxmax()
with pd.option_context("display.precision", 3):
    print(scores)
print(f"\nChosen by validation: lr={best:g}")

# %%
fig, ax = plt.subplots(figsize=(6, 3), layout="constrained")
val = scores["val_score"]
ax.errorbar(val.index, val["mean"], val["std"], marker="o", capsize=4)
ax.axvline(best, color="black", linestyle=":", label=f"chosen: {best:g}")
ax.set(xscale="log", xlabel="Initial learning rate", ylabel="Validation score (mean ± SD)")
ax.legend()
fig.savefig("learning_rate.png", dpi=150)
print("Figure: learning_rate.png")
