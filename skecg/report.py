"""Pages to read: one ECG with what a model makes of it, and a model with what is known of it."""

import os
from dataclasses import replace

import numpy as np
import pandas as pd
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import FixedThresholdClassifier, TunedThresholdClassifierCV
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from ._base import NetClassifier
from ._document import Alert, Headline, Picture, Section, Table, to_html, to_pdf
from ._files import whole_file
from ._forest import _HIGH, _LOW, FeatureForestClassifier
from ._model_card import DISCLAIMER, describe, model_card
from ._paper import pyplot
from ._quality import unusable
from ._validation import named_positive, positive_class
from .calibration import PriorCorrection
from .clinical import STEMICriteriaClassifier
from .feature_extraction import BeatFeatures, add_patient
from .io import ECG
from .leads import LEADS
from .persistence import _input, _parts
from .plotting import ECGDisplay, SaliencyDisplay, _filters
from .preprocessing import MedianBeat

__all__ = ["ecg_report", "model_card"]

_CALIBRATED = (PriorCorrection, CalibratedClassifierCV, FeatureForestClassifier)
_N_SHOWN = 8  # features of a forest
_SEEN = slice(150, -50)  # what networks see of a beat, as of BeatCropper
_MAGNIFY = 1.3  # a beat on paper then fits on a page
# Name, column, unit, and the 2nd and 98th percentile of 46,129 adults at low risk: Mason et al.,
# J Electrocardiol 40:228-234, 2007.
_MEASURES = [
    ("Heart rate", "heart_rate", " /min", "48 to 98"),
    ("P duration", "p_duration", " ms", ""),
    ("PR interval", "pr_interval", " ms", "113 to 212"),
    ("QRS duration", "qrs_duration", " ms", "69 to 109"),
    ("QT interval", "qt_interval", " ms", "325 to 452"),
    ("QTc (Bazett)", "qtc_bazett", " ms", "361 to 457"),
    ("QTc (Fridericia)", "qtc_fridericia", " ms", "359 to 445"),
    ("P axis", "p_axis", "\N{DEGREE SIGN}", ""),
    ("QRS axis", "qrs_axis", "\N{DEGREE SIGN}", "-40 to 91"),
    ("T axis", "t_axis", "\N{DEGREE SIGN}", ""),
]


def ecg_report(estimator, ecg, path, *, calibrated_on=None, show_identifiers=False):
    """Write one ECG, what a model makes of it, and what can be measured, as a page to read.

    The page is one HTML file without scripts that loads nothing, or a PDF. What could not be done,
    as with a recording without QRS complexes, is said on the page.

    Parameters
    ----------
    estimator : classifier
        Fitted, of two classes, with ``predict_proba``. Takes recordings, as a pipeline that begins
        with :class:`skecg.preprocessing.MedianBeat`; or the median beats in mV that this makes, as
        a pipeline that crops and scales them; or a table of
        :class:`skecg.feature_extraction.BeatFeatures`, with age, sex and heart rate.
    ecg : ECG
        From :func:`skecg.io.read_ecg`. An array becomes one by
        ``ECG(signal, sampling_rate=500, format="array")``.
    path : str or path-like
        Where to write; ends in .html or .pdf. A file that is there stays whole until the new one
        is complete.
    calibrated_on : str, default=None
        On which real patients the probabilities were calibrated, in words, which are printed. The
        page then shows a probability and a risk group, "low" below 5 %, "high" from 20 % [1]_.
        None, as for all models that learned from simulated ECGs, shows a score from 0 to 100, the
        words "not a probability", and no risk group.
    show_identifiers : bool, default=False
        Whether to print the names and numbers of ``read_ecg(..., keep_identifiers=True)``.

    Raises
    ------
    ValueError
        If `calibrated_on` is given with an estimator that ends in none of
        :class:`skecg.calibration.PriorCorrection`, ``CalibratedClassifierCV`` and
        :class:`skecg.FeatureForestClassifier`; if the estimator is of other than two classes; or
        `path` has another ending.

    Notes
    -----
    The time of the recording, age and sex are printed. ECGs of which a lead is missing get no
    score. Of a network the page shows the map of :func:`skecg.inspection.saliency_maps`, which
    needs captum; of a forest its SHAP values, which need shap.

    References
    ----------
    .. [1] Al-Zaiti et al. (2023), Nature Medicine 29:1804-1813.

    Examples
    --------
    >>> import os, tempfile
    >>> from skecg import STEMICriteriaClassifier
    >>> from skecg.datasets import make_omi
    >>> from skecg.io import ECG
    >>> from skecg.report import ecg_report
    >>> X, y, groups = make_omi(60, prevalence=0.5, random_state=0)
    >>> rules = STEMICriteriaClassifier().fit(X, y)
    >>> signal = make_omi(1, form="ecg", random_state=1)[0][0]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "ecg.html")
    ...     ecg_report(rules, ECG(signal, sampling_rate=500, format="simulated"), path)
    ...     with open(path, encoding="utf-8") as file:
    ...         "not a probability" in file.read()
    True
    """
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in (".html", ".pdf"):
        raise ValueError(f"path={os.fspath(path)!r} must end in .html or .pdf.")
    _check(estimator, ecg, calibrated_on, show_identifiers)
    found = _measure(ecg)
    sections = [
        Section("Result", [DISCLAIMER, *_result(estimator, ecg, found, calibrated_on)]),
        Section("Rules", _rules(found)),
        Section("Quality", _quality(found)),
        Section("Measurements", _measurements(found)),
        Section("Tracing", [_tracing(ecg)]),
        Section("Median beat", _median_beat(found)),
        Section("What the model looked at", _explanation(estimator, ecg, found)),
        Section("Recording", [Table(_recording(ecg, show_identifiers))]),
        Section("Model", [Table(describe(estimator))]),
    ]
    with whole_file(path) as file:
        if suffix == ".pdf":
            to_pdf(file, "ECG report", sections)
        else:
            file.write(to_html("ECG report", sections).encode())


