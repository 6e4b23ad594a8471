"""
Fine-tuning on few ECGs
=======================

The network ``alvd-sim``, which was trained on simulated ECGs alone, goes on learning from a few
others, and is compared with the same network from random weights, at 25 to 400 training ECGs.
Infarction against all others on PTB-XL: ``python examples/plot_fine_tuning.py --data PATH``.
Without a path the others are simulated ECGs, too, and there are fewer.

Most infarctions of PTB-XL are old ones, not occlusions: this is about learning from few ECGs.
"""

# %%
# Median beats of patients with and without an infarction.
import argparse

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline

from skecg import ALVDClassifier
from skecg.datasets import load_ptbxl, make_omi
from skecg.preprocessing import BeatCropper, LeadStandardScaler, MedianBeat

parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
parser.add_argument("--data", help="folder with ptbxl_database.csv")
parser.add_argument("--seeds", type=int, default=3)
args, _ = parser.parse_known_args()

if args.data:
    ptbxl = load_ptbxl(args.data, positive="MI", negative=None)
    X, y, groups = MedianBeat().fit_transform(ptbxl.data), ptbxl.target, ptbxl.groups
    sizes, n_seeds = [25, 50, 100, 200, 400], args.seeds
else:
    X, y, groups = make_omi(60, prevalence=1 / 3, random_state=7)
    sizes, n_seeds = [25, 50], 2

# %%
# Each network learns for 12 epochs from the same ECGs, of which the first 25, 50 ... hold as many
# infarctions for their number as all; a fifth of the patients is held out. The trunk of the
# pretrained network moves at a tenth of the rate of the last layer.
starts = {
    "from random weights": {"lr": 1e-3},
    "fine-tuned": {
        "weights": "alvd-sim",
        "lr": 1e-4,
        "optimizer__param_groups": [("fc.*", {"lr": 1e-3})],
    },
}
rows = []
for seed in range(n_seeds):
    folds = StratifiedGroupKFold(5, shuffle=True, random_state=seed)
    rest, test = next(folds.split(X, y, groups))
    rest = np.random.default_rng(seed).permutation(rest)
    share = pd.Series(y[rest]).groupby(y[rest]).rank("first", pct=True)
    rest = rest[np.argsort(share)]
    for size in sizes:
        train = rest[:size]
        for name, params in starts.items():
            net = ALVDClassifier(
                max_epochs=12, batch_size=32, sampling="half", validation_fraction=0.2,
                random_state=seed, **params,
            )  # fmt: skip
            model = make_pipeline(BeatCropper(), LeadStandardScaler(), net)
            model.fit(X[train], y[train], alvdclassifier__groups=groups[train])
            score = model.predict_proba(X[test])[:, 1]
            auc = roc_auc_score(y[test], score)
            rows.append({"start": name, "ECGs": size, "AUC": auc})
table = pd.DataFrame(rows).groupby(["ECGs", "start"])["AUC"].agg(["mean", "std"]).unstack()
print(table.round(3).to_string())

# %%
# Mean and standard deviation of the test AUC over the seeds.
fig, ax = plt.subplots(figsize=(6, 4), layout="constrained")
for name in starts:
    ax.errorbar(table.index, table["mean", name], table["std", name], marker="o", label=name)
ax.set(xscale="log", xlabel="ECGs to learn from", ylabel="Test AUC")
ax.set_xticks(table.index, table.index)
ax.minorticks_off()
ax.legend(loc="lower right")
fig.savefig("fine_tuning.png", dpi=150)
print("Figure: fine_tuning.png")
