"""Pictures of training and of scores over the folds."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from .model_selection import _last_step

_PANELS = {  # the columns of epochs_, in the order of the paper's Figure 5
    "valid_auc": "AUC",
    "valid_ap": "Average precision",
    "valid_loss": "Cross-entropy loss",
    "valid_score": "Validation score",
}
_SCORES = {
    "val_auc": "Validation AUC",
    "val_ap": "Validation AP",
    "test_auc": "Test AUC",
    "test_ap": "Test AP",
}


def new_axes(name, ax, n, **kwargs):
    """Return n axes: those given, or those of a new figure."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(f"{name} needs matplotlib: pip install 'skecg[plot]'") from error
    if ax is None:
        _, ax = plt.subplots(layout="constrained", **kwargs)
    axes = np.ravel(ax)
    if len(axes) != n:
        raise ValueError(f"{name} draws {n} panels, but ax has {len(axes)}; give {n} axes.")
    return axes


class TrainingCurveDisplay:
    """Validation curves over the epochs, mean and cloud of one SD: the paper's Figure 5.

    Build it with `from_estimator` or `from_cv_results`. Not scikit-learn's
    ``ValidationCurveDisplay`` and ``LearningCurveDisplay``, which draw scores over a parameter and
    over the size of the training set.

    Parameters
    ----------
    epochs : dict of str to list of DataFrame
        By model, one table a fit as :attr:`skecg.NetClassifier.epochs_`.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes of shape (4,)
        AUC, average precision, loss and validation score.
    figure_ : matplotlib Figure

    References
    ----------
    Riek et al. (2024), arXiv:2405.09567, Figure 5.

    Examples
    --------
    >>> from skecg import ALVDClassifier
    >>> from skecg.datasets import make_omi
    >>> from skecg.plotting import TrainingCurveDisplay
    >>> X, y, groups = make_omi(60, prevalence=.5, random_state=0)
    >>> net = ALVDClassifier(max_epochs=3, random_state=0).fit(X, y, groups=groups)
    >>> display = TrainingCurveDisplay.from_estimator(net, name="ALVD")
    >>> display.axes_[0].get_ylabel()
    'AUC'
    """

    def __init__(self, *, epochs):
        self.epochs = epochs

    @classmethod
    def from_estimator(cls, estimator, *, name=None, ax=None):
        """Draw the training of one fitted network.

        Parameters
        ----------
        estimator : estimator
            A fitted network, or a pipeline that ends in one.
        name : str, default=None
            For the legend; None takes the class's name.
        ax : array-like of 4 matplotlib Axes, default=None
            None makes a figure.

        Returns
        -------
        TrainingCurveDisplay
        """
        last = _last_step(estimator)
        return cls.from_cv_results({name or type(last).__name__: [estimator]}, ax=ax)

    @classmethod
    def from_cv_results(cls, estimators, *, ax=None):
        """Draw the training of each model over the folds.

        Parameters
        ----------
        estimators : dict of str to list of estimator
            Fitted on each fold, by model, as
            ``cross_validate_rotation(..., return_estimator=True)`` returns them; of scikit-learn's
            ``cross_validate(..., return_estimator=True)`` the entry "estimator". Models without
            epochs, such as a forest, are left out.
        ax : array-like of 4 matplotlib Axes, default=None
            None makes a figure.

        Returns
        -------
        TrainingCurveDisplay
        """
        epochs = {
            name: [_last_step(each).epochs_ for each in fits]
            for name, fits in estimators.items()
            if all(hasattr(_last_step(each), "epochs_") for each in fits)
        }
        if not epochs:
            raise ValueError(f"None of {list(estimators)} has epochs_; give fitted networks.")
        return cls(epochs=epochs).plot(ax=ax)

    def plot(self, *, ax=None):
        """Draw the four panels.

        Parameters
        ----------
        ax : array-like of 4 matplotlib Axes, default=None
            None makes a figure.

        Returns
        -------
        self
        """
        axes = new_axes(type(self).__name__, ax, 4, nrows=2, ncols=2, figsize=(9, 6), sharex=True)
        for letter, panel, (column, title) in zip("ABCD", axes, _PANELS.items(), strict=True):
            for name, fits in self.epochs.items():
                by_epoch = pd.concat(fits).groupby("epoch")[column]
                mean, std = by_epoch.mean(), by_epoch.std()
                (line,) = panel.plot(mean.index, mean, label=name)
                panel.fill_between(
                    mean.index, mean - std, mean + std, color=line.get_color(), alpha=0.2, lw=0
                )
            panel.set_title(letter, loc="left", weight="bold")
            panel.set(ylabel=title, xlabel="Epoch")
            panel.grid(alpha=0.3)
            panel.xaxis.get_major_locator().set_params(integer=True)
        axes[0].legend()
        told = "Validation data"
        if any(len(fits) > 1 for fits in self.epochs.values()):
            told += "; lines and clouds: mean ± SD over the folds"
        axes[0].figure.supxlabel(told, fontsize="small")
        self.axes_, self.figure_ = axes, axes[0].figure
        return self


