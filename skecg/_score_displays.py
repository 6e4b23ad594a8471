"""Pictures of what scores are worth: curves with an operating point, and decisions."""

import numpy as np
from sklearn.metrics import PrecisionRecallDisplay, RocCurveDisplay

from ._fold_displays import new_axes
from ._resampling import check_threshold, positives_and_scores, rates
from ._thresholds import f1_threshold, net_benefit
from ._validation import named_positive
from .model_selection import _last_step


def _positive_score(estimator, X, pos_label):
    """Return the probability of the positive class, and its label."""
    classes = list(estimator.classes_)
    pos_label = named_positive(estimator) if pos_label is None else pos_label
    pos_label = classes[1] if pos_label is None else pos_label
    if pos_label not in classes:
        raise ValueError(f"pos_label={pos_label!r} is not one of the classes {classes}.")
    return estimator.predict_proba(X)[:, classes.index(pos_label)], pos_label


def _without_chance(panel, curve):
    """Tell whether chance is still to be drawn: once in ROC space, but each set's prevalence."""
    return curve is PrecisionRecallDisplay or not panel.lines


class OperatingPointDisplay:
    """ROC and precision-recall curve with an operating point: the paper's Figure 6.

    Build it with `from_estimator` or `from_predictions`; a second call with `ax` of the first draws
    into the same panels, say the test data over the validation data. The dashed lines are chance:
    in the precision-recall curve the prevalence. One curve a fold is drawn by scikit-learn's
    ``RocCurveDisplay.from_cv_results``.

    Parameters
    ----------
    roc : sklearn.metrics.RocCurveDisplay
    precision_recall : sklearn.metrics.PrecisionRecallDisplay
    threshold : float
        Scores from here on are called positive.
    point : tuple of float
        Sensitivity, specificity and positive predictive value there.
    chosen_here : bool
        Whether the threshold was chosen on these data; the legend says so.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes of shape (2,)
    figure_ : matplotlib Figure

    References
    ----------
    Riek et al. (2024), arXiv:2405.09567, Figure 6.

    Examples
    --------
    >>> from skecg.plotting import OperatingPointDisplay
    >>> y, p = [0, 0, 0, 0, 1, 1] * 20, [.1, .2, .1, .6, .8, .4] * 20
    >>> display = OperatingPointDisplay.from_predictions(y, p, threshold=.5, name="Test")
    >>> sensitivity, specificity, ppv = display.point
    >>> sensitivity, specificity, ppv
    (0.5, 0.75, 0.5)
    """

    def __init__(self, *, roc, precision_recall, threshold, point, chosen_here):
        self.roc = roc
        self.precision_recall = precision_recall
        self.threshold = threshold
        self.point = point
        self.chosen_here = chosen_here

    @classmethod
    def from_estimator(cls, estimator, X, y, *, threshold=None, pos_label=None, name=None, ax=None):
        """Draw the curves of a fitted classifier.

        Parameters
        ----------
        estimator : estimator
            With ``predict_proba``.
        X : array-like of shape (n_samples, ...)
            What the estimator takes.
        y : array-like of shape (n_samples,)
            True labels, of two classes.
        threshold : float, default=None
            Operating point, chosen on other data; None takes :func:`skecg.metrics.f1_threshold` of
            these data, and the legend says so.
        pos_label : label, default=None
            The positive of the two classes; None takes the one that the estimator, or the one
            inside it, names, else ``classes_[1]``.
        name : str, default=None
            For the legend; None takes the class's name.
        ax : array-like of 2 matplotlib Axes, default=None
            None makes a figure.

        Returns
        -------
        OperatingPointDisplay
        """
        score, pos_label = _positive_score(estimator, X, pos_label)
        name = name or type(_last_step(estimator)).__name__
        return cls.from_predictions(
            y, score, threshold=threshold, pos_label=pos_label, name=name, ax=ax
        )

    @classmethod
    def from_predictions(
        cls, y_true, y_score, *, threshold=None, pos_label=None, name="Classifier", ax=None
    ):
        """Draw the curves of scores.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            True labels, of two classes.
        y_score : array-like of shape (n_samples,) or (n_samples, 2)
            Score of the positive class, or one column a class in the order of the sorted labels.
        threshold : float, default=None
            As in `from_estimator`.
        pos_label : label, default=None
            The positive of the two classes; None takes the second of the sorted labels.
        name : str, default="Classifier"
            For the legend.
        ax : array-like of 2 matplotlib Axes, default=None
            None makes a figure.

        Returns
        -------
        OperatingPointDisplay
        """
        axes = new_axes(cls.__name__, ax, 2, ncols=2, figsize=(9, 4.5))
        y, score = positives_and_scores(y_true, y_score, pos_label)
        if y.all() or not y.any():
            raise ValueError("The curves need rows of both classes, but y_true holds one only.")
        chosen_here = threshold is None
        threshold = f1_threshold(y, score) if chosen_here else threshold
        check_threshold(threshold)
        called = score >= threshold
        counts = [(y & called), (y & ~called), (~y & called), (~y & ~called)]
        _, sensitivity, specificity, ppv, *_ = rates(*(np.float64(c.sum()) for c in counts))
        point = float(sensitivity), float(specificity), float(ppv)
        curves = [
            curve.from_predictions(
                y, score, name=name, plot_chance_level=_without_chance(panel, curve), ax=panel
            )
            for curve, panel in zip((RocCurveDisplay, PrecisionRecallDisplay), axes, strict=True)
        ]
        display = cls(
            roc=curves[0],
            precision_recall=curves[1],
            threshold=float(threshold),
            point=point,
            chosen_here=chosen_here,
        )
        return display._finish(axes)

    def plot(self, *, ax=None):
        """Draw the curves again.

        Parameters
        ----------
        ax : array-like of 2 matplotlib Axes, default=None
            None makes a figure.

        Returns
        -------
        self
        """
        axes = new_axes(type(self).__name__, ax, 2, ncols=2, figsize=(9, 4.5))
        for curve, panel in zip((self.roc, self.precision_recall), axes, strict=True):
            curve.plot(ax=panel, plot_chance_level=_without_chance(panel, type(curve)))
        return self._finish(axes)

    def _finish(self, axes):
        """Mark the operating point, and name the axes as clinicians do."""
        sensitivity, specificity, ppv = self.point
        label = f"threshold {self.threshold:.3g}"
        label += ", chosen on these data" if self.chosen_here else ""
        places = (1 - specificity, sensitivity), (sensitivity, ppv)
        curves = (self.roc, self.precision_recall)
        labels = (
            ("A", "1 - specificity", "Sensitivity", "lower right"),
            ("B", "Sensitivity (recall)", "PPV (precision)", "best"),
        )
        for panel, curve, (x, y), (letter, xlabel, ylabel, loc) in zip(
            axes, curves, places, labels, strict=True
        ):
            colour = curve.line_.get_color()
            if curve is self.precision_recall:
                prevalence = curve.chance_level_.get_ydata()[0]
                curve.chance_level_.set(color=colour, label=f"prevalence {prevalence:.3f}")
            panel.plot(x, y, "o", color=colour, markeredgecolor="black", label=label, zorder=3)
            panel.set(xlabel=xlabel, ylabel=ylabel)
            panel.set_title(letter, loc="left", weight="bold")
            panel.legend(loc=loc, fontsize="small")
        self.axes_, self.figure_ = axes, axes[0].figure
        return self