def _check(estimator, ecg, calibrated_on, show_identifiers):
    check_is_fitted(estimator)
    if not isinstance(ecg, ECG):
        raise TypeError(
            f"ecg is a {type(ecg).__name__}; give what skecg.io.read_ecg returns, or "
            'ECG(signal, sampling_rate=500, format="array") for an array of 12 leads in mV.'
        )
    if not hasattr(estimator, "predict_proba") or len(estimator.classes_) != 2:
        raise ValueError("A report needs a classifier of two classes with predict_proba.")
    if calibrated_on is not None and not str(calibrated_on).strip():
        raise ValueError("calibrated_on is empty; say on which patients, or leave it out.")
    if calibrated_on is not None and not _is_calibrated(estimator):
        raise ValueError(
            f"calibrated_on={calibrated_on!r}, but {type(estimator).__name__} does not end in a "
            "calibrated classifier: PriorCorrection, CalibratedClassifierCV or "
            "FeatureForestClassifier. Calibrate it, or leave calibrated_on out."
        )
    if show_identifiers and ecg.identifiers is None:
        raise ValueError(
            "show_identifiers=True, but the ECG holds none: read_ecg(..., keep_identifiers=True)."
        )


def _is_calibrated(estimator):
    """Tell whether what comes out last was calibrated, not merely something inside."""
    if isinstance(estimator, Pipeline):
        return _is_calibrated(estimator[-1])
    if isinstance(estimator, FixedThresholdClassifier | TunedThresholdClassifierCV):
        return _is_calibrated(estimator.estimator_)
    if isinstance(estimator, FrozenEstimator):
        return _is_calibrated(estimator.estimator)
    return isinstance(estimator, _CALIBRATED)


# -- what can be measured --------------------------------------------------------------


def _measure(ecg):
    """Return a dict of the row of MedianBeat.report, the beat or None, and the table of features.

    Leads without a value are flat in the table, as the rules take them.
    """
    try:
        quality = MedianBeat().report([ecg]).loc[0].to_dict()
        beat = MedianBeat(on_bad="nan").transform([ecg])
    except ValueError as error:  # too short, or sampled too slowly
        quality, beat = unusable(str(error)), None
    if quality["quality"] == "unusable":
        return {"quality": quality, "beat": None, "table": None}
    features = BeatFeatures().set_output(transform="pandas")
    table = features.fit_transform(np.nan_to_num(beat))
    age = ecg.age if _is_age(ecg.age) else np.nan
    rate = quality["heart_rate"]
    rate = rate if 10 <= rate <= 400 else np.nan
    table = add_patient(table, age=[age], sex=[ecg.sex], heart_rate=[rate])
    absent = {lead for key in ("missing_leads", "flat_leads") for lead in quality[key].split(", ")}
    if absent & {"I", "aVF"}:
        table[["p_axis", "qrs_axis", "t_axis"]] = np.nan
    return {"quality": quality, "beat": beat, "table": table, "absent": absent}


