"""
What a network looks at, and whether to believe it
==================================================

A saliency map says how much each sample of an ECG moves a network's output. This draws the
map of one ECG and the aggregate of many (Figure 7 of the paper), and then asks what such maps
are worth. It needs ``pip install 'skecg[captum,plot,shap]'``.

To end within a minute, the network is the smallest of the four, and occlusions have
twice the ST deviation of real life.
"""

# %%
# Half of the simulated patients teach the network; the others are explained.
import numpy as np
import pandas as pd
from sklearn.pipeline import make_pipeline

from skecg import ALVDClassifier, FeatureForestClassifier
from skecg.datasets import make_omi
from skecg.inspection import deletion_curve, randomization_check, saliency_maps
from skecg.plotting import SaliencyDisplay
from skecg.preprocessing import BeatCropper, LeadStandardScaler

X, y, groups = make_omi(300, prevalence=1 / 3, severity=2, random_state=0)
train = groups % 2 == 0
net = ALVDClassifier(lr=3e-3, max_epochs=12, batch_size=32, random_state=0)
model = make_pipeline(BeatCropper(), LeadStandardScaler(), net)
model.fit(X[train], y[train], alvdclassifier__groups=groups[train])
found = X[~train & (y == 1) & (model.predict(X) == 1)]
print(f"{len(found)} of {(~train & (y == 1)).sum()} occlusions found in the others")

# %%
# One ECG: how far the logit would move with each sample. The percentages are the
# leads' shares of the whole map.
SaliencyDisplay.from_estimator(model, found[:1], title="One ECG")

# %%
# All of them: every lead of each map is scaled by itself, then the maps are averaged.
display = SaliencyDisplay.from_estimator(model, found, title="Aggregate")
display.figure_.savefig("saliency.png", dpi=150)
print("Figure: saliency.png")

# %%
# A map is only worth looking at if it depends on what was learned, and if the network
# depends on what it shows. So the layers are drawn anew from the last to the first: the
# rank correlation with the first map should go to 0. And the most salient windows are
# deleted: the probability should fall by more than when random windows go.
sample = found[:10]
checks = {}
for method in ("saliency", "integrated_gradients"):
    maps = saliency_maps(model, sample, method=method, signed=method != "saliency")
    layers = randomization_check(model, sample, method=method, random_state=0)
    curve = deletion_curve(model, sample, maps, random_state=0).set_index("fraction").loc[0.2]
    checks[method] = {
        "correlation, last layer random": layers["correlation"].iloc[0],
        "correlation, all layers random": layers["correlation"].iloc[-1],
        "probability without 20 %, salient": curve["salient"],
        "probability without 20 %, random": curve["random"],
    }
print(pd.DataFrame(checks).round(2).to_string())

# %%
# In this small network the gradient passes the first check and not the second: the map
# belongs to what was learned, but does not show what the decision rests on. Integrated
# gradients are the other way round: the decision rests on what they show, but they
# multiply by the ECG, whose shape stays in the map when nothing learned is left.
#
# The forest explains itself in other words: by named features, here those with the
# largest mean SHAP values in the same ECGs.
forest = FeatureForestClassifier(n_estimators=100, random_state=0)
forest.fit(X[train], y[train], groups=groups[train])
sizes = np.abs(forest.shap_values(sample)).mean(axis=0)
top = pd.Series(sizes, forest.feature_names_).nlargest(8)
print(top.round(4).to_string())
