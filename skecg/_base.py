"""NetClassifier: skorch's classifier under the paper's protocol, in scikit-learn's manners."""

from numbers import Integral

import numpy as np
import pandas as pd
import torch
from sklearn.utils.validation import check_is_fitted
from torch.utils.data import Dataset, Subset

from ._checkpoint import Checkpoint
from ._duplicates import warn_of_duplicates
from ._inference import ready
from ._loop import LoopedNet, torch_seeded
from ._pretrained import read_weights
from ._validation import (
    all_or_nothing,
    check_groups,
    check_patients,
    draw_seed,
    split_validation,
    validate_ecgs,
    validation_fold,
)
from .sampling import BalancedBatchSampler

# What lies between X and the probabilities, if no subclass changes it.
_STEPS = ("get_dataset", "get_iterator", "forward_iter", "evaluation_step", "infer")
_AT_ONCE = 32  # ECGs through a network at a time on a CPU: what it computes stays in the cache


class NetClassifier(LoopedNet):
    """Any torch module as a scikit-learn classifier of ECGs, trained as in the paper.

    A subclass of ``skorch.NeuralNetClassifier``. Each epoch trains on balanced batches
    and scores the validation rows by ``alpha * AUC + (1 - alpha) * AP``; the learning
    rate is multiplied by 0.8 when that score has not risen for 3 epochs; the weights of
    the best epoch are kept (of equal scores, the one with the lower validation loss).

    Parameters
    ----------
    module : torch.nn.Module class or instance
        Maps (n, n_leads, n_times) float32 to logits (n, n_classes). A class is given
        ``n_leads`` and ``n_classes`` if its ``__init__`` names them.
    lr : float, default=1e-5
        Initial learning rate of Adam.
    max_epochs : int, default=100
        Epochs to train.
    batch_size : int, default=128
        Rows in a batch, before undersampling.
    alpha : float, default=2/3
        Weight of the AUC in the validation score (Equation 1).
    sampling : {"undersample", "half"} or None, default="undersample"
        How batches are balanced, see :class:`skecg.sampling.BalancedBatchSampler`.
    validation_fraction : float, default=0.1
        Share of the rows that validate when ``fit`` is told nothing else.
    pos_label : label, default=None
        The positive of two classes in AP; None takes ``classes_[1]``.
    precision : {"float32", "bf16", "auto"}, default="float32"
        Arithmetic of the network. "bf16" is torch's autocast to bfloat16, faster on
        hardware that has it and slower on a CPU that has not; weights, loss and
        probabilities stay float32. "auto" takes bf16 where the hardware has it.
    weights : None, str or path-like, default=None
        Weights that ``fit`` starts from: a name of
        :func:`skecg.persistence.load_pretrained` ("alvd-sim"), or the path of a file of
        :func:`skecg.persistence.save_model` that holds one network of the same kind, for as many
        leads, samples and classes. None is random. Fine-tuning takes a low `lr`
        for the trunk and may give the last layer a higher one by skorch's
        ``optimizer__param_groups=[("fc.*", {"lr": 1e-3})]``.
    device : str or torch.device, default="cpu"
        Where to compute, "cuda" for a GPU.
    random_state : int, RandomState instance or None, default=None
        Seed of weights, batches, dropout and validation share. None takes fresh entropy
        from the operating system; the global generators are never touched.
    verbose : int, default=0
        1 shows a live progress bar with the validation score.
    **kwargs
        All other parameters of skorch (``optimizer``, ``optimizer__weight_decay``,
        ``module__...``, ``callbacks``, ``warm_start``, ``compile``, ...), except
        ``train_split`` and ``classes``, whose work ``fit`` does.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels.
    module_ : torch.nn.Module
        The network with the weights of the best epoch.
    epochs_ : pandas.DataFrame
        A row an epoch: epoch, train_loss, valid_loss, valid_auc, valid_ap, valid_score,
        lr, seconds. train_loss is NaN where no batch held two classes.
    best_epoch_ : int
        The epoch kept, counted from 1.
    precision_ : str
        "float32" or "bf16": what `precision` came to.
    n_leads_, n_times_ : int
        Leads, and samples a lead, seen in ``fit``.
    n_features_in_ : int
        Size of the second axis of X: leads, or samples for 2-D X.

    References
    ----------
    Riek et al. (2024), "ECG-SMART-NET", arXiv:2405.09567, section II.B.

    Examples
    --------
    >>> import torch
    >>> from skecg import NetClassifier
    >>> from skecg.datasets import make_omi
    >>> class Linear(torch.nn.Module):
    ...     def __init__(self, n_classes=2):
    ...         super().__init__()
    ...         self.fc = torch.nn.LazyLinear(n_classes)
    ...     def forward(self, x):
    ...         return self.fc(x.flatten(1))
    >>> X, y, groups = make_omi(100, prevalence=0.5, random_state=0)
    >>> clf = NetClassifier(Linear, lr=1e-3, max_epochs=5, random_state=0)
    >>> clf.fit(X, y, groups=groups).predict(X[:3]).shape
    (3,)
    """

    # scikit-learn wants nothing but parameters set in __init__: these are the defaults.
    classes = None
    train_split = None
    history_ = None
    initialized_ = False
    virtual_params_ = {}  # noqa: RUF012 - replaced, never filled, see initialize_virtual_params

    def __init__(
        self,
        module,
        *,
        lr=1e-5,
        max_epochs=100,
        batch_size=128,
        alpha=2 / 3,
        sampling="undersample",
        validation_fraction=0.1,
        pos_label=None,
        precision="float32",
        weights=None,
        device="cpu",
        random_state=None,
        verbose=0,
        criterion=torch.nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        **kwargs,
    ):
        for name in {"train_split", "classes"} & set(kwargs):
            raise TypeError(
                f"{type(self).__name__} takes no {name}: labels are read from y, and validation "
                "data are chosen by fit's fold, groups or X_val, or by validation_fraction."
            )
        super().__init__(
            module,
            criterion=criterion,
            optimizer=optimizer,
            lr=lr,
            max_epochs=max_epochs,
            batch_size=batch_size,
            device=device,
            verbose=verbose,
            **kwargs,
        )
        self.alpha = alpha
        self.sampling = sampling
        self.validation_fraction = validation_fraction
        self.pos_label = pos_label
        self.precision = precision
        self.weights = weights
        self.random_state = random_state
        for name in ("classes", "train_split", "history_", "initialized_", "virtual_params_"):
            del self.__dict__[name]

    # -- scikit-learn: parameters and tags ---------------------------------------------

    def _get_param_names(self):
        return [name for name in super()._get_param_names() if not name.startswith("_")]

    def __setattr__(self, name, value):
        # skorch registers what ends in an underscore; a parameter is only stored.
        if name.endswith("_"):
            super().__setattr__(name, value)
        else:
            object.__setattr__(self, name, value)

    def set_params(self, **params):
        """Set parameters; they take effect at the next ``fit``, and leave a fitted net as it is.

        All but `device`: a net fitted on one device predicts on that one. Fit it again, or set
        `device` back.

        Parameters
        ----------
        **params : dict
            Parameters by name, as listed by ``get_params()``.

        Returns
        -------
        self
        """
        known = self._get_param_names()
        for name, value in params.items():
            if "__" in name:
                self._params_to_validate.add(name)  # skorch looks at it in fit
            elif name not in known:
                raise ValueError(
                    f"Invalid parameter {name!r} for {type(self).__name__}. Valid parameters are: "
                    f"{sorted(known)}."
                )
            setattr(self, name, value)
        self._apply_virtual_params(params)  # to the live optimizer, for warm_start
        return self

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags

    @property
    def classes_(self):
        """Labels, sorted."""
        return self.classes_inferred_

    @property
    def epochs_(self):
        """The history of the fit as a DataFrame, a row an epoch."""
        check_is_fitted(self)
        columns = {
            "epoch": "epoch",
            "train_loss": "train_loss",
            "valid_loss": "valid_loss",
            "valid_auc": "valid_auc",
            "valid_ap": "valid_ap",
            "valid_score": "valid_score",
            "lr": "lr",
            "dur": "seconds",
        }
        rows = [{new: row.get(old, np.nan) for old, new in columns.items()} for row in self.history]
        return pd.DataFrame(rows, columns=list(columns.values()))

    # -- fit ---------------------------------------------------------------------------

    def fit(
        self,
        X,
        y,
        *,
        groups=None,
        fold=None,
        X_val=None,
        y_val=None,
        groups_val=None,
        checkpoint=None,
    ):
        """Train the network and keep its best epoch.

        The validation data are `X_val`, `y_val` if given; else the validation fold of
        `fold`; else a share of the patients in `groups`; else a stratified share of the
        rows (`validation_fraction`).

        Parameters
        ----------
        X : array-like of shape (n_samples, n_leads, n_times) or (n_samples, n_times)
            ECGs in mV or z-scored; two dimensions mean one lead.
        y : array-like of shape (n_samples,)
            Labels of any type, two classes or more.
        groups : array-like of shape (n_samples,), default=None
            Patients. A patient is never on both sides of the validation split.
        fold : array-like of shape (n_samples,), default=None
            Integer fold ids. The first id after the first gap between the smallest and
            the largest validates; without a gap, the smallest: under
            ``cross_validate(..., cv=PredefinedSplit(fold), params={"fold": fold})`` the
            fold after the test fold.
        X_val, y_val : array-like, default=None
            Validation data, shaped as X and y.
        groups_val : array-like, default=None
            Patients of `X_val`, which must not be among `groups`. Given with `groups`, or not
            at all.
        checkpoint : str or path-like, default=None
            A file that is written after each epoch, whole or not at all. The same call after
            an interruption, in another process too, goes on after the last epoch in the file
            and ends with the same network to the bit; once the fit is finished it returns that
            network. The file holds no code and no ECGs, but hashes of them, by which another
            call is refused. Classes and functions are told apart by name alone.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If X holds NaN or infinity, y has one class, the validation data lack a class,
            a patient is on both sides, or `checkpoint` was written for other data, parameters,
            versions or numbers of threads.
        ModelFileError
            If `checkpoint` is damaged or no checkpoint.
        OSError
            If `checkpoint` cannot be written, as on a full disk.

        Warns
        -----
        DuplicateECGWarning
            If an ECG of the training data is equal to one of the validation data.
        """
        fresh = not (self.warm_start and self.initialized_)
        validation = groups, fold, X_val, y_val, groups_val
        with all_or_nothing(self):
            return self._fit(X, y, fresh, None, checkpoint, *validation)

    def partial_fit(
        self,
        X,
        y,
        classes=None,
        *,
        groups=None,
        fold=None,
        X_val=None,
        y_val=None,
        groups_val=None,
    ):
        """Train on from the present weights for ``max_epochs`` more epochs.

        Parameters
        ----------
        X, y, groups, fold, X_val, y_val, groups_val
            As in ``fit``.
        classes : array-like of shape (n_classes,), default=None
            All labels, at the first call; None takes those in `y`.

        Returns
        -------
        self
        """
        fresh = not self.initialized_
        with all_or_nothing(self):
            return self._fit(X, y, fresh, classes, None, groups, fold, X_val, y_val, groups_val)

    def _fit(self, X, y, fresh, classes, checkpoint, *validation):
        """Train new weights (`fresh`) or the present ones, after all checks."""
        X, y = validate_ecgs(self, X, y, reset=fresh)
        if fresh:
            self.classes_inferred_ = np.unique(y if classes is None else classes)
        seed = draw_seed(self.random_state)
        if checkpoint is not None:
            if not fresh:
                raise ValueError("warm_start=True goes on from the present weights: no checkpoint.")
            checkpoint = Checkpoint(checkpoint)
            seed = checkpoint.seed(seed, self.random_state)
        data = self._training_data(X, y, seed, *validation)
        device = self._checked_device()
        if checkpoint is not None:
            names = ("X", "y", "groups", "fold", "X_val", "y_val", "groups_val")
            checkpoint.compare(self, seed, dict(zip(names, (X, y, *validation), strict=True)))
        with torch_seeded(seed, device):
            if fresh:
                for name in ("initialized_", "history_"):  # anew, not cleared
                    self.__dict__.pop(name, None)
                self.initialize()
                self._load_weights()
            return self._train(*data, checkpoint)

    def _load_weights(self):
        """Put the weights of a file, if one is given, into the new network."""
        if self.weights is None:
            return
        facts, weights = read_weights(self.weights)
        module = getattr(self.module_, "_orig_mod", self.module_)  # torch.compile wraps it
        own = {
            "module": type(module).__name__,
            "n_leads": self.n_leads_,
            "n_times": self.n_times_,
            "n_classes": len(self.classes_),
        }
        other = [
            f"{name} {facts[name]} (here {own[name]})" for name in own if facts[name] != own[name]
        ]
        if other:
            raise ValueError(f"weights={str(self.weights)!r} are for {', '.join(other)}.")
        state = {name: torch.from_numpy(each) for name, each in weights.items()}
        if facts["positive"] != self._positive_code():  # of two classes in the other order
            state |= {name: state[name].flip(0) for name in ("fc.weight", "fc.bias")}
        try:
            module.load_state_dict(state)
        except RuntimeError as error:
            raise ValueError(f"weights={str(self.weights)!r} do not fit: {error}") from error

    def _training_data(self, X, y, seed, groups, fold, X_val, y_val, groups_val):
        """Return training and validation rows, and the sampler of the training rows."""
        codes = self._encode(y, "y")
        self._positive_code()
        if (groups_val is not None) != (groups is not None and X_val is not None):
            raise ValueError(
                "groups are the patients of X and groups_val those of X_val: give both or neither. "
                "With one alone, a patient on both sides would not be noticed."
            )
        if not 0 <= self.alpha <= 1:
            raise ValueError(f"alpha must lie between 0 and 1, got {self.alpha!r}.")
        if not isinstance(self.max_epochs, Integral) or self.max_epochs < 1:
            raise ValueError(f"max_epochs must be an integer from 1, got {self.max_epochs!r}.")
        if X_val is None and y_val is None:
            train, valid = split_validation(
                codes,
                groups=groups,
                fold=fold,
                fraction=self.validation_fraction,
                rng=np.random.RandomState(seed),
            )
            data = self.get_dataset(self._on_device(X), codes)
            parts = Subset(data, train), Subset(data, valid)
            rows, side = X, np.isin(np.arange(len(X)), valid)
            codes, codes_val = codes[train], codes[valid]
        else:
            if X_val is None or y_val is None:
                raise ValueError("Give X_val and y_val together.")
            X_val, y_val = validate_ecgs(self, X_val, y_val, reset=False)
            codes_val = self._encode(y_val, "y_val")
            if groups is not None:
                check_patients(check_groups(groups, len(y)), check_groups(groups_val, len(y_val)))
            rows, side = [X, X_val], np.repeat([False, True], [len(X), len(X_val)])
            parts = tuple(
                Subset(self.get_dataset(self._on_device(A), b), np.arange(len(b)))
                for A, b in ((X, codes), (X_val, codes_val))
            )
        self._check_classes(codes, codes_val, fold if X_val is None else None)
        warn_of_duplicates(rows, side, "training and validation")
        batch_size = self.get_params_for("iterator_train").get("batch_size", self.batch_size)
        sampler = BalancedBatchSampler(codes, batch_size, mode=self.sampling, random_state=seed)
        return (*parts, sampler)

    def _encode(self, y, name):
        """Return y as integers 0..n_classes - 1."""
        if len(self.classes_) < 2:
            raise ValueError(
                f"{type(self).__name__} needs rows of at least two classes, but y holds one class "
                f"only: {self.classes_.tolist()}."
            )
        unknown = np.setdiff1d(y, self.classes_)
        if len(unknown):
            raise ValueError(
                f"{name} holds {unknown.tolist()}, not among the classes {self.classes_.tolist()}."
            )
        return np.searchsorted(self.classes_, y)

    def _check_classes(self, codes, codes_val, fold):
        """Say which class is missing on which side, in words."""
        n_valid = len(np.unique(codes_val))
        from_fold = "" if fold is None else f" (fold {validation_fold(fold)})"
        cure = "Each class needs two rows at least, one to train and one to validate"
        if fold is not None:
            cure = "Spread the classes over the folds (skecg.model_selection.rotate_folds)"
        if n_valid < min(2, len(self.classes_)):
            missing = np.delete(self.classes_, np.unique(codes_val)).tolist()
            raise ValueError(
                f"The validation data{from_fold} hold no row of {missing}: AUC and AP are "
                f"undefined. {cure}, or give X_val= and y_val=."
            )
        untrained = np.setdiff1d(codes_val, codes)
        if len(untrained) or len(np.unique(codes)) < 2:
            missing = np.delete(self.classes_, np.unique(codes)).tolist()
            raise ValueError(
                f"The training data hold no row of {missing}; all are in the validation "
                f"data{from_fold}."
            )

    # -- predict -----------------------------------------------------------------------

    def _proba(self, logits):
        return self._get_predict_nonlinearity()(logits).detach().float().cpu().numpy()

    def predict_proba(self, X):
        """Return the probability of each class.

        Balanced batches shift the prior: the probabilities belong to classes that are
        equally frequent. The networks of ``skecg.networks`` predict by a copy that has batch norm
        folded into its convolutions, where that saves time: the same but for float32 rounding.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_leads, n_times) or (n_samples, n_times)
            ECGs as in ``fit``.

        Returns
        -------
        ndarray of shape (n_samples, n_classes), float32
            Columns in the order of ``classes_``.
        """
        check_is_fitted(self)
        if isinstance(X, Dataset):  # skorch's EpochScoring hands over the datasets of fit
            return self._loaded_proba(X)
        X = self._with_leads(validate_ecgs(self, X, reset=False))
        if self._steps_plainly() and self._loads_plainly("iterator_valid"):
            net = ready(self.module_, len(X))
            if net is not None:
                return self._direct_proba(net, X)
        return self._loaded_proba(Subset(self.get_dataset(X), np.arange(len(X))))

    def _steps_plainly(self):
        """Tell whether no subclass has a way of its own from X to the probabilities."""
        return all(getattr(type(self), each) is getattr(NetClassifier, each) for each in _STEPS)

    def _loaded_proba(self, rows):
        return np.concatenate([self._proba(logits) for logits in self.forward_iter(rows)])

    def _direct_proba(self, net, X):
        """Return probabilities as ``_loaded_proba`` does, without a loader."""
        device = self._placed()
        n = self.get_params_for("iterator_valid").get("batch_size", self.batch_size)
        if device.type == "cpu":
            n = _AT_ONCE
        with torch.inference_mode(), self._autocast(device):
            # Copied, since an array may be read-only or run backwards, which torch does not take.
            parts = (np.ascontiguousarray(X[i : i + n]) for i in range(0, len(X), n))
            logits = (net(torch.tensor(x, device=device)).float() for x in parts)
            return np.concatenate([self._proba(each) for each in logits])

    def predict(self, X):
        """Return the most probable class.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_leads, n_times) or (n_samples, n_times)
            ECGs as in ``fit``.

        Returns
        -------
        ndarray of shape (n_samples,)
            Labels of the type seen in ``fit``.
        """
        best = self.predict_proba(X).argmax(axis=1)
        return best if isinstance(X, Dataset) else self.classes_[best]  # a dataset's y are integers
