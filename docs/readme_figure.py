"""Draw the README's figure: python docs/readme_figure.py PATH, with the path of a PTB-XL folder."""

import sys

from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline

from skecg import ALVDClassifier
from skecg.datasets import load_ptbxl
from skecg.plotting import SaliencyDisplay
from skecg.preprocessing import BeatCropper, LeadStandardScaler, MedianBeat

ptbxl = load_ptbxl(sys.argv[1], positive="MI", negative="NORM")
X = MedianBeat().fit_transform(ptbxl.data)
y, patients = ptbxl.target, ptbxl.groups
test = ptbxl.fold == 10  # recommended by the authors of PTB-XL
network = ALVDClassifier(lr=3e-3, max_epochs=30, batch_size=64, random_state=0)
model = make_pipeline(BeatCropper(), LeadStandardScaler(), network)
model.fit(X[~test], y[~test], alvdclassifier__groups=patients[~test])

# Of the infarctions in the test fold the one with the highest score.
score = model.predict_proba(X)[:, 1]
chosen = max((test & (y == 1)).nonzero()[0], key=lambda row: score[row])
ecg = ptbxl.table.iloc[chosen]
print(f"ecg_id {ecg['ecg_id']}, score {score[chosen]:.2f}, {ecg['scp_codes']}")
print(f"AUC of {test.sum()} ECGs: {roc_auc_score(y[test], score[test]):.3f}")
display = SaliencyDisplay.from_estimator(
    model, X[[chosen]], method="integrated_gradients", title=f"PTB-XL {ecg['ecg_id']}"
)
display.figure_.savefig("docs/saliency.png", dpi=100)
