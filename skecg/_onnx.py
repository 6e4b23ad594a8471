"""A fitted network, and the preprocessing before it, as an ONNX file."""

import copy
import json
import logging
import warnings
from contextlib import contextmanager
from importlib.metadata import version

import torch
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from ._base import NetClassifier
from ._files import whole_file
from ._inference import can_fold, folded
from .leads import LEADS
from .preprocessing import BeatCropper, LeadStandardScaler

_OPSET = 18  # read by ONNX Runtime from 1.14 on


class _Graph(nn.Module):
    """From ECGs to probabilities, in torch alone."""

    def __init__(self, transformers, module, nonlinearity):
        super().__init__()
        self.transformers, self.module, self.nonlinearity = transformers, module, nonlinearity

    def forward(self, ecg: Tensor) -> Tensor:
        x = ecg
        for each in self.transformers:
            x = (
                _standardised(x, each.scope)
                if isinstance(each, LeadStandardScaler)
                else (x[..., each.start : each.stop])
            )
        proba = self.nonlinearity(self.module(x))
        # An estimator refuses NaN and infinity; a graph can only hand NaN on, and ReLU may not.
        good = ecg.isfinite().flatten(1).all(dim=1, keepdim=True)
        return torch.where(good, proba, torch.nan)


def _standardised(x, scope):
    """Do what LeadStandardScaler does, in its words."""
    low, high = x.amin(dim=-1, keepdim=True), x.amax(dim=-1, keepdim=True)
    rounding = 4 * torch.finfo(x.dtype).eps
    flat = high - low <= rounding * torch.maximum(low.abs(), high.abs())
    x = x.double()
    x = torch.where(flat, 0.0, x - x.mean(dim=-1, keepdim=True))
    variance = (x * x).mean(dim=-1, keepdim=True)
    if scope == "ecg":
        variance = variance.mean(dim=1, keepdim=True)
    return (x / torch.where(variance > 0, variance, 1.0).sqrt()).float()


def export_onnx(estimator, path, *, sampling_rate=500):
    """Write a fitted network to an ONNX file, which other languages and devices can run.

    A pipeline of :class:`skecg.preprocessing.BeatCropper`,
    :class:`skecg.preprocessing.LeadStandardScaler` and a network goes into the file as a whole: it
    takes what the pipeline takes, such as median beats of 600 samples in mV. Input ``ecg``:
    float32 of shape (n, n_leads, n_times), any n. Output ``probability``: float32 of shape
    (n, n_classes), NaN for an ECG that holds NaN or infinity. The arithmetic is float32, whatever
    the `precision` of the estimator.

    The file's metadata hold, as JSON, what there is to know of the input: ``leads`` in order,
    ``sampling_rate`` in Hz, ``n_times``, ``unit``, ``preprocessing`` (the steps in the file), and
    ``classes``, the columns of the output; null where the estimator does not know it.

    Parameters
    ----------
    estimator : NetClassifier or Pipeline
        Fitted.
    path : str or path-like
        Where to write. A file that is there stays whole until the new one is complete.
    sampling_rate : float, default=500
        Samples a second of the ECGs that the network was trained on, for the metadata.

    Raises
    ------
    ImportError
        If onnx or onnxscript is not installed.
    NotFittedError
        If the estimator is not fitted.
    TypeError
        If the estimator holds something else than the above.
    """
    check_is_fitted(estimator)
    transformers, net = _steps(estimator)
    try:
        import onnx
        import onnxscript  # noqa: F401 - torch's exporter writes with it
    except ImportError as error:
        raise ImportError(
            "Writing ONNX needs the onnx and onnxscript packages: pip install 'skecg[onnx]'"
        ) from error
    first = [*transformers, net][0]
    graph = _Graph(transformers, _plain(net.module_), net._get_predict_nonlinearity()).eval()
    # Two rows, since a batch of one would be taken for a constant.
    example = torch.zeros(2, first.n_leads_, first.n_times_)
    with _quiet():
        program = torch.onnx.export(
            graph,
            (example,),
            input_names=["ecg"],
            output_names=["probability"],
            dynamic_shapes=({0: torch.export.Dim("n")},),
            opset_version=_OPSET,
            dynamo=True,
            verbose=False,
        )
    model = program.model_proto
    scaled = any(isinstance(each, LeadStandardScaler) for each in transformers)
    metadata = {
        "leads": list(LEADS) if first.n_leads_ == len(LEADS) else None,
        "sampling_rate": sampling_rate,
        "n_times": first.n_times_,
        "unit": "mV" if scaled else None,
        "preprocessing": [repr(each) for each in transformers],
        "classes": net.classes_.tolist(),
        "skecg": version("skecg"),
    }
    onnx.helper.set_model_props(model, {k: json.dumps(v) for k, v in metadata.items()})
    onnx.checker.check_model(model)
    with whole_file(path) as file:
        file.write(model.SerializeToString())


@contextmanager
def _quiet():
    """Keep to themselves what torch warns of in its own code, and that torchvision is missing."""
    logger = logging.getLogger("torch.onnx._internal.exporter._registration")
    disabled, logger.disabled = logger.disabled, True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.disabled = disabled


def _steps(estimator):
    """Return the transformers before a network, and the network."""
    steps = [estimator]
    if isinstance(estimator, Pipeline):
        steps = [step for _, step in estimator.steps if step not in ("passthrough", None)]
    *transformers, net = steps
    for each in transformers:
        if type(each) not in (BeatCropper, LeadStandardScaler):
            raise TypeError(
                f"A {type(each).__name__} cannot be written to ONNX: it can hold BeatCropper and "
                "LeadStandardScaler before a network. Export the steps after it, such as "
                "pipeline[1:], and do its work beforehand."
            )
    if not isinstance(net, NetClassifier):
        raise TypeError(
            f"A {type(net).__name__} cannot be written to ONNX, only a NetClassifier or a pipeline "
            "that ends in one."
        )
    for name in ("infer", "predict_proba"):
        if getattr(type(net), name) is not getattr(NetClassifier, name):
            raise TypeError(
                f"A {type(net).__name__} cannot be written to ONNX: it has its own {name}, which "
                "the file would leave out. Export a NetClassifier, and do its work afterwards."
            )
    return transformers, net


def _plain(module):
    """Return a copy of a network on the CPU, in torch's default layout."""
    module = getattr(module, "_orig_mod", module)  # torch.compile wraps it
    copied = folded(module) if can_fold(list(module.modules())) else copy.deepcopy(module)
    return copied.cpu().eval().to(memory_format=torch.contiguous_format)
