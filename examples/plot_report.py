"""
A report of one ECG
===================

One page with the tracing, what a model makes of it, the STEMI criteria with reasons, and
measurements; and a card that says what is known of the model. It needs
``pip install 'skecg[captum,plot]'``.
"""

# %%
# A small network that learns from simulated median beats, in under a minute.
import os
import tempfile

from sklearn.pipeline import make_pipeline

from skecg import ALVDClassifier
from skecg.datasets import make_omi
from skecg.io import ECG
from skecg.plotting import SaliencyDisplay
from skecg.preprocessing import BeatCropper, LeadStandardScaler, MedianBeat
from skecg.report import ecg_report, model_card

X, y, groups = make_omi(300, prevalence=0.5, random_state=0)
net = ALVDClassifier(lr=1e-3, max_epochs=5, random_state=0)
model = make_pipeline(BeatCropper(), LeadStandardScaler(), net).fit(X, y)

# %%
# A simulated recording. For a file it is ``ecg = read_ecg("file.xml")``.
signal = make_omi(1, prevalence=1, severity=2, form="ecg", random_state=3)[0][0]
ecg = ECG(signal, sampling_rate=500, format="simulated", age=61, sex="M")

# %%
# The page needs no network and runs no script; ``ecg.pdf`` in its place gives a PDF. A model that
# learned from simulated ECGs has no probabilities: the page shows a score and says so. For a
# calibrated one, ``calibrated_on="..."`` says in words on which patients.
folder = tempfile.mkdtemp()
path = os.path.join(folder, "report.html")
ecg_report(model, ecg, path)
print(f"The page has {os.path.getsize(path) / 1e6:.1f} MB.")

# %%
# What the model's card holds, and what is left to fill.
card = model_card(model, training_data="300 simulated ECGs, half of them with an occlusion")
print(card[:900])

# %%
# The page's saliency map.
beat = MedianBeat().fit_transform([ecg])
display = SaliencyDisplay.from_estimator(model, beat)
