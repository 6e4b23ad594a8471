"""
Fine-tuning on few ECGs
=======================

A network that was trained on simulated ECGs goes on learning from a few others, and is compared
with the same network from random weights, at 25 to 400 training ECGs. Infarction against normal
on PTB-XL: ``python examples/plot_fine_tuning.py --data PATH --weights FILE``, with the path of a
PTB-XL folder and a file of ``benchmarks/pretrain.py --model alvd``. Without these, a small
network is trained here, and the others are simulated ECGs, too.

Most infarctions of PTB-XL are old ones, not occlusions: this is about learning from few ECGs.
"""

# %%
# What to run.
import argparse
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline

from skecg import ALVDClassifier
from skecg.datasets import load_ptbxl, make_omi
from skecg.persistence import save_model
from skecg.preprocessing import BeatCropper, LeadStandardScaler, MedianBeat

parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
parser.add_argument("--data", help="folder with ptbxl_database.csv")
parser.add_argument("--weights", help="file of a network that was trained on simulated ECGs")
parser.add_argument("--seeds", type=int, default=5)
args, _ = parser.parse_known_args()

# %%
# Median beats of patients with and without an infarction.
if args.data:
    ptbxl = load_ptbxl(args.data, positive="MI", negative="NORM")
    X, y, groups = MedianBeat().fit_transform(ptbxl.data), ptbxl.target, ptbxl.groups
    sizes, n_seeds = [25, 50, 100, 200, 400], args.seeds
else:
    X, y, groups = make_omi(160, prevalence=1 / 3, severity=2, random_state=7)
    sizes, n_seeds = [25, 50, 100], 2


# %%
# The network to start from.
def beats_to_network(net):
    """Return a pipeline from median beats in mV to a probability."""
    return make_pipeline(BeatCropper(), LeadStandardScaler(), net)


weights = args.weights
if weights is None:
    folder = tempfile.TemporaryDirectory()
    weights = Path(folder.name, "simulated.skecg")
    simulated = make_omi(400, prevalence=0.5, severity=2, random_state=0)
    net = ALVDClassifier(lr=3e-3, max_epochs=8, batch_size=32, random_state=0)
    save_model(beats_to_network(net).fit(*simulated[:2]), weights)

# %%
# Each network learns for 20 epochs from the same ECGs; a fifth of the patients is held out, and
# the whole rest is the last size. The trunk of the pretrained network moves at a tenth of the
# rate of the last layer.
starts = {
    "from random weights": {"lr": 1e-3},
    "fine-tuned": {
        "weights": weights,
        "lr": 1e-4,
        "optimizer__param_groups": [("fc.*", {"lr": 1e-3})],
    },
}
rows = []
for seed in range(n_seeds):
    folds = StratifiedGroupKFold(5, shuffle=True, random_state=seed)
    rest, test = next(folds.split(X, y, groups))
    rest = np.random.default_rng(seed).permutation(rest)
    for size in sizes:
        train = rest[:size]
        for name, params in starts.items():
            net = ALVDClassifier(
                max_epochs=20, batch_size=32, sampling="half", validation_fraction=0.2,
                random_state=seed, **params,
            )  # fmt: skip
            model = beats_to_network(net).fit(X[train], y[train])
            auc = roc_auc_score(y[test], model.predict_proba(X[test])[:, 1])
            rows.append({"start": name, "ECGs": len(train), "AUC": auc})
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
ax.legend()
fig.savefig("fine_tuning.png", dpi=150)
print("Figure: fine_tuning.png")
