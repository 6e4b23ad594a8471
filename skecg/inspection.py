"""Which samples of an ECG a network looks at, and whether such a map can be trusted."""

import copy

import numpy as np
import pandas as pd
from scipy.stats import rankdata
from tqdm import tqdm

from ._attribution import Explainer, check_window, network, network_input, target_code
from ._loop import torch_seeded
from ._validation import draw_seed

__all__ = [
    "aggregate_maps",
    "deletion_curve",
    "lead_contributions",
    "randomization_check",
    "saliency_maps",
    "window_means",
]


def saliency_maps(
    estimator,
    X,
    *,
    target=None,
    method="saliency",
    signed=False,
    window=20,
    baselines=None,
    random_state=None,
    verbose=0,
):
    """Map what a network's logit depends on, sample by sample of its input.

    The input is what reaches the network: in a pipeline the cropped and z-scored beat. The
    network is in evaluation mode and computes in float32. Needs the package captum.

    Parameters
    ----------
    estimator : NetClassifier or Pipeline that ends in one
        Fitted.
    X : array-like of shape (n_samples, n_leads, n_times) or (n_samples, n_times), or list
        ECGs as for ``estimator.predict``.
    target : label, default=None
        The class whose logit is explained; None takes the positive one of two classes.
    method : str, default="saliency"
        - "saliency": the gradient of the logit, the paper's method [1]_.
        - "integrated_gradients": the mean gradient on the way from an input of zeros, times
          the input [2]_. It sums to the difference of the logits.
        - "gradient_shap": the same on the way from other ECGs, `baselines`, at 20 random
          points [3]_.
        - "occlusion": by how much the logit falls when a lead is set to zero, its mean, for
          the length of `window` [4]_. All samples of a window have one value.
    signed : bool, default=False
        False gives absolute values. True gives the sign as well: positive where more voltage
        (saliency), or what is there (the others), speaks for the target.
    window : int, default=20
        Samples that occlusion covers at a time: 40 ms at 500 Hz.
    baselines : array-like, default=None
        For "gradient_shap": ECGs to compare with, such as those without the finding, like `X`.
    random_state : int, RandomState instance or None, default=None
        For "gradient_shap". The global generators are left as found.
    verbose : int, default=0
        1 shows a live progress bar.

    Returns
    -------
    ndarray of shape (n_samples, n_leads, n_input_times) or (n_samples, n_input_times), float32
        One map for each ECG, in the shape of the network's input.

    References
    ----------
    .. [1] Simonyan, Vedaldi and Zisserman (2014), Deep inside convolutional networks; Riek et
       al. (2024), arXiv:2405.09567, section II.C.
    .. [2] Sundararajan, Taly and Yan (2017), Axiomatic attribution for deep networks.
    .. [3] Lundberg and Lee (2017), A unified approach to interpreting model predictions.
    .. [4] Zeiler and Fergus (2014), Visualizing and understanding convolutional networks.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from skecg import ALVDClassifier
    >>> from skecg.datasets import make_omi
    >>> from skecg.inspection import saliency_maps
    >>> from skecg.preprocessing import BeatCropper, LeadStandardScaler
    >>> X, y, groups = make_omi(60, prevalence=0.5, random_state=0)
    >>> net = ALVDClassifier(max_epochs=1, random_state=0)
    >>> model = make_pipeline(BeatCropper(), LeadStandardScaler(), net).fit(X, y)
    >>> saliency_maps(model, X[:3]).shape
    (3, 12, 400)
    """
    explain = Explainer(
        estimator,
        target=target,
        method=method,
        signed=signed,
        window=window,
        baselines=baselines,
        random_state=random_state,
    )
    return explain.maps(explain.net.module_, explain.input(X), verbose)


def _check_maps(maps):
    maps = np.asarray(maps)
    if maps.dtype.kind not in "fiu" or maps.ndim < 2 or 0 in maps.shape:
        raise ValueError(
            f"maps has shape {maps.shape} and type {maps.dtype}; give numbers of shape "
            "(n_samples, n_leads, n_times), or (n_leads, n_times) for one ECG."
        )
    return maps


