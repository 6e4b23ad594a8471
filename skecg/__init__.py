"""scikit-learn classifiers for occlusion myocardial infarction in the 12-lead ECG."""

from ._base import NetClassifier
from .classifiers import (
    ALVDClassifier,
    FeatureForestClassifier,
    ResNetClassifier,
    SmartNetClassifier,
    TemporalResNetClassifier,
)
from .clinical import STEMICriteriaClassifier

__version__ = "0.1.0.dev0"

__all__ = [
    "ALVDClassifier",
    "FeatureForestClassifier",
    "NetClassifier",
    "ResNetClassifier",
    "STEMICriteriaClassifier",
    "SmartNetClassifier",
    "TemporalResNetClassifier",
]