class ComparisonDisplay:
    """Models side by side, every fold a point: the paper's Table 4 as a figure.

    Build it with `from_cv_results`.

    Parameters
    ----------
    table : DataFrame
        Columns model, fold and scores of :func:`skecg.model_selection.cross_validate_rotation`.
    scores : dict of str to str
        The columns drawn, and their titles.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes of shape (n_scores,)
    figure_ : matplotlib Figure

    References
    ----------
    Riek et al. (2024), arXiv:2405.09567, Table 4.

    Examples
    --------
    >>> import pandas as pd
    >>> from skecg.plotting import ComparisonDisplay
    >>> table = pd.DataFrame({"model": ["a", "a", "b", "b"], "test_auc": [.8, .9, .7, .8]})
    >>> display = ComparisonDisplay.from_cv_results(table, scores={"test_auc": "Test AUC"})
    >>> print(display.summary())
                Test AUC
    model
    a      0.850 ± 0.071
    b      0.750 ± 0.071
    """

    def __init__(self, *, table, scores):
        self.table = table
        self.scores = scores

    @classmethod
    def from_cv_results(cls, cv_results, *, scores=None, ax=None):
        """Draw the folds' scores of each model.

        Parameters
        ----------
        cv_results : DataFrame or dict of str to dict
            The table of :func:`skecg.model_selection.cross_validate_rotation`; or by model what
            scikit-learn's ``cross_validate`` returns.
        scores : dict of str to str, default=None
            Columns to draw and their titles; None takes AUC and AP of validation and test, and of
            ``cross_validate`` all that begins with ``test_``.
        ax : array-like of matplotlib Axes, one a score, default=None
            None makes a figure.

        Returns
        -------
        ComparisonDisplay
        """
        table = cv_results
        if isinstance(cv_results, Mapping):
            tables = {
                name: pd.DataFrame({k: v for k, v in each.items() if k.startswith("test_")})
                for name, each in cv_results.items()
            }
            table = pd.concat(tables, names=["model", "fold"]).reset_index()
            scores = scores or {
                name: name.replace("_", " ").capitalize()
                for name in table
                if name.startswith("test_")
            }
        scores = scores or _SCORES
        absent = [name for name in scores if name not in table]
        if absent:
            raise ValueError(
                f"cv_results lacks the scores {absent}; choose among its columns by scores, a dict "
                "of names and titles."
            )
        if table[list(scores)].isna().any(axis=None):
            raise ValueError(
                "cv_results lacks the score of some fold, whose fit may have failed; the mean of "
                "the others would flatter or belittle its model."
            )
        return cls(table=table, scores=scores).plot(ax=ax)

    def summary(self):
        """Return mean ± SD over the folds as text, of one fold its score: the paper's Table 4.

        Returns
        -------
        DataFrame of str
            A row a model, a column a score.
        """
        by_model = self.table.groupby("model", sort=False)[list(self.scores)]
        spread = by_model.std().map(lambda sd: "" if np.isnan(sd) else f" ± {sd:.3f}")
        text = by_model.mean().map("{:.3f}".format) + spread
        return text.rename(columns=self.scores)

    def plot(self, *, ax=None):
        """Draw a panel a score.

        Parameters
        ----------
        ax : array-like of matplotlib Axes, one a score, default=None
            None makes a figure.

        Returns
        -------
        self
        """
        models = list(self.table["model"].unique())
        n = len(self.scores)
        size = (1.5 + 2.4 * n, 1.2 + 0.45 * len(models))
        axes = new_axes(type(self).__name__, ax, n, ncols=n, figsize=size, sharey=True)
        for panel, (column, title) in zip(axes, self.scores.items(), strict=True):
            for i, name in enumerate(models):
                values = self.table.loc[self.table["model"] == name, column]
                height = i + np.linspace(-0.2, 0.2, len(values))
                panel.plot(values, height, "o", color=f"C{i}", alpha=0.5, markersize=4)
                panel.errorbar(
                    values.mean(), i, xerr=values.std(), fmt="|", color="black", capsize=3,
                    markersize=16, markeredgewidth=2,
                )  # fmt: skip
            panel.set(title=title, yticks=range(len(models)), yticklabels=models)
            panel.set_ylim(len(models) - 0.5, -0.5)
            panel.grid(axis="x", alpha=0.3)
        axes[0].figure.supxlabel("Dots: folds; bars: mean ± SD", fontsize="small")
        self.axes_, self.figure_ = axes, axes[0].figure
        return self