def window_means(maps, *, window=20):
    """Average maps over windows of time, one after the other.

    Parameters
    ----------
    maps : array-like of shape (..., n_times)
        From `saliency_maps`.
    window : int, default=20
        Samples in a window: 40 ms at 500 Hz, a small square of ECG paper. The last window is
        shorter where `n_times` is no multiple of it.

    Returns
    -------
    ndarray of shape (..., n_windows)

    References
    ----------
    Riek et al. (2024), arXiv:2405.09567, section II.C.

    Examples
    --------
    >>> from skecg.inspection import window_means
    >>> window_means([[1.0, 3.0, 5.0, 7.0, 9.0]], window=2)
    array([[2., 6., 9.]])
    """
    check_window(window)
    maps = _check_maps(maps)
    starts = np.arange(0, maps.shape[-1], window)
    lengths = np.diff(starts, append=maps.shape[-1])
    return np.add.reduceat(maps, starts, axis=-1) / lengths.astype(np.result_type(maps, 0.0))


def lead_contributions(maps):
    """Return each lead's share of a map.

    Parameters
    ----------
    maps : array-like of shape (..., n_leads, n_times)
        From `saliency_maps`; of signed maps the absolute values count.

    Returns
    -------
    ndarray of shape (..., n_leads)
        The sum over the lead by the sum over all leads: shares that sum to 1. NaN where a map
        is zero throughout.

    References
    ----------
    Riek et al. (2024), arXiv:2405.09567, section II.C.

    Examples
    --------
    >>> from skecg.inspection import lead_contributions
    >>> lead_contributions([[1.0, 2.0], [4.0, 5.0]])
    array([0.25, 0.75])
    """
    by_lead = np.abs(_check_maps(maps)).sum(axis=-1, dtype=np.float64)
    total = by_lead.sum(axis=-1, keepdims=True)
    return by_lead / np.where(total > 0, total, np.nan)


def aggregate_maps(maps):
    """Average the maps of many ECGs, after scaling every lead of each to run from 0 to 1.

    So every ECG counts alike, and every lead shows when it matters, not how much; that is what
    `lead_contributions` is for.

    Parameters
    ----------
    maps : array-like of shape (n_samples, n_leads, n_times)
        From `saliency_maps`, or their `window_means`. Signed maps keep their signs: a lead is
        divided by its largest absolute value. A lead that is the same throughout becomes zeros.

    Returns
    -------
    ndarray of shape (n_leads, n_times)

    References
    ----------
    Riek et al. (2024), arXiv:2405.09567, section II.C and Figure 7.

    Examples
    --------
    >>> from skecg.inspection import aggregate_maps
    >>> aggregate_maps([[[1.0, 2.0, 3.0]], [[0.0, 8.0, 4.0]]])
    array([[0.  , 0.75, 0.75]])
    """
    maps = _check_maps(maps)
    if maps.ndim != 3:
        raise ValueError(
            f"maps has shape {maps.shape}; give those of several ECGs, (n_samples, n_leads, "
            "n_times)."
        )
    low = maps.min(axis=-1, keepdims=True)
    if (low < 0).any():
        scaled, size = maps, np.abs(maps).max(axis=-1, keepdims=True)
    else:
        scaled, size = maps - low, np.ptp(maps, axis=-1, keepdims=True)
    return (scaled / np.where(size > 0, size, 1)).mean(axis=0)


def randomization_check(
    estimator,
    X,
    *,
    target=None,
    method="saliency",
    window=20,
    baselines=None,
    random_state=None,
    verbose=0,
):
    """Compare maps with those of the same network whose layers are replaced by random ones.

    From the last layer to the first, one after the other is drawn anew, and stays so. A map that
    hardly changes says little of what the network has learned: it shows the ECG, or the
    architecture.

    Parameters
    ----------
    estimator, X, target, method, window, baselines, verbose
        As for `saliency_maps`.
    random_state : int, RandomState instance or None, default=None
        Seed of the random weights, and of the method. The global generators are left as found.

    Returns
    -------
    DataFrame
        A row for each layer, from the last to the first: ``layer``, its name in the module;
        ``correlation``, Spearman's rank correlation of absolute values between the map of the
        trained network and that of the network with this layer and all after it at random, mean
        over the ECGs; ``std``, its standard deviation over the ECGs. A map that is the same
        throughout counts as a correlation of 0.

    Raises
    ------
    ValueError
        If a layer with weights has no ``reset_parameters`` to draw them anew.

    References
    ----------
    Adebayo et al. (2018), Sanity checks for saliency maps, NeurIPS, section 3.1.
    """
    seed = draw_seed(random_state)
    explain = Explainer(
        estimator,
        target=target,
        method=method,
        signed=False,
        window=window,
        baselines=baselines,
        random_state=seed,
    )
    ecgs, module = explain.input(X), copy.deepcopy(explain.net.module_)
    learned = explain.maps(module, ecgs)
    layers = [(name, layer) for name, layer in module.named_children() if _has_weights(layer)]
    layers = layers[::-1] or [("", module)]
    rows = []
    for name, layer in tqdm(layers, desc="layers", leave=False, disable=not verbose):
        # Not the seed itself: a network fitted with it would get back its first weights.
        anew = np.random.SeedSequence([seed, len(rows)]).generate_state(1)
        with torch_seeded(int(anew[0]), explain.device):
            layer.apply(_draw_anew)
        found = _rank_correlations(learned, explain.maps(module, ecgs))
        rows.append({"layer": name, "correlation": found.mean(), "std": found.std()})
    return pd.DataFrame(rows)


