"""Small fitted models for tests of model files, and the golden files of format 1.

``python tests/saved_models.py FOLDER`` writes the models of today into a folder, with what they
predict. Golden files are never written anew: they stand for what users keep.
"""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.calibration import CalibratedClassifierCV
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skecg import ALVDClassifier, FeatureForestClassifier
from skecg.persistence import save_model
from skecg.preprocessing import BeatCropper, LeadStandardScaler

GOLDEN = Path(__file__).parent / "golden"


def ecgs(n=40):
    """Return rows of one lead of 140 samples, and classes that differ by a step in it."""
    rng = np.random.RandomState(0)
    y = np.arange(n) % 2
    X = rng.normal(size=(n, 1, 140))
    X[y == 1, :, 60:90] += 1
    return X.astype(np.float32), y


def table(n=40):
    """Return a table of four features with gaps, and classes of text."""
    rng = np.random.RandomState(1)
    columns = ["qrs_duration", "st80_V2", "tamp_V3", "age"]
    X = pd.DataFrame(rng.normal(size=(n, 4)), columns=columns)
    y = np.where(X["st80_V2"] + rng.normal(scale=0.5, size=n) > 0, "OMI", "no OMI")
    X.iloc[::7, 2] = np.nan
    return X, y.astype(object)


def models():
    """Return by name a fitted model and rows to judge."""
    X, y = ecgs()
    net = ALVDClassifier(lr=1e-2, max_epochs=12, random_state=0)
    net = make_pipeline(BeatCropper(start=10, stop=-10), LeadStandardScaler(), net).fit(X, y)
    calibrated = CalibratedClassifierCV(FrozenEstimator(net), cv=2).fit(X, y)
    T, labels = table()
    forest = {"n_estimators": 4, "random_state": 0}
    plain = make_pipeline(SimpleImputer(), StandardScaler(), PCA(2), LogisticRegression())
    threshold = FixedThresholdClassifier(plain, threshold=0.3, pos_label="OMI")
    return {
        "network": (calibrated, X),
        "forest": (FeatureForestClassifier(min_samples_leaf=2, **forest).fit(T, labels), T),
        "published": (FeatureForestClassifier(preset="published", **forest).fit(T, labels), T),
        "threshold": (threshold.fit(T, labels), T),
    }


def write(folder):
    """Write the models and what they predict."""
    expected = {}
    for name, (model, X) in models().items():
        save_model(model, Path(folder) / f"{name}.skecg", card="for tests")
        expected[name] = {
            "predict": model.predict(X).tolist(),
            "predict_proba": model.predict_proba(X).tolist(),
        }
    text = json.dumps(expected, indent=0)
    (Path(folder) / "expected.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(sys.argv[1])
