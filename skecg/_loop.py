"""What skorch's loop calls: the paper's callbacks, whole batches by index, devices, precision."""

import copy
import inspect
import threading
from contextlib import contextmanager

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted
from skorch import NeuralNetClassifier
from skorch.callbacks import EarlyStopping, EpochTimer, PassthroughScoring
from skorch.dataset import Dataset as ArrayDataset
from torch.utils.data import DataLoader

from ._callbacks import BestEpoch, Plateau, Progress, ValidationScore
from ._inference import KNOWN
from ._validation import positive_class

# torch's CPU generator is one for the whole process: threads take turns at seeding it.
_TORCH_GENERATOR = threading.RLock()


@contextmanager
def torch_seeded(seed, device):
    """Seed torch's own generators inside the block and put them back as found after it."""
    cuda = [device] if device.type == "cuda" else []
    with _TORCH_GENERATOR, torch.random.fork_rng(devices=cuda):
        torch.default_generator.manual_seed(seed)
        for each in cuda:
            with torch.cuda.device(each):
                torch.cuda.manual_seed(seed)
        yield


def _has_bf16(device):
    """Tell whether the hardware multiplies bfloat16 matrices; if in doubt, not."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu" and hasattr(torch.cpu, "get_capabilities"):
        has = torch.cpu.get_capabilities()
        return bool(has.get("avx512_bf16") or has.get("amx_bf16"))
    return False


class LoopedNet(NeuralNetClassifier):
    """A ``NeuralNetClassifier`` whose loop runs under the paper's protocol."""

    def _train(self, train, valid, sampler, checkpoint):
        self._lay_out()
        self._sampler, self._loader_generator = sampler, torch.Generator()
        callbacks = self.callbacks_
        if checkpoint is not None:  # last, when the others are done with the epoch
            self.callbacks_ = [*callbacks, ("checkpoint", checkpoint)]
        try:
            if checkpoint is not None and checkpoint.finished:
                checkpoint.on_train_begin(self)
                return self
            self.notify("on_train_begin", X=train, y=None)
            n_done = 0 if checkpoint is None else checkpoint.epoch
            try:
                self.fit_loop(train, valid, epochs=self.max_epochs - n_done)
            except KeyboardInterrupt:
                if not self._stopped_early():
                    raise
            finally:
                for _, callback in callbacks:
                    if isinstance(callback, Progress):
                        callback.on_train_end(self)
            self.notify("on_train_end", X=train, y=None)
        finally:
            del self._sampler, self._loader_generator
            self.callbacks_ = callbacks
        return self

    def _stopped_early(self):
        """Tell whether skorch's EarlyStopping left the loop, which it does as Ctrl-C would."""
        return any(
            isinstance(callback, EarlyStopping)
            and getattr(callback, "misses_", None) == callback.patience
            for _, callback in self.callbacks_
        )

    # -- skorch: what its loop calls ---------------------------------------------------

    @property
    def _default_callbacks(self):
        return [
            ("epoch_timer", EpochTimer()),
            ("train_loss", PassthroughScoring(name="train_loss", on_train=True)),
            ("valid_loss", PassthroughScoring(name="valid_loss")),
            ("validation_score", ValidationScore()),
            ("best_epoch", BestEpoch()),
            (
                "lr_scheduler",
                Plateau(
                    policy=torch.optim.lr_scheduler.ReduceLROnPlateau,
                    monitor="valid_score",
                    mode="max",
                    factor=0.8,
                    patience=3,
                    event_name=None,
                ),
            ),
            ("progress", Progress()),
        ]

    def check_data(self, X, y=None):
        """Do nothing: ``fit`` has checked already."""

    def get_split_datasets(self, X, y=None, **fit_params):
        """Return the training and validation rows as they come from ``fit``."""
        return X, y

    def initialized_instance(self, instance_or_cls, kwargs):
        """Return a new component; an instance given as a parameter is copied, never trained."""
        return super().initialized_instance(copy.deepcopy(instance_or_cls), kwargs)

    def _restore(self, module, history):
        """Take a trained module and the history of its epochs, as ``initialize`` takes a new one.

        The optimizer begins anew.
        """
        self._initialize_virtual_params()
        self._initialize_callbacks()
        with self._current_init_context("module"):
            module = module.to(self._checked_device())
            self.module_ = self.torch_compile(module, name="module")
        self._initialize_criterion()
        self._initialize_optimizer()
        self._initialize_history()
        self.history_.extend({"batches": [], **row} for row in history)
        self._validate_params()
        self._lay_out()
        self.initialized_ = True

    def _lay_out(self):
        """Put a network of this package channels-last where its convolutions are bfloat16.

        On a CPU with matrix units (AMX), training is up to 1.4 times as fast.
        """
        module = getattr(self.module_, "_orig_mod", self.module_)  # torch.compile wraps it
        if self.precision_ == "bf16" and type(module) in KNOWN and self._placed().type == "cpu":
            module.to(memory_format=torch.channels_last)

    def get_params_for(self, prefix):
        """Collect the parameters of a component, with leads and classes for the module."""
        params = super().get_params_for(prefix)
        if prefix == "module" and not isinstance(self.module, torch.nn.Module):
            check_is_fitted(self, "n_leads_")  # initialize() alone does not know the shape of X
            named = inspect.signature(self.module).parameters
            seen = {"n_leads": self.n_leads_, "n_classes": len(self.classes_)}
            params = {k: v for k, v in seen.items() if k in named} | params
        return params

    def get_iterator(self, dataset, training=False):
        """Return a loader that fetches whole batches by index."""
        params = self.get_params_for("iterator_train" if training else "iterator_valid")
        batch_size = params.pop("batch_size", self.batch_size)
        if training:
            batches, loader = self._sampler, self.iterator_train
        else:
            batches, loader = _Slices(len(dataset), batch_size), self.iterator_valid
        defaults = {"sampler": batches, "batch_size": None}
        if self.device is None:  # Accelerate would drop a sampler of whole batches
            defaults = {"batch_sampler": batches}
        if loader is DataLoader:
            # Its own: DataLoader draws seeds of its workers that the global one would pay for.
            defaults["generator"] = getattr(self, "_loader_generator", None) or torch.Generator()
        return loader(dataset, **(defaults | params))

    def infer(self, x, **fit_params):
        """Return the logits of a batch, float32 whatever the precision."""
        with self._autocast(self._placed()):
            return super().infer(x, **fit_params).float()

    def _autocast(self, device):
        return torch.autocast(device.type, torch.bfloat16, enabled=self.precision_ == "bf16")

    def _checked_device(self):
        """Return the device, after a look whether it and the precision can be had."""
        try:
            device = self._placed()
            torch.empty(0, device=device)
        except (RuntimeError, AssertionError, TypeError) as error:
            raise ValueError(
                f"device={self.device!r} cannot be used here ({str(error).splitlines()[0]}). "
                "Give 'cpu', or a device that torch sees, such as 'cuda' or 'cuda:0'."
            ) from error
        if self.precision not in ("float32", "bf16", "auto"):
            raise ValueError(
                f"precision must be 'float32', 'bf16' or 'auto', got {self.precision!r}."
            )
        auto = "bf16" if _has_bf16(device) else "float32"
        self.precision_ = auto if self.precision == "auto" else self.precision
        return device

    def _placed(self):
        """Return the device; None is that of skorch's AccelerateMixin, which moves the module."""
        accelerator = getattr(self, "accelerator", None)
        if self.device is None and accelerator is not None:
            if accelerator.num_processes > 1:
                raise ValueError(
                    f"Accelerate runs {accelerator.num_processes} processes, of which each would "
                    "choose its best epoch by a part of the validation rows. Start one process; "
                    "several GPUs train several folds at a time, with one worker each."
                )
            return accelerator.device
        return torch.device(self.device)

    def _positive_code(self):
        return positive_class(self.classes_, self.pos_label)

    @staticmethod
    def _with_leads(X):
        return X if X.ndim == 3 else X[:, np.newaxis, :]

    def _loads_plainly(self, iterator):
        """Tell whether nobody has asked for another way to load than whole batches by index."""
        own = self.get_params_for(iterator).keys()
        return (
            self.dataset is ArrayDataset
            and getattr(self, iterator) is DataLoader
            and own <= {"batch_size"}
        )

    def _on_device(self, X):
        """Return the ECGs of fit, on the GPU at once where that can be.

        That is if half of its free memory holds them and plain loaders fetch them.
        """
        X, device = self._with_leads(X), self._checked_device()
        plain = self._loads_plainly("iterator_train") and self._loads_plainly("iterator_valid")
        if device.type != "cuda" or self.device is None or not plain:
            return X
        fits = X.nbytes <= torch.cuda.mem_get_info(device)[0] / 2
        return torch.tensor(X, device=device) if fits else X


class _Slices:
    """Positions 0..n - 1 in order, a batch at a time."""

    def __init__(self, n, batch_size):
        self.n, self.batch_size = n, batch_size

    def __len__(self):
        return -(-self.n // self.batch_size)

    def __iter__(self):
        for start in range(0, self.n, self.batch_size):
            yield np.arange(start, min(start + self.batch_size, self.n))
