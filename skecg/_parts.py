"""What the estimators that a model file may hold are made of, and how they are put together.

Only the classes named here are ever built.
"""

import inspect

import numpy as np
import torch
from sklearn import (
    calibration,
    config_context,
    decomposition,
    ensemble,
    impute,
    linear_model,
    model_selection,
    pipeline,
    preprocessing,
    tree,
)
from sklearn.feature_selection import VarianceThreshold
from sklearn.frozen import FrozenEstimator
from sklearn.isotonic import IsotonicRegression

from ._base import NetClassifier
from ._files import ModelFileError
from ._pretrained import PRETRAINED, full_precision
from ._trees import trees_from_arrays, trees_to_arrays
from .calibration import PriorCorrection
from .classifiers import (
    ALVDClassifier,
    FeatureForestClassifier,
    ResNetClassifier,
    SmartNetClassifier,
    TemporalResNetClassifier,
)
from .clinical import STEMICriteriaClassifier
from .feature_extraction import BeatFeatures
from .networks import ALVDNet, ResNet18, SmartNet, TemporalResNet18
from .preprocessing import BeatCropper, LeadStandardScaler, MedianBeat

ESTIMATORS = {
    cls.__name__: cls
    for cls in (
        ALVDClassifier,
        BeatCropper,
        BeatFeatures,
        FeatureForestClassifier,
        LeadStandardScaler,
        MedianBeat,
        NetClassifier,
        PriorCorrection,
        ResNetClassifier,
        STEMICriteriaClassifier,
        SmartNetClassifier,
        TemporalResNetClassifier,
        FrozenEstimator,
        IsotonicRegression,
        VarianceThreshold,
        calibration.CalibratedClassifierCV,
        calibration._CalibratedClassifier,
        calibration._SigmoidCalibration,
        calibration._TemperatureScaling,
        decomposition.PCA,
        ensemble.RandomForestClassifier,
        ensemble.StackingClassifier,
        ensemble.VotingClassifier,
        impute.SimpleImputer,
        linear_model.LogisticRegression,
        model_selection.FixedThresholdClassifier,
        model_selection.GroupKFold,
        model_selection.KFold,
        model_selection.StratifiedGroupKFold,
        model_selection.StratifiedKFold,
        model_selection.TunedThresholdClassifierCV,
        pipeline.FeatureUnion,
        pipeline.Pipeline,
        preprocessing.LabelEncoder,
        preprocessing.MaxAbsScaler,
        preprocessing.MinMaxScaler,
        preprocessing.PowerTransformer,
        preprocessing.QuantileTransformer,
        preprocessing.RobustScaler,
        preprocessing.StandardScaler,
        tree.DecisionTreeClassifier,
    )
}
_NETWORKS = (ALVDNet, ResNet18, SmartNet, TemporalResNet18)
_MADE_BY_SKORCH = {
    *("_params_to_validate", "init_context_", "virtual_params_", "callbacks_", "prefixes_"),
    *("cuda_dependent_attributes_", "_modules", "module_", "_criteria", "criterion_"),
    *("_optimizers", "optimizer_", "initialized_", "history_"),
}
_PREFIXES = (
    *("module__", "criterion__", "optimizer__", "callbacks__"),
    *("iterator_train__", "iterator_valid__", "dataset__"),
)
_MOST_WORKERS = 1024  # threads or processes that a parameter may ask for


def _names(cls):
    """Return the names of a class's parameters; there are none without an ``__init__``."""
    return () if cls.__init__ is object.__init__ else tuple(inspect.signature(cls).parameters)


def _parameters(estimator):
    """Return the parameters of an estimator; those of skorch at its default are left out."""
    if not isinstance(estimator, NetClassifier):
        return {name: getattr(estimator, name) for name in _names(type(estimator))}
    params = estimator.get_params(deep=False)
    default = NetClassifier(None)
    for name in ("iterator_train", "iterator_valid", "dataset"):
        if params[name] is getattr(default, name):
            del params[name]
    return params


