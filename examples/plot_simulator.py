"""
Simulated and real median beats
===============================

``make_omi`` draws normal ECGs, occlusions and what resembles them. This draws the
middle and the outer twentieths of its normal beats in the twelve leads, the mean
change by occlusions of three arteries, and what misleads: blocks, pacing and other
diseases. With ``--data``, a folder of PTB-XL, and ``--ludb``,
one of LUDB, their ECGs lie beside the simulated ones (:ref:`results-pretrained`).
It needs ``pip install 'skecg[plot]'``.
"""

# %%
# Simulated patients: half of them with an occlusion.
import argparse

import matplotlib.pyplot as plt
import numpy as np

from skecg.datasets import load_ludb, load_ptbxl, make_omi
from skecg.leads import LEADS
from skecg.preprocessing import MedianBeat

parser = argparse.ArgumentParser()
parser.add_argument("--data", help="a folder of PTB-XL")
parser.add_argument("--ludb", help="a folder of LUDB")
args = parser.parse_known_args()[0]

X, y, _, table = make_omi(1500, prevalence=0.5, return_table=True, random_state=0)
plain = ["confounder", "conduction", "rhythm", "placement"]
plain = (table[plain] == ["none", "normal", "sinus", "in place"]).all(axis=1).to_numpy()
sets = {"simulated normals": X[plain & (y == 0)]}

# %%
# PTB-XL's normals are ECGs with the superclass NORM and no other. LUDB calls 84 of 100 ECGs
# hypertrophied: of it are shown the sinus rhythms without block, pacing or ischaemia.
if args.data:
    real = load_ptbxl(args.data, positive=["MI", "STTC", "CD", "HYP"], negative="NORM")
    sets["PTB-XL normals"] = MedianBeat().fit_transform(real.data[real.target == 0])

if args.ludb:
    real = load_ludb(args.ludb)
    told = real.table[["Conduction abnormalities", "Cardiac pacing", "Ischemia"]].map(bool)
    kept = ~told.any(axis=1) & real.table["Rhythms"].str[0].str.startswith("Sinus")
    sets["LUDB"] = MedianBeat().fit_transform(real.data[kept.to_numpy()])

# %%
# Above, percentiles 5, 50 and 95 of normals; below, the mean of each artery's occlusions.
ms = 2 * (np.arange(600) - 300)
shown = (ms > -260) & (ms < 500)
colors = ("tab:blue", "tab:orange", "tab:green")
fig, axes = plt.subplots(4, 6, figsize=(14, 9), sharex=True, sharey="row", layout="constrained")
for i, lead in enumerate(LEADS):
    ax = axes[i // 6, i % 6]
    for color, (label, beats) in zip(colors, sets.items(), strict=False):
        low, middle, high = np.percentile(beats[:, i, shown], [5, 50, 95], axis=0)
        ax.plot(ms[shown], middle, color=color, label=label)
        ax.fill_between(ms[shown], low, high, color=color, alpha=0.2)
    ax.set_title(lead)
    ax = axes[2 + i // 6, i % 6]
    for artery in ("LAD", "RCA", "LCx"):
        mean = X[plain & (table["artery"] == artery).to_numpy() & (y == 1), i].mean(axis=0)
        ax.plot(ms[shown], mean[shown], label=artery)
    ax.set_title(lead)
    ax.grid(alpha=0.3)
axes[0, 0].legend(fontsize="x-small")
axes[2, 0].legend(fontsize="x-small")
axes[0, 0].set_ylabel("mV")
axes[2, 0].set_ylabel("mV, occlusions")
fig.supxlabel("ms from R")
fig.savefig("simulator.png", dpi=100)
print(f"{ {label: len(beats) for label, beats in sets.items()} }; figure: simulator.png")

# %%
# Blocks, pacing and other diseases without an occlusion: percentiles 10, 50 and 90. The codes are
# those of PTB-XL.
X, _, _, table = make_omi(4000, prevalence=0, return_table=True, random_state=1)
table = table.where(table["placement"] == "in place")
wide = {"CLBBB", "CRBBB", "PACE"}
rows = {
    "LBBB": (table["conduction"] == "LBBB", {"CLBBB"}, set()),
    "RBBB": (table["conduction"] == "RBBB", {"CRBBB"}, set()),
    "incomplete RBBB": (table["conduction"] == "incomplete RBBB", {"IRBBB"}, wide),
    "LAFB": (table["conduction"] == "LAFB", {"LAFB"}, wide),
    "paced": (table["conduction"] == "paced", {"PACE"}, set()),
    "LVH": (table["confounder"] == "LVH", {"LVH", "VCLVH"}, wide | {"LAFB", "IRBBB"}),
    "T change": (
        table["confounder"] == "T change",
        {"NDT", "NT_", "NST_", "INVT"},
        wide | {"LAFB", "IRBBB"},
    ),
}
if args.data:
    real = load_ptbxl(args.data, positive="MI", negative=None)
    free = real.target == 0
    beats, codes = MedianBeat().fit_transform(real.data[free]), real.table["scp_codes"][free]

fig, axes = plt.subplots(len(rows), 12, figsize=(18, 12), sharex=True, layout="constrained")
for of_row, (name, (kept, wanted, unwanted)) in zip(axes, rows.items(), strict=True):
    sets = {"simulated": X[kept.to_numpy()]}
    if args.data:
        like = [bool(wanted & set(found)) and not unwanted & set(found) for found in codes]
        sets["PTB-XL"] = beats[like]
    for i, ax in enumerate(of_row):
        for color, part in zip(colors, sets.values(), strict=False):
            low, middle, high = np.percentile(part[:, i, shown], [10, 50, 90], axis=0)
            ax.plot(ms[shown], middle, color=color)
            ax.fill_between(ms[shown], low, high, color=color, alpha=0.2)
        ax.grid(alpha=0.3)
    of_row[0].set_ylabel(f"{name}\n" + ", ".join(str(len(part)) for part in sets.values()))
for ax, lead in zip(axes[0], LEADS, strict=True):
    ax.set_title(lead)
fig.supxlabel("ms from R (mV)")
fig.savefig("simulator_diagnoses.png", dpi=70)
print("figure: simulator_diagnoses.png")