class DecisionCurveDisplay:
    """Net benefit of treating by a model's probability, beside treating all and none.

    Build it with `from_estimator` or `from_predictions`; a second call with `ax` of the first adds
    a model.

    Parameters
    ----------
    net_benefit : DataFrame
        Of :func:`skecg.metrics.net_benefit`.
    name : str
        For the legend.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    References
    ----------
    Vickers and Elkin (2006), Medical Decision Making 26:565-574.

    Examples
    --------
    >>> from skecg.plotting import DecisionCurveDisplay
    >>> y, p = [0, 0, 0, 0, 1, 1] * 20, [.1, .2, .1, .6, .8, .4] * 20
    >>> display = DecisionCurveDisplay.from_predictions(y, p, name="Model")
    >>> display.ax_.get_ylabel()
    'Net benefit'
    """

    def __init__(self, *, net_benefit, name):
        self.net_benefit = net_benefit
        self.name = name

    @classmethod
    def from_estimator(
        cls, estimator, X, y, *, thresholds=None, pos_label=None, name=None, ax=None
    ):
        """Draw the curve of a fitted classifier.

        Parameters
        ----------
        estimator : estimator
            With ``predict_proba``, at the prevalence of `y`; see
            :class:`skecg.calibration.PriorCorrection`.
        X : array-like of shape (n_samples, ...)
            What the estimator takes.
        y : array-like of shape (n_samples,)
            True labels, of two classes.
        thresholds : array-like of shape (n_thresholds,), default=None
            As in :func:`skecg.metrics.net_benefit`.
        pos_label : label, default=None
            The positive of the two classes; None takes the one that the estimator, or the one
            inside it, names, else ``classes_[1]``.
        name : str, default=None
            For the legend; None takes the class's name.
        ax : matplotlib Axes, default=None
            None makes a figure.

        Returns
        -------
        DecisionCurveDisplay
        """
        prob, pos_label = _positive_score(estimator, X, pos_label)
        name = name or type(_last_step(estimator)).__name__
        return cls.from_predictions(
            y, prob, thresholds=thresholds, pos_label=pos_label, name=name, ax=ax
        )

    @classmethod
    def from_predictions(
        cls, y_true, y_prob, *, thresholds=None, pos_label=None, name="Classifier", ax=None
    ):
        """Draw the curve of probabilities.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            True labels, of two classes.
        y_prob : array-like of shape (n_samples,) or (n_samples, 2)
            Probability of the positive class, or one column a class.
        thresholds : array-like of shape (n_thresholds,), default=None
            As in :func:`skecg.metrics.net_benefit`.
        pos_label : label, default=None
            The positive of the two classes; None takes the second of the sorted labels.
        name : str, default="Classifier"
            For the legend.
        ax : matplotlib Axes, default=None
            None makes a figure.

        Returns
        -------
        DecisionCurveDisplay
        """
        table = net_benefit(y_true, y_prob, thresholds=thresholds, pos_label=pos_label)
        return cls(net_benefit=table, name=name).plot(ax=ax)

    def plot(self, *, ax=None):
        """Draw the curve, and those of treating all and none where they are not yet drawn.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None makes a figure.

        Returns
        -------
        self
        """
        (ax,) = new_axes(type(self).__name__, ax, 1, figsize=(6, 4))
        p = self.net_benefit["threshold"]
        drawn = {line.get_label() for line in ax.lines}
        for column, style in (("treat_all", ":"), ("treat_none", "-")):
            label = column.replace("_", " ").capitalize()
            if label not in drawn:
                ax.plot(p, self.net_benefit[column], style, color="grey", label=label, zorder=1)
        ax.plot(p, self.net_benefit["model"], label=self.name)
        # Treating all soon falls so low that the models' curves would shrink to a line.
        top = max(line.get_ydata().max() for line in ax.lines) or 0.01  # 0: no model is of use
        ax.set(xlabel="Threshold probability", ylabel="Net benefit", ylim=(-top / 3, 1.1 * top))
        ax.legend()
        ax.grid(alpha=0.3)
        self.ax_, self.figure_ = ax, ax.figure
        return self
