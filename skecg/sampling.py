"""Batches in which the classes are balanced."""

from numbers import Integral

import numpy as np
from torch.utils.data import Sampler


class BalancedBatchSampler(Sampler):
    """Batches of row indices in which every class has as many rows as the rarest.

    Indices are drawn from the labels alone, before any ECG is loaded, anew for each
    epoch (each ``iter``).

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        Labels of any type.
    batch_size : int, default=128
        Rows in a batch before undersampling.
    mode : {"undersample", "half"} or None, default="undersample"
        "undersample" is the paper's way: the shuffled rows are cut into batches of
        `batch_size`; of each batch all rows of its rarest class are kept, and as many
        of every other class in it, drawn without replacement. A batch with rows of one
        class only makes no step. At 8.8 % positives a batch of 128 becomes about 23.
        "half" fills every batch with equal parts of all classes (64 + 64 for two);
        an epoch passes once through the largest class, and the rows of the others
        return as often as it takes.
        None only shuffles: batches as they come.
        In these two, a single row left over at the end joins the batch before it, since
        batch norm cannot train on one row.
    random_state : int, RandomState instance or None, default=None
        Seed of the draws. None takes fresh entropy from the operating system.

    Attributes
    ----------
    n_samples : int
        Number of rows.

    References
    ----------
    Riek et al. (2024), arXiv:2405.09567, section II.B.

    Examples
    --------
    >>> import numpy as np
    >>> y = np.array([1, 0, 0, 0] * 50)
    >>> sampler = BalancedBatchSampler(y, batch_size=40, random_state=0)
    >>> [np.bincount(y[batch]).tolist() for batch in sampler]
    [[10, 10], [11, 11], [12, 12], [8, 8], [9, 9]]
    """

    def __init__(self, y, batch_size=128, *, mode="undersample", random_state=None):
        if mode not in ("undersample", "half", None):
            raise ValueError(f"mode must be 'undersample', 'half' or None, got {mode!r}.")
        if not isinstance(batch_size, Integral) or batch_size < 2:
            raise ValueError(f"batch_size must be an integer from 2, got {batch_size!r}.")
        self.classes, codes = np.unique(np.asarray(y), return_inverse=True)
        # As few bytes as hold them: labels of millions of rows stay near the processor.
        self.codes = codes.astype(np.min_scalar_type(len(self.classes) - 1))
        self.n_samples = len(self.codes)
        self.batch_size = batch_size
        self.mode = mode
        if isinstance(random_state, np.random.RandomState):
            random_state = random_state.randint(2**31)
        self._rng = np.random.default_rng(random_state)

    def __len__(self):
        """Batches in an epoch; in mode "undersample" the most there can be."""
        n = self.n_samples
        if self.mode == "half":
            n = np.bincount(self.codes).max() * len(self.classes)
        n_batches = -(-n // self.batch_size)
        if self.mode != "undersample" and n_batches > 1 and n % self.batch_size == 1:
            n_batches -= 1
        return int(n_batches)

    def __iter__(self):
        """Yield one array of row indices a batch."""
        draw = {"undersample": self._undersampled, "half": self._filled, None: self._shuffled}
        return draw[self.mode]()

    def _shuffled(self):
        yield from self._cut(self._rng.permutation(self.n_samples))

    def _cut(self, rows):
        return np.split(rows, self.batch_size * np.arange(1, len(self)))

    def _undersampled(self):
        rows = self._rng.permutation(self.n_samples)
        codes = self.codes[rows]
        for start in range(0, self.n_samples, self.batch_size):
            batch = rows[start : start + self.batch_size]
            batch_codes = codes[start : start + self.batch_size]
            by_class = [batch[batch_codes == code] for code in range(len(self.classes))]
            present = [of_class for of_class in by_class if len(of_class)]
            if len(present) > 1:
                # The batch is in random order, so its first rows are a random draw.
                n_keep = min(map(len, present))
                yield np.concatenate([of_class[:n_keep] for of_class in present])

    def _filled(self):
        members = [np.flatnonzero(self.codes == code) for code in range(len(self.classes))]
        n_largest = max(map(len, members))
        columns = [self._passes(rows, n_largest) for rows in members]
        mixed = np.stack(columns, axis=1).ravel()  # class 0, class 1, class 0, ...
        yield from self._cut(mixed)

    def _passes(self, rows, n):
        """Pass through shuffled rows again and again until there are n."""
        n_passes = -(-n // len(rows))
        return np.concatenate([self._rng.permutation(rows) for _ in range(n_passes)])[:n]
