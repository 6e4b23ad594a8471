"""Operating points, and what decisions taken there are worth."""

import numpy as np
import pandas as pd

from ._resampling import positives_and_scores


def _counts(y_true, y_score, pos_label):
    """Return each observed score, ascending, with the counts of rows called positive from there."""
    y, score = positives_and_scores(y_true, y_score, pos_label)
    if not y.any():
        raise ValueError("y_true holds no positive; a threshold cannot be chosen on it.")
    order = np.argsort(score, kind="stable")
    cuts, first = np.unique(score[order], return_index=True)
    tp = y.sum() - np.append(0, y[order].cumsum())[first]
    called = len(y) - first
    return cuts, tp, called, y.sum()


def f1_threshold(y_true, y_score, *, pos_label=None):
    """Return the threshold that maximises the F1 score: the paper's operating point.

    Choose it on validation data. Scores from the threshold on are called positive.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels, of two classes.
    y_score : array-like of shape (n_samples,) or (n_samples, 2)
        Score of the positive class, or one column a class in the order of the sorted labels.
    pos_label : label, default=None
        The positive of the two classes; None takes the second of the sorted labels.

    Returns
    -------
    float
        One of the scores; of several that are best the lowest, which misses fewest positives.

    References
    ----------
    Riek et al. (2024), arXiv:2405.09567, section III.B.

    Examples
    --------
    >>> f1_threshold([0, 0, 1, 0, 1, 1], [.1, .2, .3, .4, .5, .6])
    0.3
    """
    cuts, tp, called, n_positive = _counts(y_true, y_score, pos_label)
    f1 = 2 * tp / (called + n_positive)
    return float(cuts[f1.argmax()])


def rule_out_threshold(y_true, y_score, *, sensitivity=0.95, pos_label=None):
    """Return the highest threshold whose sensitivity reaches a target.

    Below it, disease is ruled out at the price of ``1 - sensitivity`` of the positives missed.
    Choose it on validation data.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels, of two classes.
    y_score : array-like of shape (n_samples,) or (n_samples, 2)
        Score of the positive class, or one column a class in the order of the sorted labels.
    sensitivity : float, default=0.95
        Target, over 0 and at most 1.
    pos_label : label, default=None
        The positive of the two classes; None takes the second of the sorted labels.

    Returns
    -------
    float
        One of the scores.

    Examples
    --------
    >>> rule_out_threshold([0, 0, 1, 0, 1, 1], [.1, .2, .3, .4, .5, .6], sensitivity=2 / 3)
    0.5
    """
    _check_share(sensitivity, "sensitivity")
    cuts, tp, _, n_positive = _counts(y_true, y_score, pos_label)
    # All positives are called from the lowest score on, so a cut is always found.
    return float(cuts[tp >= sensitivity * n_positive - 1e-9][-1])


def rule_in_threshold(y_true, y_score, *, ppv=0.5, pos_label=None):
    """Return the lowest threshold whose positive predictive value reaches a target.

    From it on, disease is ruled in: a share of `ppv` of the calls are right. It belongs to the
    prevalence of these data. Choose it on validation data.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels, of two classes.
    y_score : array-like of shape (n_samples,) or (n_samples, 2)
        Score of the positive class, or one column a class in the order of the sorted labels.
    ppv : float, default=0.5
        Target, over 0 and at most 1.
    pos_label : label, default=None
        The positive of the two classes; None takes the second of the sorted labels.

    Returns
    -------
    float
        One of the scores.

    Raises
    ------
    ValueError
        If no threshold reaches the target; the message tells the best.

    Examples
    --------
    >>> rule_in_threshold([0, 0, 1, 0, 1, 1], [.1, .2, .3, .4, .5, .6], ppv=.7)
    0.3
    """
    _check_share(ppv, "ppv")
    cuts, tp, called, _ = _counts(y_true, y_score, pos_label)
    reached = tp / called
    if not (reached >= ppv).any():
        best = reached.argmax()
        raise ValueError(
            f"No threshold reaches a PPV of {ppv}; the best is {reached[best]:.3f} at "
            f"{cuts[best]:.4g}. Lower ppv."
        )
    return float(cuts[reached >= ppv][0])


def _check_share(value, name):
    if not 0 < value <= 1:
        raise ValueError(f"{name} must be over 0 and at most 1, got {value!r}.")


def net_benefit(y_true, y_prob, *, thresholds=None, pos_label=None):
    """Return the net benefit of acting on a model's probability, for a decision curve.

    ``TP / n - FP / n * p / (1 - p)`` where those with a probability of p or more are treated: the
    share of patients rightly treated, less those wrongly treated at the rate of exchange that
    whoever treats from p on accepts.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels, of two classes.
    y_prob : array-like of shape (n_samples,) or (n_samples, 2)
        Probability of the positive class at the prevalence of these data, see
        :class:`skecg.calibration.PriorCorrection`; or one column a class.
    thresholds : array-like of shape (n_thresholds,), default=None
        Probabilities p, over 0 and under 1; None takes 0.01 to 0.50 by 0.01.
    pos_label : label, default=None
        The positive of the two classes; None takes the second of the sorted labels.

    Returns
    -------
    DataFrame
        Columns threshold, model, treat_all and treat_none.

    References
    ----------
    Vickers and Elkin (2006), Medical Decision Making 26:565-574.

    Examples
    --------
    >>> net_benefit([0, 0, 0, 1], [.1, .2, .6, .7], thresholds=[.2, .5])
       threshold  model  treat_all  treat_none
    0        0.2  0.125     0.0625         0.0
    1        0.5  0.000    -0.5000         0.0
    """
    y, prob = positives_and_scores(y_true, y_prob, pos_label)
    if prob.min() < 0 or prob.max() > 1:
        raise ValueError(
            f"y_prob lies between {prob.min():.4g} and {prob.max():.4g}; a decision curve needs "
            "probabilities, from 0 to 1."
        )
    p = np.arange(1, 51) / 100 if thresholds is None else thresholds
    p = np.atleast_1d(np.asarray(p, dtype=np.float64))
    if p.ndim != 1 or not p.size or not ((p > 0) & (p < 1)).all():
        raise ValueError("thresholds must be one row of numbers over 0 and under 1.")
    called = prob[:, None] >= p
    weight = p / (1 - p)
    return pd.DataFrame(
        {
            "threshold": p,
            "model": (called[y].sum(axis=0) - called[~y].sum(axis=0) * weight) / len(y),
            "treat_all": y.mean() - (1 - y.mean()) * weight,
            "treat_none": 0.0,
        }
    )
