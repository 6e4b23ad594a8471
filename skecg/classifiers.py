"""The five models of the paper's comparison."""

from ._base import NetClassifier
from ._forest import FeatureForestClassifier
from .networks import ALVDNet, ResNet18, SmartNet, TemporalResNet18

__all__ = [
    "ALVDClassifier",
    "FeatureForestClassifier",
    "ResNetClassifier",
    "SmartNetClassifier",
    "TemporalResNetClassifier",
]


class SmartNetClassifier(NetClassifier):
    """ECG-SMART-NET: temporal residual blocks, then one convolution across leads.

    The defaults are the paper's protocol: undersampled batches, Adam, the rate multiplied
    by 0.8 when the validation score has not risen for 3 epochs, the epoch with the best
    validation score kept.

    Parameters
    ----------
    lr : float, default=1e-5
        Initial learning rate of Adam.
    max_epochs : int, default=100
        Epochs to train.
    batch_size : int, default=128
        Rows in a batch, before undersampling.
    alpha : float, default=2/3
        Weight of the AUC in the validation score; the rest is AP's.
    sampling : {"undersample", "half"} or None, default="undersample"
        How batches are balanced, see :class:`skecg.sampling.BalancedBatchSampler`.
    validation_fraction : float, default=0.1
        Share of the rows that validate when ``fit`` is told nothing else.
    pos_label : label, default=None
        The positive of two classes; None takes ``classes_[1]``.
    precision : {"float32", "bf16", "auto"}, default="float32"
        Arithmetic of the network; "auto" takes bfloat16 where the hardware has it.
    weights : None, str or path-like, default=None
        A pretrained model's name, or the path of a model file, to start from: see
        :class:`skecg.NetClassifier`. None is random.
    device : str or torch.device, default="cpu"
        Where to compute.
    random_state : int, RandomState instance or None, default=None
        Seed; the same seed gives the same weights to the bit on one torch thread.
    verbose : int, default=0
        1 shows a live progress bar with the validation score.
    **kwargs
        Further parameters of skorch, see :class:`skecg.NetClassifier`.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels.
    module_ : skecg.networks.SmartNet
        The network with the weights of the best epoch.
    epochs_ : pandas.DataFrame
        A row an epoch: epoch, train_loss, valid_loss, valid_auc, valid_ap, valid_score,
        lr, seconds.
    best_epoch_ : int
        The epoch kept, counted from 1.
    n_leads_, n_times_, n_features_in_ : int
        Leads, samples a lead, and size of the second axis of X in ``fit``.

    References
    ----------
    Riek et al. (2024), "ECG-SMART-NET: A Deep Learning Architecture for Precise ECG
    Diagnosis of Occlusion Myocardial Infarction", arXiv:2405.09567, Tables 1 and 2.

    Examples
    --------
    >>> from skecg import SmartNetClassifier
    >>> from skecg.datasets import make_omi
    >>> from skecg.preprocessing import BeatCropper, LeadStandardScaler
    >>> from sklearn.pipeline import make_pipeline
    >>> X, y, groups = make_omi(40, prevalence=0.5, random_state=0)
    >>> net = SmartNetClassifier(lr=1e-3, max_epochs=1, random_state=0)
    >>> model = make_pipeline(BeatCropper(), LeadStandardScaler(), net)
    >>> model.fit(X, y, smartnetclassifier__groups=groups).predict_proba(X[:2]).shape
    (2, 2)
    """

    def __init__(
        self,
        *,
        module=SmartNet,
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
        **kwargs,
    ):
        super().__init__(
            module,
            lr=lr,
            max_epochs=max_epochs,
            batch_size=batch_size,
            alpha=alpha,
            sampling=sampling,
            validation_fraction=validation_fraction,
            pos_label=pos_label,
            precision=precision,
            weights=weights,
            device=device,
            random_state=random_state,
            verbose=verbose,
            **kwargs,
        )


