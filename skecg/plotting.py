"""Pictures, after scikit-learn's Display API."""

from ._fold_displays import ComparisonDisplay, TrainingCurveDisplay
from ._score_displays import DecisionCurveDisplay, OperatingPointDisplay

__all__ = [
    "ComparisonDisplay",
    "DecisionCurveDisplay",
    "OperatingPointDisplay",
    "TrainingCurveDisplay",
]
