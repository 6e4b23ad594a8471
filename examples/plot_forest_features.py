"""
What the forest looks at
========================

The random forest sees 375 named features of the median beat. This trains one on
simulated ECGs, scores the risk of patients that it has not seen, and draws the 25
features that moved its votes most. It needs ``pip install 'skecg[plot,shap]'``.
"""

# %%
# Simulated median beats; whole patients are kept for the test.
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.stats import rankdata

from skecg import FeatureForestClassifier
from skecg.datasets import make_omi
from skecg.feature_extraction import BeatFeatures

X, y, groups = make_omi(400, prevalence=0.2, random_state=0)
table = BeatFeatures().set_output(transform="pandas").fit_transform(X)
train = groups % 2 == 0
print(f"{len(table)} ECGs of {len(set(groups))} patients, {table.shape[1]} features")

# %%
# The forest takes the beats or, as here, their table, to which columns such as age and
# sex can be added. Its probabilities are calibrated on whole patients held out.
forest = FeatureForestClassifier(n_estimators=200, random_state=0)
forest.fit(table[train], y[train], groups=groups[train])
test, y_test = table[~train], y[~train]

# %%
# Risk groups, with how many of their ECGs show an occlusion.
risk = pd.DataFrame({"group": forest.risk_group(test), "occlusion": y_test})
counts = risk.groupby("group")["occlusion"].agg(["size", "sum", "mean"])
print(counts.reindex(["low", "intermediate", "high"]).round(3).to_string())

# %%
# SHAP values tell for each ECG how much each feature moved the vote for occlusion. The 25
# features with the largest mean size:
shap_values = forest.shap_values(test)
importance = np.abs(shap_values).mean(axis=0)
top = np.argsort(importance)[::-1][:25]

fig, ax = plt.subplots(figsize=(7, 7), layout="constrained")
rng = np.random.default_rng(0)
for row, feature in enumerate(top):
    value = test.iloc[:, feature].to_numpy()
    seen = np.isfinite(value)
    height = row + rng.uniform(-0.3, 0.3, len(value))
    ax.scatter(shap_values[~seen, feature], height[~seen], s=6, color="lightgrey")
    points = ax.scatter(
        shap_values[seen, feature],
        height[seen],
        c=rankdata(value[seen]) / seen.sum(),
        s=6,
        cmap="coolwarm",
        vmin=0,
        vmax=1,
    )
ax.axvline(0, color="black", linewidth=0.8)
ax.set(
    yticks=range(len(top)),
    yticklabels=forest.feature_names_[top],
    ylim=(len(top) - 0.4, -0.6),
    xlabel="SHAP value (share of votes for occlusion)",
)
bar = fig.colorbar(points, ax=ax, ticks=[0, 0.5, 1], aspect=40, pad=0.01)
bar.ax.set_yticklabels(["lowest", "median", "highest"])
bar.set_label("Value of the feature among these ECGs")
fig.savefig("forest_features.png", dpi=150)
print("Figure: forest_features.png")