def _quality(found):
    quality = found["quality"]
    if quality["quality"] != "good":
        return [Alert(f"{quality['quality'].capitalize()}: {quality['remarks']}.")]
    beats = f"{quality['n_used']} of {quality['n_beats']} beats are in the median beat"
    return [f"Good: {beats}; noise {quality['noise_uv']:.0f} \N{MICRO SIGN}V."]


def _measurements(found):
    if found["table"] is None:
        return ["None: there is no median beat."]
    row = found["table"].loc[0]
    rows = [
        (name, "not found" if np.isnan(row[key]) else f"{row[key]:.0f}{unit}", usual)
        for name, key, unit, usual in _MEASURES
    ]
    levels = [
        (name, *(_level(row[f"{key}_{lead}"], lead, found["absent"]) for lead in LEADS))
        for name, key in (("J", "j"), ("J + 80 ms", "st80"))
    ]
    return [
        Table(rows, ("", "This ECG", "Adults at low risk, 2nd to 98th percentile")),
        "ST level in mV, from the PQ segment just before the QRS; 0.1 mV is 1 mm.",
        Table(levels, ("", *LEADS)),
    ]


def _level(value, lead, absent):
    return "none" if lead in absent or np.isnan(value) else f"{value:+.2f}"


def _rules(found):
    if found["table"] is None:
        return ["Not judged: there is no median beat."]
    table = found["table"]
    rows = []
    for name, rules in (("STEMI criteria", "stemi"), ("With further signs of occlusion", "omi")):
        # Nothing is learned but the names of two classes.
        judge = STEMICriteriaClassifier(rules=rules).fit(pd.concat([table, table]), [0, 1])
        found_by = judge.reasons(table).loc[0]
        verdict = "met" if found_by["positive"] else "not met"
        verdict = verdict if found_by["judged"] else "not judged"
        rows.append((name, verdict, found_by["reason"]))
    return [Table(rows)]


# -- what the model says ---------------------------------------------------------------


def _given(estimator, ecg, found):
    """Return the ECG as an estimator, or one inside another, takes it."""
    parts = list(_parts(estimator))
    if any(isinstance(part, MedianBeat) for part in parts):
        return [ecg]
    columns = getattr(estimator, "feature_names_in_", None)
    if columns is not None:
        absent = [name for name in columns if name not in found["table"]]
        if absent:
            raise ValueError(f"the model needs {', '.join(absent[:5])}, which no ECG tells.")
        return found["table"][list(columns)]
    if isinstance(estimator, NetClassifier):
        raise ValueError("a bare network takes scaled beats: give the pipeline that scales them.")
    n_times = _input(estimator)["n_times"]
    if n_times not in (None, 400, 600):
        raise ValueError(f"the model takes {n_times} samples a lead, and median beats have 600.")
    return found["beat"][:, :, _SEEN] if n_times == 400 else found["beat"]


def _result(estimator, ecg, found, calibrated_on):
    if found["beat"] is None:
        return [Alert(f"No score: {found['quality']['remarks']}.")]
    if not np.isfinite(found["beat"]).all():
        return [Alert(f"No score: no values in {found['quality']['missing_leads']}.")]
    code = positive_class(estimator.classes_, named_positive(estimator))
    try:
        share = 100 * float(estimator.predict_proba(_given(estimator, ecg, found))[0, code])
    except ValueError as error:
        return [Alert(f"No score: {error}")]
    label = f"Class {estimator.classes_[code]}"
    doubt = []
    if found["quality"]["quality"] != "good":
        doubt = [Alert(f"The recording is doubtful: {found['quality']['remarks']}.")]
    if calibrated_on is None:
        return [
            Headline(f"{label}: score {share:.0f} of 100, not a probability"),
            "A higher score means that the model finds the ECG more like those of this class. How "
            "many patients with such a score have the disease is not known: nothing tells that the "
            "model was calibrated on real patients.",
            *doubt,
        ]
    shown = "under 1" if share < 1 else "over 99" if share > 99 else f"{share:.0f}"
    group = "low" if share < _LOW else "intermediate" if share < _HIGH else "high"
    return [
        Headline(f"{label}: probability {shown} %, risk {group}"),
        f"Risk groups: low below {_LOW} %, intermediate, high from {_HIGH} % (Al-Zaiti et al., "
        "Nature Medicine 29:1804, 2023).",
        f"Calibrated on: {calibrated_on}. It holds for such patients only.",
        *doubt,
    ]