class TemporalResNetClassifier(NetClassifier):
    """Temporal ResNet-18: 1 x k kernels, leads only averaged at the end.

    ECG-SMART-NET without its spatial convolution, under the same protocol.

    Parameters
    ----------
    lr : float, default=1e-5
        Initial learning rate of Adam.
    max_epochs : int, default=100
        Epochs to train.
    batch_size : int, default=128
        Rows in a batch, before undersampling.
    alpha : float, default=2/3
        Weight of the AUC in the validation score; the rest is AP's.
    sampling : {"undersample", "half"} or None, default="undersample"
        How batches are balanced, see :class:`skecg.sampling.BalancedBatchSampler`.
    validation_fraction : float, default=0.1
        Share of the rows that validate when ``fit`` is told nothing else.
    pos_label : label, default=None
        The positive of two classes; None takes ``classes_[1]``.
    precision : {"float32", "bf16", "auto"}, default="float32"
        Arithmetic of the network; "auto" takes bfloat16 where the hardware has it.
    weights : None, str or path-like, default=None
        A pretrained model's name, or the path of a model file, to start from: see
        :class:`skecg.NetClassifier`. None is random.
    device : str or torch.device, default="cpu"
        Where to compute.
    random_state : int, RandomState instance or None, default=None
        Seed; the same seed gives the same weights to the bit on one torch thread.
    verbose : int, default=0
        1 shows a live progress bar with the validation score.
    **kwargs
        Further parameters of skorch, see :class:`skecg.NetClassifier`.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels.
    module_ : skecg.networks.TemporalResNet18
        The network with the weights of the best epoch.
    epochs_ : pandas.DataFrame
        A row an epoch: epoch, train_loss, valid_loss, valid_auc, valid_ap, valid_score,
        lr, seconds.
    best_epoch_ : int
        The epoch kept, counted from 1.
    n_leads_, n_times_, n_features_in_ : int
        Leads, samples a lead, and size of the second axis of X in ``fit``.

    References
    ----------
    Riek et al. (2024), arXiv:2405.09567, Figure 3 B.

    Examples
    --------
    >>> from skecg import TemporalResNetClassifier
    >>> from skecg.datasets import make_omi
    >>> from skecg.preprocessing import BeatCropper, LeadStandardScaler
    >>> from sklearn.pipeline import make_pipeline
    >>> X, y, groups = make_omi(40, prevalence=0.5, random_state=0)
    >>> net = TemporalResNetClassifier(lr=1e-3, max_epochs=1, random_state=0)
    >>> model = make_pipeline(BeatCropper(), LeadStandardScaler(), net)
    >>> model.fit(X, y, temporalresnetclassifier__groups=groups).predict_proba(X[:2]).shape
    (2, 2)
    """

    def __init__(
        self,
        *,
        module=TemporalResNet18,
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
        **kwargs,
    ):
        super().__init__(
            module,
            lr=lr,
            max_epochs=max_epochs,
            batch_size=batch_size,
            alpha=alpha,
            sampling=sampling,
            validation_fraction=validation_fraction,
            pos_label=pos_label,
            precision=precision,
            weights=weights,
            device=device,
            random_state=random_state,
            verbose=verbose,
            **kwargs,
        )


class ResNetClassifier(NetClassifier):
    """ResNet-18: k x k kernels over leads and time, as on an image.

    The paper starts it from ImageNet weights: ``weights="imagenet"``.

    Parameters
    ----------
    weights : None, "imagenet" or path, default=None
        Weights to start from, see :class:`skecg.networks.ResNet18`. None is random.
    stem : {"random", "sum"}, default="random"
        With weights, the first convolution of the one input channel: drawn at random
        (the authors' way) or the sum over the three colours.
    lr : float, default=1e-5
        Initial learning rate of Adam.
    max_epochs : int, default=100
        Epochs to train.
    batch_size : int, default=128
        Rows in a batch, before undersampling.
    alpha : float, default=2/3
        Weight of the AUC in the validation score; the rest is AP's.
    sampling : {"undersample", "half"} or None, default="undersample"
        How batches are balanced, see :class:`skecg.sampling.BalancedBatchSampler`.
    validation_fraction : float, default=0.1
        Share of the rows that validate when ``fit`` is told nothing else.
    pos_label : label, default=None
        The positive of two classes; None takes ``classes_[1]``.
    precision : {"float32", "bf16", "auto"}, default="float32"
        Arithmetic of the network; "auto" takes bfloat16 where the hardware has it.
    device : str or torch.device, default="cpu"
        Where to compute.
    random_state : int, RandomState instance or None, default=None
        Seed; the same seed gives the same weights to the bit on one torch thread.
    verbose : int, default=0
        1 shows a live progress bar with the validation score.
    **kwargs
        Further parameters of skorch, see :class:`skecg.NetClassifier`.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels.
    module_ : skecg.networks.ResNet18
        The network with the weights of the best epoch.
    epochs_ : pandas.DataFrame
        A row an epoch: epoch, train_loss, valid_loss, valid_auc, valid_ap, valid_score,
        lr, seconds.
    best_epoch_ : int
        The epoch kept, counted from 1.
    n_leads_, n_times_, n_features_in_ : int
        Leads, samples a lead, and size of the second axis of X in ``fit``.

    References
    ----------
    He et al. (2016), "Deep residual learning for image recognition", CVPR.
    Riek et al. (2024), arXiv:2405.09567, Figure 3 C.

    Examples
    --------
    >>> from skecg import ResNetClassifier
    >>> from skecg.datasets import make_omi
    >>> from skecg.preprocessing import BeatCropper, LeadStandardScaler
    >>> from sklearn.pipeline import make_pipeline
    >>> X, y, groups = make_omi(40, prevalence=0.5, random_state=0)
    >>> net = ResNetClassifier(lr=1e-3, max_epochs=1, random_state=0)
    >>> model = make_pipeline(BeatCropper(), LeadStandardScaler(), net)
    >>> model.fit(X, y, resnetclassifier__groups=groups).predict_proba(X[:2]).shape
    (2, 2)
    """

    def __init__(
        self,
        *,
        module=ResNet18,
        weights=None,
        stem="random",
        lr=1e-5,
        max_epochs=100,
        batch_size=128,
        alpha=2 / 3,
        sampling="undersample",
        validation_fraction=0.1,
        pos_label=None,
        precision="float32",
        device="cpu",
        random_state=None,
        verbose=0,
        **kwargs,
    ):
        super().__init__(
            module,
            lr=lr,
            max_epochs=max_epochs,
            batch_size=batch_size,
            alpha=alpha,
            sampling=sampling,
            validation_fraction=validation_fraction,
            pos_label=pos_label,
            precision=precision,
            device=device,
            random_state=random_state,
            verbose=verbose,
            **kwargs,
        )
        self.weights = weights
        self.stem = stem

    def get_params_for(self, prefix):
        """Collect the parameters of a component, with the weights for the module."""
        params = super().get_params_for(prefix)
        if prefix == "module":
            params = {"weights": self.weights, "stem": self.stem} | params
        return params

    def _load_weights(self):
        """Do nothing: the module has started from its weights."""