def _has_weights(layer):
    return any(True for _ in layer.parameters())


def _draw_anew(layer):
    if hasattr(layer, "reset_parameters"):
        layer.reset_parameters()
    elif any(True for _ in layer.parameters(recurse=False)):
        raise ValueError(
            f"{type(layer).__name__} has weights but no reset_parameters() to draw them anew. "
            "Give it that method."
        )


def _rank_correlations(a, b):
    """Return Spearman's correlation of each map of `a` with that of `b`."""
    a, b = (rankdata(maps.reshape(len(maps), -1), axis=1) for maps in (a, b))
    a, b = (ranks - ranks.mean(axis=1, keepdims=True) for ranks in (a, b))
    size = np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
    return (a * b).sum(axis=1) / np.where(size > 0, size, 1)


def deletion_curve(
    estimator,
    X,
    maps,
    *,
    target=None,
    window=20,
    fractions=(0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5),
    n_random=5,
    random_state=None,
):
    """Delete the most salient windows of each ECG, and as many random ones, and predict.

    A window of a lead is deleted by setting it to zero in the network's input, the lead's mean
    there. If a map shows what the network goes by, the probability falls faster when the windows
    go in the order of the map than when they go at random.

    Parameters
    ----------
    estimator : NetClassifier or Pipeline that ends in one
        Fitted.
    X : array-like of shape (n_samples, n_leads, n_times) or (n_samples, n_times), or list
        ECGs as for ``estimator.predict``, of the class that the maps explain.
    maps : array-like of the shape of the network's input
        From `saliency_maps`. The largest values are deleted first: of signed maps of integrated
        gradients, gradient SHAP or occlusion, what speaks for the target; of absolute values,
        what speaks against it as well.
    target : label, default=None
        The class whose probability is told; None takes the positive one of two classes.
    window : int, default=20
        Samples in a window: 40 ms at 500 Hz.
    fractions : sequence of float, default=(0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5)
        Shares of all windows of all leads to delete.
    n_random : int, default=5
        How many random orders to take the mean of.
    random_state : int, RandomState instance or None, default=None
        Seed of the random orders.

    Returns
    -------
    DataFrame
        A row for each fraction: ``fraction``; ``salient`` and ``random``, the probability of
        the target after deletion in the two orders, mean over the ECGs.

    Notes
    -----
    Zero is no ECG that the network has seen: a level that steps to the lead's mean may itself
    look like a shifted ST segment. That is why random windows are deleted beside.

    References
    ----------
    Samek et al. (2017), Evaluating the visualization of what a deep neural network has learned,
    IEEE Transactions on Neural Networks and Learning Systems 28, 2660-2673.
    """
    check_window(window)
    net, ecgs, maps = network(estimator), network_input(estimator, X), _check_maps(maps)
    code = target_code(net, target)
    if maps.shape != ecgs.shape:
        raise ValueError(
            f"maps has shape {maps.shape}, but the network's input has {ecgs.shape}. Give the maps "
            "of these ECGs from saliency_maps."
        )
    means = window_means(maps, window=window)
    salient = np.argsort(-means.reshape(len(ecgs), -1), axis=1, kind="stable")
    rng = np.random.default_rng(draw_seed(random_state))
    at_random = [rng.permuted(salient, axis=1) for _ in range(n_random)]

    def probability(order, fraction):
        kept = np.ones(order.shape, dtype=bool)
        np.put_along_axis(kept, order[:, : round(fraction * order.shape[1])], False, axis=1)
        kept = kept.reshape(means.shape).repeat(window, axis=-1)[..., : ecgs.shape[-1]]
        return net.predict_proba(ecgs * kept)[:, code].mean(dtype=np.float64)

    return pd.DataFrame(
        {
            "fraction": fraction,
            "salient": probability(salient, fraction),
            "random": np.mean([probability(order, fraction) for order in at_random]),
        }
        for fraction in fractions
    )