def _explanation(estimator, ecg, found):
    if found["beat"] is None or not np.isfinite(found["beat"]).all():
        return ["Nothing: there is no score."]
    parts = {id(part): part for part in _parts(estimator)}.values()
    nets = [part for part in parts if isinstance(part, NetClassifier)]
    ends = [part for part in parts if isinstance(part, Pipeline) and part[-1] in nets]
    forests = [part for part in parts if isinstance(part, FeatureForestClassifier)]
    label = estimator.classes_[positive_class(estimator.classes_, named_positive(estimator))]
    try:
        if len(nets) == len(ends) == 1 and not forests:
            display = SaliencyDisplay.from_estimator(
                ends[0], _given(ends[0], ecg, found), target=label, magnify=_MAGNIFY
            )
            caption = (
                "From yellow to dark red: how much the score depends on each 40 ms of each lead; "
                "in percent, the share of the lead. A map tells where the model looked, not that "
                "it was right."
            )
            return [_picture(display, "Saliency map on the median beat", caption)]
        if len(forests) == 1 and not nets:
            return _features(forests[0], _given(forests[0], ecg, found))
    except (ImportError, ValueError) as error:
        return [f"Not told: {error}"]
    return ["Not told: a model of this kind gives no map."]


def _features(forest, X):
    values, table = forest.shap_values(X)[0], forest._table(X)[0]
    first = np.argsort(-np.abs(values), kind="stable")[:_N_SHOWN]
    rows = [(forest.feature_names_[i], f"{table[i]:.3g}", f"{100 * values[i]:+.1f}") for i in first]
    return [
        Table(rows, ("Feature", "Value (mV, ms, \N{DEGREE SIGN})", "Points")),
        "How many of 100 votes of the trees the feature moved, before calibration (SHAP). The "
        "features are those of skecg.feature_extraction.BeatFeatures.",
    ]


# -- the ECG itself --------------------------------------------------------------------


def _picture(display, alt, caption=""):
    pyplot().close(display.figure_)  # pyplot forgets it; it can still be saved
    return Picture(display.figure_, alt, caption)


def _tracing(ecg):
    drawable = np.where(np.isinf(ecg.signal), np.nan, ecg.signal)
    display = ECGDisplay.from_ecg(replace(ecg, signal=drawable))
    return _picture(display, "Twelve leads on ECG paper", "True scale in print at 100 %.")


def _median_beat(found):
    if found["beat"] is None:
        return ["None could be made."]
    display = ECGDisplay.from_beat(found["beat"][0][:, _SEEN], magnify=_MAGNIFY)
    return [_picture(display, "Median beat with P, J, ST and T marked")]


def _is_age(age):
    return age is not None and 0 <= age <= 120


def _age(age):
    """Return an age in words, or None."""
    if age is None or np.isnan(age):
        return None
    return f"{age:.0f} years" + ("" if _is_age(age) else ", taken as unknown")


def _recording(ecg, show_identifiers):
    """Return what the file tells."""
    seconds = ecg.signal.shape[1] / ecg.sampling_rate
    told = {
        "Recorded": ecg.acquired and ecg.acquired.isoformat(" ", "seconds"),
        "Age": _age(ecg.age),
        "Sex": ecg.sex,
        "Format": ecg.format,
        "Length": f"{seconds:.4g} s at {ecg.sampling_rate:g} Hz",
        "Recorder's filters": _filters(ecg),
        "Leads computed from others": ", ".join(ecg.derived_leads) or "none",
        "Leads missing": ", ".join(ecg.missing_leads) or "none",
    }
    rows = [(name, value or "not told") for name, value in told.items()]
    if ecg.st_reliable is False:
        rows.append(("ST segment", "may be bent: the recorder's high-pass is above 0.05 Hz"))
    rows += [("Note", note) for note in ecg.notes]
    if show_identifiers:
        rows += [(name, value) for name, value in ecg.identifiers.items()]
    return rows
