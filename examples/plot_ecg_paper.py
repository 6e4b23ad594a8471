"""
Draw an ECG
===========

Twelve leads on paper as clinicians know it: 25 mm to the second, 10 mm to the mV, squares
of 1 and 5 mm. What is saved has true scale when printed at 100 %. It needs
``pip install 'skecg[plot]'``.
"""

# %%
# A simulated recording of 10 s with an occluded artery. A file is drawn the same way:
# ``ECGDisplay.from_ecg(read_ecg("file.xml"))`` prints the recorder's filters as well.
from skecg.datasets import make_omi
from skecg.plotting import ECGDisplay
from skecg.preprocessing import MedianBeat

X, y, groups = make_omi(1, prevalence=1, severity=2, form="ecg", random_state=3)
display = ECGDisplay.from_ecg(X[0], title="Simulated, occlusion")
for suffix in ("pdf", "png"):
    display.figure_.savefig(f"ecg.{suffix}")
print("Figures: ecg.pdf, ecg.png")

# %%
# Two columns of six leads, limb leads in Cabrera's order, on grey paper.
ECGDisplay.from_ecg(X[0], layout="6x2", cabrera=True, rhythm=None, paper="grey")

# %%
# The median beat, at twice its true size, with what was found in all leads together: the
# peak of P, the J point, ST 80 ms later, and the peak of T.
beat = MedianBeat().fit_transform(X[:1])[0]
display = ECGDisplay.from_beat(beat, magnify=2)
print(display.marks)
