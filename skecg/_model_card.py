"""What is known of a model, and what is not, in the order of TRIPOD+AI."""

import os
from importlib.metadata import version

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ._base import NetClassifier
from ._document import Section, Table, to_html, to_markdown
from ._files import whole_file
from ._forest import FeatureForestClassifier
from ._validation import named_positive, positive_class
from .calibration import PriorCorrection
from .persistence import _input, _parts

DISCLAIMER = "Research software, not a medical device."

_TO_FILL = "TO FILL"
_PACKAGES = ("skecg", "scikit-learn", "torch")
# The 27 items of Collins et al., BMJ 385:e078378, 2024, in words of our own.
_ITEMS = {
    1: "Title",
    2: "Abstract",
    3: "Background: the clinical question, those it is for, known inequalities",
    4: "Objectives",
    5: "Data: sources and dates",
    6: "Participants: setting, eligibility, treatment",
    7: "Data preparation",
    8: "Outcome: definition, how and by whom it was judged",
    9: "Predictors",
    10: "Sample size",
    11: "Missing data",
    12: "Analysis: partition of data, model, training, measures",
    13: "Class imbalance",
    14: "Fairness",
    15: "Output and classification",
    16: "Differences between training and evaluation",
    17: "Ethical approval",
    18: "Open science: funding, interests, protocol, registration, data, code",
    19: "Patient and public involvement",
    20: "Participants: flow and characteristics",
    21: "Numbers in each analysis",
    22: "Model specification",
    23: "Performance, in subgroups as well",
    24: "Updating",
    25: "Interpretation",
    26: "Limitations",
    27: "Usability: input that is poor or missing, users, next steps",
}


def model_card(
    estimator,
    *,
    training_data=None,
    test_data=None,
    threshold=None,
    threshold_from=None,
    metrics=None,
    subgroups=None,
    intended_use=None,
    limits=None,
    items=None,
    path=None,
):
    """Write down what is known of a model: data, protocol, measures, use and limits.

    What neither the estimator nor the arguments tell is marked "TO FILL". The items of TRIPOD+AI
    [1]_ follow at the end.

    Parameters
    ----------
    estimator : estimator
        Fitted.
    training_data, test_data : str, default=None
        Which patients, where, when, how many, and how many of them had the disease.
    threshold : float, default=None
        The operating point of the tables.
    threshold_from : str, default=None
        On which data and how it was chosen: on the test data the measures flatter.
    metrics : DataFrame, default=None
        From :func:`skecg.metrics.classification_table`, of the test data.
    subgroups : DataFrame, default=None
        From :func:`skecg.metrics.subgroup_table`, of the test data.
    intended_use, limits : str, default=None
        For whom and what it is meant, and not meant.
    items : dict of int to str, default=None
        Text for items of TRIPOD+AI by number, 1 to 27.
    path : str or path-like, default=None
        Where to write it as well; ends in .md or .html.

    Returns
    -------
    str
        The card as Markdown, to read, or to store: ``save_model(estimator, file, card=card)``.

    References
    ----------
    .. [1] Collins et al. (2024), TRIPOD+AI statement, BMJ 385:e078378.

    Examples
    --------
    >>> from skecg import FeatureForestClassifier
    >>> from skecg.datasets import make_omi
    >>> from skecg.report import model_card
    >>> X, y, groups = make_omi(60, prevalence=0.5, random_state=0)
    >>> forest = FeatureForestClassifier(n_estimators=20, random_state=0).fit(X, y)
    >>> card = model_card(forest, training_data="60 simulated ECGs, half of them positive")
    >>> print(card.splitlines()[0])
    # Model card: FeatureForestClassifier
    >>> "| 17 | Ethical approval | TO FILL |" in card
    True
    """
    check_is_fitted(estimator)
    suffix = None if path is None else os.path.splitext(path)[1].lower()
    if suffix not in (None, ".md", ".html"):
        raise ValueError(f"path={os.fspath(path)!r} must end in .md or .html.")
    unknown = [key for key in items or {} if key not in _ITEMS]
    if unknown:
        raise ValueError(f"items holds {unknown}; TRIPOD+AI has the items 1 to {len(_ITEMS)}.")
    protocol, about = _protocol(estimator), describe(estimator)
    title = f"Model card: {type(list(_parts(estimator))[-1]).__name__}"
    prevalence = _prevalence(subgroups)
    data = [("Training data", training_data), ("Test data", test_data), ("Prevalence", prevalence)]
    at = _operating_point(threshold, threshold_from, metrics)
    positive = dict(about).get("Positive class")
    known = {
        5: training_data and test_data and "see Data",
        7: dict(about)["Estimator"],
        9: f"the ECG itself; {dict(about)['Input']}",
        12: protocol and "see Protocol",
        13: _balance(estimator),
        15: f"a score from 0 to 1 for each of the classes {dict(about)['Classes']}"
        + (f"; positive from {threshold:.3g}" if threshold is not None else "")
        + (f"; {positive} is the positive class" if positive else ""),
        21: prevalence,
        22: protocol and "see Summary and Protocol; the weights are in the model's file",
        23: metrics is not None and subgroups is not None and "see Performance and Subgroups",
        26: limits and "see Limits",
    } | (items or {})
    tripod = [(number, what, known.get(number)) for number, what in _ITEMS.items()]
    sections = [
        Section("Summary", [Table(about), DISCLAIMER]),
        Section("Intended use", [intended_use or _TO_FILL]),
        Section("Data", [_table(data)]),
        Section("Protocol", [_table(protocol or [("Training", None)])]),
        Section("Performance on the test data", [*at, *_metrics(metrics)]),
        Section("Subgroups", _subgroups(subgroups)),
        Section("Limits", [limits or _TO_FILL]),
        Section("TRIPOD+AI", [_table(tripod, ("Item", "What", "Text"))]),
    ]
    text = to_markdown(title, sections)
    if path is not None:
        with whole_file(path) as file:
            page = to_html(title, sections) if suffix == ".html" else text
            file.write(page.encode())
    return text


