"""
Quickstart in 20 lines
======================

Train a small network on simulated ECGs and look at how well it finds occlusions in patients
that it has not seen. It needs ``pip install 'skecg[plot]'``.
"""

# %%
# Median beats in mV, one row an ECG; whole patients are kept for the test. The network takes 400
# samples around the R peak, z-scored lead by lead, and holds out some of its patients to choose
# the best epoch.
from sklearn.pipeline import make_pipeline

from skecg import ALVDClassifier
from skecg.datasets import make_omi
from skecg.plotting import OperatingPointDisplay
from skecg.preprocessing import BeatCropper, LeadStandardScaler

X, y, groups = make_omi(240, prevalence=1 / 3, severity=2, random_state=0)
train = groups < 168
network = ALVDClassifier(lr=3e-3, max_epochs=10, batch_size=32, random_state=0)
model = make_pipeline(BeatCropper(), LeadStandardScaler(), network)
model.fit(X[train], y[train], alvdclassifier__groups=groups[train])
display = OperatingPointDisplay.from_estimator(model, X[~train], y[~train], threshold=0.5)
display.figure_.savefig("quickstart.png", dpi=150)
print("Figure: quickstart.png")

# %%
# For ECG-SMART-NET write ``SmartNetClassifier`` instead; its defaults are the paper's protocol,
# which is for a GPU or for patience. The occlusions here have twice the ST deviation of real
# life, so that seconds of training are enough.
