"""What NetClassifier does around each epoch: score, keep the best, show progress."""

import copy

import numpy as np
from skorch.callbacks import Callback, LRScheduler
from tqdm import tqdm

from .metrics import _auc_ap


class ValidationScore(Callback):
    """Record learning rate, AUC, AP and the combined score of each epoch."""

    def on_epoch_begin(self, net, **kwargs):
        net.history.record("lr", net.optimizer_.param_groups[0]["lr"])
        self.codes_, self.proba_ = [], []

    def on_batch_end(self, net, batch=None, training=False, y_pred=None, **kwargs):
        if not training:
            self.codes_.append(batch[1].cpu().numpy())
            self.proba_.append(net._proba(y_pred))

    def on_epoch_end(self, net, **kwargs):
        codes, proba = np.concatenate(self.codes_), np.concatenate(self.proba_)
        if np.isfinite(proba).all():
            auc, ap = _auc_ap(
                codes,
                proba,
                pos_label=net._positive_code(),
                labels=np.arange(len(net.classes_)),
            )
        else:  # diverged: never the best epoch
            auc, ap = np.nan, np.nan
        net.history.record("valid_auc", auc)
        net.history.record("valid_ap", ap)
        net.history.record("valid_score", net.alpha * auc + (1 - net.alpha) * ap)

    def on_train_end(self, net, **kwargs):
        self.codes_ = self.proba_ = None


class BestEpoch(Callback):
    """Keep the weights of the epoch with the best validation score, in memory.

    Of equal scores, the one with the lower validation loss: on easy data the score is 1
    long before the probabilities are any good.
    """

    def on_train_begin(self, net, **kwargs):
        self.best_, self.state_ = (-np.inf,), None

    def on_epoch_end(self, net, **kwargs):
        this = net.history[-1, "valid_score"], -net.history[-1, "valid_loss"]
        if this > self.best_:
            self.best_ = this
            self.state_ = copy.deepcopy(net.module_.state_dict())
            net.best_epoch_ = net.history[-1, "epoch"]

    def on_train_end(self, net, **kwargs):
        if self.state_ is None and len(net.history):
            raise ValueError(
                "Training diverged: no epoch gave finite probabilities. Lower lr, now "
                f"{net.lr!r}, or check the scale of X."
            )
        if self.state_ is not None:
            net.module_.load_state_dict(self.state_)
        self.state_ = None


class Plateau(LRScheduler):
    """skorch's LRScheduler, let go after training: it would pickle the optimizer once more."""

    def on_train_end(self, net, **kwargs):
        self.lr_scheduler_ = None


class Progress(Callback):
    """A live bar with the scores, if the net is verbose."""

    def on_train_begin(self, net, **kwargs):
        self.bar_ = None

    def on_epoch_begin(self, net, **kwargs):
        if net.verbose and self.bar_ is None:
            self.bar_ = tqdm(
                total=net.max_epochs,
                desc=f"{type(net).__name__} ({net.precision_})",
                unit="epoch",
                leave=False,
            )

    def on_epoch_end(self, net, **kwargs):
        if self.bar_ is not None:
            last = net.history[-1]
            scores = {"score": last["valid_score"], "AUC": last["valid_auc"]}
            best = np.fmax.reduce(net.history[:, "valid_score"])  # NaN only if all are
            self.bar_.set_postfix({k: f"{v:.3f}" for k, v in (scores | {"best": best}).items()})
            self.bar_.update()
            self.bar_.refresh()

    def on_train_end(self, net, **kwargs):
        if self.bar_ is not None:
            self.bar_.close()
        self.bar_ = None