def describe(estimator):
    """Return rows of name and text on a fitted estimator."""
    takes = _input(estimator)
    names = ", ".join(dict.fromkeys(type(part).__name__ for part in _parts(estimator)))
    told = {
        "leads": takes["n_leads"],
        "samples a lead": takes["n_times"],
        "unit": takes["unit"],
        "columns": takes["columns"] and len(takes["columns"]),
    }
    classes = getattr(estimator, "classes_", None)
    two = classes is not None and len(classes) == 2
    code = positive_class(classes, named_positive(estimator)) if two else None
    return [
        ("Estimator", names),
        ("Input", ", ".join(f"{k} {v}" for k, v in told.items() if v is not None) or "not known"),
        ("Classes", "none" if classes is None else ", ".join(map(str, classes))),
        *([("Positive class", str(classes[code]))] if two else []),
        ("Software", ", ".join(f"{name} {version(name)}" for name in _PACKAGES)),
    ]


def _protocol(estimator):
    """Return how the model was trained, as far as its parts know."""
    rows = []
    for part in {id(part): part for part in _parts(estimator)}.values():
        name = type(part).__name__
        if isinstance(part, NetClassifier):
            n = sum(p.numel() for p in part.module_.parameters())
            shown = ("sampling", "lr", "batch_size", "max_epochs", "alpha", "random_state")
            told = ", ".join(f"{key} {_short(getattr(part, key))}" for key in shown)
            rows.append((name, f"{n:,} weights; {told}; epoch {part.best_epoch_} kept"))
        elif isinstance(part, FeatureForestClassifier):
            n = "" if part.n_estimators is None else f", {part.n_estimators} trees"
            told = f"preset {part.preset}{n}, {len(part.feature_names_)} features"
            rows.append((name, f"{told}, random_state {part.random_state}"))
        elif isinstance(part, PriorCorrection):
            shares = ", ".join(f"{share:.3g}" for share in part.prevalence_)
            rows.append((name, f"to shares of the classes {shares}"))
    return rows


def _balance(estimator):
    """Return how a network's batches were balanced, and whether that was made up for."""
    parts = list(_parts(estimator))
    ways = {part.sampling for part in parts if isinstance(part, NetClassifier)}
    if len(ways) != 1:
        return None
    (way,) = ways
    if way is None:
        return "the batches are as the data"
    corrected = any(isinstance(part, PriorCorrection) for part in parts)
    calibrated = any(hasattr(part, "calibrated_classifiers_") for part in parts)
    then = "brought back to the" if corrected or calibrated else "not brought back to the"
    return f"the batches are balanced (sampling {way}); probabilities {then} prevalence"


def _operating_point(threshold, threshold_from, metrics):
    if threshold is None and metrics is None:
        return []
    at = _TO_FILL if threshold is None else f"a score of {threshold:.3g} and over"
    return [f"Operating point: {at}. Chosen on: {threshold_from or _TO_FILL}."]


def _short(value):
    return f"{value:.3g}" if isinstance(value, float) else value


def _table(rows, head=()):
    """Return a table in which nothing is left empty."""
    return Table([tuple(cell or _TO_FILL for cell in row) for row in rows], head)


def _prevalence(subgroups):
    if subgroups is not None and ("every ECG", "all") in subgroups.index:
        row = subgroups.loc[("every ECG", "all")]
        return (
            f"test data: {row['n_positive']:.0f} of {row['n']:.0f} ECGs "
            f"({row['n_positive'] / row['n']:.1%}), {row['n_patients']:.0f} patients"
        )
    return None


def _metrics(metrics):
    if metrics is None:
        return [_TO_FILL]
    rows = [(name, _interval(*row)) for name, row in metrics.iterrows()]
    return [Table(rows, ("Measure", "Estimate (interval)")), _level(metrics)]


def _level(table):
    """Return what the intervals of a table are."""
    confidence = table.attrs.get("confidence")
    level = _TO_FILL if confidence is None else f"{100 * confidence:.3g} %"
    return f"Intervals: {level}, by resampling of patients."


def _interval(estimate, low, high):
    if np.isnan(estimate):
        return "undefined"
    limits = "no interval" if np.isnan(low) else f"{low:.3f} to {high:.3f}"
    return f"{estimate:.3f} ({limits})"


def _subgroups(subgroups):
    if subgroups is None:
        return [_TO_FILL]
    names = [c for c in subgroups if f"{c}_low" in subgroups]
    rows = [
        (
            f"{unit}, {name}",
            f"{row['n']:.0f} ({row['n_positive']:.0f})",
            *(_interval(row[c], row[f"{c}_low"], row[f"{c}_high"]) for c in names),
        )
        for (unit, name), row in subgroups.iterrows()
    ]
    return [Table(rows, ("Subgroup", "n (positive)", *names)), _level(subgroups)]