def take_apart(estimator):
    """Return parameters, fitted attributes, and what takes their place where they are objects."""
    params = _parameters(estimator)
    _check_memory(type(estimator), params)
    fitted = {name: value for name, value in vars(estimator).items() if name not in params}
    # A later scikit-learn no longer knows parameters that are on their way out.
    params = {k: v for k, v in params.items() if not (isinstance(v, str) and v == "deprecated")}
    requests = fitted.pop("_metadata_request", None)
    extra = {}
    if isinstance(estimator, NetClassifier):
        extra = _network_parts(estimator) if estimator.initialized_ else {}
        known = set(params) | {"iterator_train", "iterator_valid", "dataset"}
        fitted = {k: v for k, v in fitted.items() if k not in _MADE_BY_SKORCH | known}
    elif isinstance(estimator, ensemble.RandomForestClassifier) and "estimators_" in fitted:
        trees = fitted.pop("estimators_")
        for name in ("estimator", "estimator_params", "estimator_"):
            fitted.pop(name)
        extra = trees_to_arrays([each.tree_ for each in trees])
        extra["seeds"] = np.array([each.random_state for each in trees], dtype=np.int64)
        extra["max_features"] = int(trees[0].max_features_)
    elif isinstance(estimator, tree.DecisionTreeClassifier) and "tree_" in fitted:
        extra = trees_to_arrays([fitted.pop("tree_")])
    elif isinstance(estimator, IsotonicRegression):
        fitted.pop("f_", None)
    elif isinstance(estimator, model_selection.TunedThresholdClassifierCV):
        scorer = fitted.pop("_curve_scorer", None)
        if scorer and scorer._get_pos_label() != estimator._get_curve_scorer()._get_pos_label():
            raise ModelFileError(
                "scoring was changed after fit to one of another positive class. Set it back."
            )
    if requests is not None:  # of set_fit_request and its like
        extra["requests"] = requests._serialize()
    return params, fitted, extra


def put_together(cls, params, fitted, extra, device):
    """Return the estimator that :func:`take_apart` took apart."""
    _check_names(cls, params, fitted)
    _check_memory(cls, params)
    for name, value in params.items():
        workers = name == "n_jobs" or name.endswith("num_workers")
        if workers and value is not None and not -_MOST_WORKERS <= value <= _MOST_WORKERS:
            raise ModelFileError(f"{cls.__name__}.{name} is {value!r:.80}.")
    requests = extra.pop("requests", {})
    if issubclass(cls, NetClassifier):
        estimator = _network(cls, params | {"device": device}, fitted, extra)
    else:
        estimator = _other(cls, params, fitted, extra)
    if not set(requests) <= {"fit", "partial_fit", "predict", "predict_proba", "score"}:
        raise ModelFileError(f"metadata of {cls.__name__} go to {list(requests)!r:.80}.")
    with config_context(enable_metadata_routing=True):
        for method, asked in requests.items():
            getattr(estimator, f"set_{method}_request")(**asked)
    return estimator


def give_back(estimator, params):
    """Give a network, once it is checked, the parameters that it was built without."""
    if not isinstance(estimator, NetClassifier):
        return
    vars(estimator).update({name: params[name] for name in params if _starts_something(name)})
    if estimator.initialized_:
        estimator.module_ = estimator.torch_compile(estimator.module_, name="module")


def _starts_something(name):
    """Return whether a parameter of a network can start a compiler or other processes."""
    return name == "compile" or name.startswith("iterator_valid__")


def _check_memory(cls, params):
    # fit reads pickles from there.
    if params.get("memory") is not None:
        raise ModelFileError(
            f"{cls.__name__}.memory is a folder. set_params(memory=None) before saving."
        )


def _other(cls, params, fitted, extra):
    """Return an estimator that is no network."""
    estimator = cls(**params)
    vars(estimator).update(fitted)
    if cls is ensemble.RandomForestClassifier and extra:
        _grow(estimator, extra)
    elif cls is tree.DecisionTreeClassifier and extra:
        _check_classes(estimator.classes_, estimator.n_classes_)
        (estimator.tree_,) = trees_from_arrays(
            extra, estimator.n_features_in_, estimator.n_classes_
        )
    elif extra:
        raise ModelFileError(f"{cls.__name__} has unknown parts {list(extra)!r:.80}.")
    elif cls is IsotonicRegression and "X_thresholds_" in fitted:
        estimator._build_f(estimator.X_thresholds_, estimator.y_thresholds_)
    elif cls is model_selection.TunedThresholdClassifierCV and "estimator_" in fitted:
        estimator._curve_scorer = estimator._get_curve_scorer()
    return estimator


def _check_names(cls, params, fitted):
    """Refuse unknown parameters, and attributes that hide those of a class."""
    own, further = set(_names(cls)), set()
    if issubclass(cls, NetClassifier):
        own = set(_parameters(cls(None) if cls is NetClassifier else cls()))
        further = {name for name in params if name.startswith(_PREFIXES)}
    if not set(params) - further <= own:  # one that is new since has its default
        raise ModelFileError(
            f"{cls.__name__} takes the parameters {sorted(own)}, but the file gives "
            f"{sorted(params)!r:.400}."
        )
    for name in fitted:
        if not name.isidentifier() or name.startswith("__") or name in params or hasattr(cls, name):
            raise ModelFileError(f"{name!r:.80} is no attribute of a fitted {cls.__name__}.")