class ALVDClassifier(NetClassifier):
    """The Mayo Clinic's ALVD network: a small convolutional net, time first, then leads.

    Under the same protocol at ten times the others' learning rate, as in the paper.

    Parameters
    ----------
    lr : float, default=1e-4
        Initial learning rate of Adam.
    max_epochs : int, default=100
        Epochs to train.
    batch_size : int, default=128
        Rows in a batch, before undersampling.
    alpha : float, default=2/3
        Weight of the AUC in the validation score; the rest is AP's.
    sampling : {"undersample", "half"} or None, default="undersample"
        How batches are balanced, see :class:`skecg.sampling.BalancedBatchSampler`.
    validation_fraction : float, default=0.1
        Share of the rows that validate when ``fit`` is told nothing else.
    pos_label : label, default=None
        The positive of two classes; None takes ``classes_[1]``.
    precision : {"float32", "bf16", "auto"}, default="float32"
        Arithmetic of the network; "auto" takes bfloat16 where the hardware has it.
    weights : None, str or path-like, default=None
        A pretrained model's name, or the path of a model file, to start from: see
        :class:`skecg.NetClassifier`. None is random.
    device : str or torch.device, default="cpu"
        Where to compute.
    random_state : int, RandomState instance or None, default=None
        Seed; the same seed gives the same weights to the bit on one torch thread.
    verbose : int, default=0
        1 shows a live progress bar with the validation score.
    **kwargs
        Further parameters of skorch, see :class:`skecg.NetClassifier`.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels.
    module_ : skecg.networks.ALVDNet
        The network with the weights of the best epoch.
    epochs_ : pandas.DataFrame
        A row an epoch: epoch, train_loss, valid_loss, valid_auc, valid_ap, valid_score,
        lr, seconds.
    best_epoch_ : int
        The epoch kept, counted from 1.
    n_leads_, n_times_, n_features_in_ : int
        Leads, samples a lead, and size of the second axis of X in ``fit``.

    References
    ----------
    Attia et al. (2019), Nature Medicine 25:70-74, in the variant of Riek et al. (2024),
    arXiv:2405.09567, Figure 3 D.

    Examples
    --------
    >>> from skecg import ALVDClassifier
    >>> from skecg.datasets import make_omi
    >>> from skecg.preprocessing import BeatCropper, LeadStandardScaler
    >>> from sklearn.pipeline import make_pipeline
    >>> X, y, groups = make_omi(40, prevalence=0.5, random_state=0)
    >>> net = ALVDClassifier(lr=1e-3, max_epochs=1, random_state=0)
    >>> model = make_pipeline(BeatCropper(), LeadStandardScaler(), net)
    >>> model.fit(X, y, alvdclassifier__groups=groups).predict_proba(X[:2]).shape
    (2, 2)
    """

    def __init__(
        self,
        *,
        module=ALVDNet,
        lr=1e-4,
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
        **kwargs,
    ):
        super().__init__(
            module,
            lr=lr,
            max_epochs=max_epochs,
            batch_size=batch_size,
            alpha=alpha,
            sampling=sampling,
            validation_fraction=validation_fraction,
            pos_label=pos_label,
            precision=precision,
            weights=weights,
            device=device,
            random_state=random_state,
            verbose=verbose,
            **kwargs,
        )
