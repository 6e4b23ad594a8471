"""
Signals other than ECGs
=======================

The classifiers take any number of leads and samples, as the paper says: here two seconds of a
simulated EEG, 19 channels at 256 Hz. Half of the windows hold a burst of 10 Hz over the back of
the head.
"""

# %%
# Noise that falls with frequency, as the EEG's does, of 20 microvolt in each channel; and in
# the positive windows half a second of 10 Hz in four channels, at a time of its own.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline

from skecg import ALVDClassifier
from skecg.preprocessing import LeadStandardScaler

RATE, N_TIMES = 256, 512
CHANNELS = [
    *("Fp1", "Fp2", "F7", "F3", "Fz", "F4", "F8", "T3", "C3", "Cz"),
    *("C4", "T4", "T5", "P3", "Pz", "P4", "T6", "O1", "O2"),
]
BACK = [CHANNELS.index(name) for name in ("P3", "P4", "O1", "O2")]


def make_windows(n, rng):
    """Return windows (n, 19, 512) in microvolt, and which of them hold a burst."""
    frequency = np.fft.rfftfreq(N_TIMES, 1 / RATE)
    noise = np.fft.rfft(rng.standard_normal((n, len(CHANNELS), N_TIMES)))
    X = np.fft.irfft(noise / np.sqrt(np.maximum(frequency, 1)))
    X *= 20 / X.std(axis=-1, keepdims=True)
    y = np.arange(n) % 2
    t = np.arange(N_TIMES) / RATE
    for row in np.flatnonzero(y):
        envelope = np.exp(-0.5 * ((t - rng.uniform(0.5, 1.5)) / 0.25) ** 2)
        X[row, BACK] += 30 * envelope * np.sin(2 * np.pi * (10 * t + rng.uniform()))
    return X.astype(np.float32), y


rng = np.random.default_rng(0)
X, y = make_windows(240, rng)
X_test, y_test = make_windows(100, rng)

# %%
# The pipeline for ECGs, without the crop around the R peak.
net = ALVDClassifier(lr=3e-3, max_epochs=8, batch_size=32, random_state=0)
model = make_pipeline(LeadStandardScaler(), net).fit(X, y)
proba = model.predict_proba(X_test)[:, 1]
print(f"AUC on {len(y_test)} other windows: {roc_auc_score(y_test, proba):.3f}")

# %%
# A window with a burst, and what the network says of all.
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
offset = 100 * np.arange(len(CHANNELS))[:, None]
left.plot(np.arange(N_TIMES) / RATE, (X_test[1] - offset).T, color="black", linewidth=0.6)
left.set(yticks=-offset[:, 0], yticklabels=CHANNELS, xlabel="Time (s)", title="With a burst")
right.hist([proba[y_test == 0], proba[y_test == 1]], bins=20, label=["no burst", "burst"])
right.set(xlabel="Probability of a burst", ylabel="Windows")
right.legend()
fig.savefig("generic_signals.png", dpi=150)
print("Figure: generic_signals.png")