def _check_classes(classes, n_classes):
    if not 0 < len(classes) == n_classes:
        raise ModelFileError("its classes are not as many as it says.")


def _grow(forest, extra):
    """Give a forest its trees."""
    seeds, max_features = extra.pop("seeds"), extra.pop("max_features")
    _check_classes(forest.classes_, forest.n_classes_)
    trees = trees_from_arrays(extra, forest.n_features_in_, forest.n_classes_)
    if seeds.dtype != np.int64 or type(max_features) is not int:
        raise ModelFileError("the seeds or the size of its trees are no integers.")
    if not len(trees) == len(seeds) == forest.n_estimators:
        raise ModelFileError(f"a forest of {forest.n_estimators} trees has {len(trees)}.")
    params = {name: getattr(forest, name) for name in forest.estimator_params}
    forest.estimator_ = forest.estimator
    forest.estimators_ = []
    for seed, each in zip(seeds.tolist(), trees, strict=True):
        member = tree.DecisionTreeClassifier(**(params | {"random_state": seed}))
        member.n_features_in_, member.n_outputs_ = forest.n_features_in_, 1
        member.n_classes_ = np.int64(forest.n_classes_)
        member.classes_ = np.arange(forest.n_classes_, dtype=np.float64)
        member.max_features_, member.tree_ = max_features, each
        forest.estimators_.append(member)


def _network_parts(net):
    """Return the weights of a network, and its history without that of single batches."""
    _check_networks_parameters(net.get_params(deep=False))
    module = getattr(net.module_, "_orig_mod", net.module_)  # torch.compile wraps it
    weights = {name: each.detach().cpu().numpy() for name, each in module.state_dict().items()}
    rows = [
        {
            name: value.item() if isinstance(value, np.generic) else value
            for name, value in row.items()
            if name != "batches"
        }
        for row in net.history
    ]
    return {"weights": weights, "history": rows}


def _check_networks_parameters(params):
    if not any(params["module"] is cls for cls in _NETWORKS):
        raise ModelFileError(
            f"The module is {params['module']!r:.200}, and only those of skecg.networks, given as "
            "a class, can be rebuilt without running code out of a file."
        )
    names = ("imagenet",) if params["module"] is ResNet18 else PRETRAINED
    for name in ("weights", "module__weights"):
        if params.get(name) is not None and params[name] not in names:
            raise ModelFileError(
                f"{name} is the path of another file. set_params({name}=None) before saving; the "
                "fitted weights stay as they are."
            )


def _network(cls, params, fitted, extra):
    """Return a network with its weights, whose shapes are checked before memory is taken."""
    _check_networks_parameters(params)
    net = cls(**{name: each for name, each in params.items() if not _starts_something(name)})
    vars(net).update(fitted)
    if not extra and not fitted:  # a parameter of another estimator
        return net
    weights = {name: full_precision(each) for name, each in extra.pop("weights").items()}
    history = extra.pop("history")
    if extra:
        raise ModelFileError(f"{cls.__name__} has unknown parts {list(extra)!r:.80}.")
    shape = {"n_leads": net.n_leads_, "n_classes": len(net.classes_)}
    named = inspect.signature(net.module).parameters
    with torch.device("meta"):  # shapes without memory
        module = net.module(**{k: v for k, v in shape.items() if k in named}).eval()
        logits = module(torch.empty(2, net.n_leads_, net.n_times_))
    if logits.shape != (2, len(net.classes_)):
        raise ModelFileError(f"{cls.__name__} gives {tuple(logits.shape)} for two ECGs.")
    own = {
        name: (tuple(each.shape), str(each.dtype).removeprefix("torch."))
        for name, each in module.state_dict().items()
    }
    if {name: (each.shape, each.dtype.name) for name, each in weights.items()} != own:
        raise ModelFileError(f"its weights are not those of a {net.module.__name__}.")
    for name, each in weights.items():
        if not np.isfinite(each).all() or (name.endswith("running_var") and (each < 0).any()):
            raise ModelFileError(f"{name} holds NaN, infinity, or a variance below zero.")
    state = {name: torch.from_numpy(each).clone() for name, each in weights.items()}
    module.load_state_dict(state, assign=True)
    net._restore(module, history)
    return net
