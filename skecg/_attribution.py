"""Maps of what a network's logit depends on, made by captum."""

from contextlib import contextmanager
from numbers import Integral

import numpy as np
import torch
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted
from tqdm import tqdm

from ._base import NetClassifier
from ._loop import torch_seeded
from ._validation import draw_seed, positive_class, validate_ecgs

_METHODS = ("saliency", "integrated_gradients", "gradient_shap", "occlusion")
_N_STEPS = 50  # of integrated gradients, captum's default
_N_DRAWS = 20  # of gradient SHAP: pairs of a baseline and a point on the way from it


class Explainer:
    """The network at the end of an estimator, and how to make maps of its input.

    The parameters are those of `skecg.inspection.saliency_maps`.
    """

    def __init__(self, estimator, *, target, method, signed, window, baselines, random_state):
        check_window(window)
        _check_method(method, baselines)
        self.estimator, self.net = estimator, network(estimator)
        self.code = target_code(self.net, target)
        self.method, self.signed, self.window = method, signed, window
        self.device = torch.device(self.net.device)
        self.baselines = None if baselines is None else self.tensor(self.input(baselines))
        self.seed = draw_seed(random_state) if method == "gradient_shap" else 0

    def input(self, X):
        """Return ECGs as they reach the network."""
        return network_input(self.estimator, X)

    def tensor(self, ecgs):
        """Return a batch of the network's input, (n, n_leads, n_times)."""
        return torch.tensor(self.net._with_leads(ecgs), device=self.device)

    def maps(self, module, ecgs, verbose=0):
        """Return a map for each ECG of the input; `module` need not be the net's own."""
        maps = np.empty(ecgs.shape, dtype=np.float32)
        attribute = self._attribution(module)
        bar = tqdm(total=len(ecgs), desc=self.method, unit="ECG", leave=False, disable=not verbose)
        with _eval_mode(module), _seeded(self.seed, self.device), bar:
            for rows in self._batches(len(ecgs)):
                found = attribute(self.tensor(ecgs[rows])).detach().cpu().numpy()
                maps[rows] = found.reshape(ecgs[rows].shape)
                bar.update(len(found))
        return maps if self.signed else np.abs(maps)

    def _batches(self, n_samples):
        size = self.net.batch_size if self.net.batch_size > 0 else n_samples  # skorch: -1 is all
        if self.method == "gradient_shap":  # captum works on all draws of a batch at once
            size = max(1, size // _N_DRAWS)
        return [slice(start, start + size) for start in range(0, n_samples, size)]

    def _attribution(self, module):
        attr = _captum()
        if self.method == "saliency":
            method = attr.Saliency(module)
            return lambda x: method.attribute(x.requires_grad_(), target=self.code, abs=False)
        if self.method == "integrated_gradients":
            method = attr.IntegratedGradients(module)
            return lambda x: method.attribute(
                x,
                target=self.code,
                n_steps=_N_STEPS,
                internal_batch_size=max(len(x), self.net.batch_size),
            )
        if self.method == "gradient_shap":
            method = attr.GradientShap(module)
            return lambda x: method.attribute(
                x, baselines=self.baselines, n_samples=_N_DRAWS, target=self.code
            )
        method = attr.Occlusion(module)
        shape = 1, self.window
        return lambda x: method.attribute(
            x,
            sliding_window_shapes=shape,
            strides=shape,
            target=self.code,
            perturbations_per_eval=max(1, self.net.batch_size // len(x)),
        )


def _captum():
    try:
        import captum.attr
    except ImportError as error:
        raise ImportError(
            "Saliency maps need the captum package: pip install 'skecg[captum]'"
        ) from error
    return captum.attr


@contextmanager
def _eval_mode(module):
    """Put a module into evaluation mode inside the block, and back as found."""
    was = module.training
    module.eval()
    try:
        yield
    finally:
        module.train(was)


@contextmanager
def _seeded(seed, device):
    """Seed the generators that captum draws from, and put them back as found."""
    with torch_seeded(seed, device):
        state = np.random.get_state()  # noqa: NPY002 - captum's
        np.random.seed(seed)  # noqa: NPY002
        try:
            yield
        finally:
            np.random.set_state(state)  # noqa: NPY002


def network(estimator):
    """Return the fitted network that an estimator is or ends in."""
    net = estimator[-1] if isinstance(estimator, Pipeline) else estimator
    if not isinstance(net, NetClassifier):
        raise TypeError(
            f"A map is that of a network, but {type(net).__name__} is none. Give a NetClassifier "
            "such as SmartNetClassifier, or a Pipeline that ends in one; "
            "FeatureForestClassifier explains itself by shap_values."
        )
    check_is_fitted(net)
    return net


def network_input(estimator, X):
    """Return ECGs as they reach the network, checked."""
    if isinstance(estimator, Pipeline) and len(estimator) > 1:
        X = estimator[:-1].transform(X)
    return validate_ecgs(network(estimator), X, reset=False)


def ecgs_of_maps(estimator, X):
    """Return ECGs in mV that have the shape of their maps: as they are before scaling.

    Of a pipeline, `X` itself or the output of its first step that has the shape of the network's
    input.
    """
    shape = network_input(estimator, X).shape
    n_steps = len(estimator) - 1 if isinstance(estimator, Pipeline) else 0
    ecgs = X
    for n_done in range(1, n_steps + 1):
        if getattr(ecgs, "shape", None) == shape:
            break
        ecgs = estimator[:n_done].transform(X)
    return np.asarray(ecgs)


def target_code(net, target):
    """Return the number of the target class."""
    classes = net.classes_
    if target is None:
        if len(classes) != 2:
            raise ValueError(
                f"target=None takes the positive of two classes, but there are {len(classes)}: "
                f"{classes.tolist()}. Give one of them as target."
            )
        return positive_class(classes, net.pos_label)
    found = np.flatnonzero(classes == target)
    if not len(found):
        raise ValueError(f"target={target!r} is not one of the classes {classes.tolist()}.")
    return int(found[0])


def check_window(window):
    """Refuse what is no number of samples."""
    if not isinstance(window, Integral) or window < 1:
        raise ValueError(f"window must be a number of samples from 1, got {window!r}.")


def _check_method(method, baselines):
    if method not in _METHODS:
        raise ValueError(f"method={method!r} is unknown: use one of {', '.join(_METHODS)}.")
    if method == "gradient_shap" and baselines is None:
        raise ValueError(
            "method='gradient_shap' compares with other ECGs: give baselines, such as ECGs "
            "without the finding."
        )
    if method != "gradient_shap" and baselines is not None:
        raise ValueError(f"method={method!r} takes no baselines; 'gradient_shap' does.")
