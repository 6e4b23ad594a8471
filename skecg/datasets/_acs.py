"""ACS-ECG, read from a local copy."""

from pathlib import Path

import numpy as np
from sklearn.utils import Bunch

from ..io._wfdb import MISSING, read_wfdb
from ..leads import LEADS, to_standard_order
from ._common import (
    as_set,
    check_folder,
    class_names,
    of_one_class,
    path_array,
    read_arrays,
    read_table,
)

_SAMPLING_RATE = 500
_N_TIMES = {"raw": 5000, "median": 500}
_COLUMNS = ("Patient_id", "ecg_row_record", "ecg_med_record", "gender", "age", "Time_Interval")


def load_acs_ecg(
    path,
    *,
    positive="OMI",
    negative=None,
    subset="train",
    form="raw",
    as_paths=False,
    n_jobs=None,
):
    """Load ECGs from a local copy of ACS-ECG, with occlusions seen at angiography.

    ECGs taken before coronary angiography in one hospital in Chongqing: 17,960 of 17,018
    patients with findings, of which 1,151 ECGs are OMI (an occluded culprit artery, TIMI flow
    0 or 1), and 1,995 of 1,891 further patients whose findings the authors withhold. It is
    the one public set of this kind. Everyone went to angiography, so that its negatives are
    not those of an emergency department.

    Two recordings (03228, 14262) are 7 s long and end in NaN; three samples are marked as
    missing and are NaN; 52 recordings have a lead that is constant, which
    `MedianBeat.report` names. The headers' checksums and first values are wrong in all
    recordings and not looked at.

    Parameters
    ----------
    path : path-like
        Folder that holds ``CSV`` and ``row_data`` or ``med_data``.
    positive : str or list of str, default="OMI"
        Column of class 1: AMI, OMI, CTO, PCI, NSTEMI, STEMI, UA, one of the arteries (LM,
        PLAD, ..., counted 0, 1 or 2), VF_VT, Paced or Prior_PCI; of a list, any one is enough.
    negative : str, list of str or None, default=None
        The same for class 0. None takes every ECG that is not positive. ECGs of both classes
        or of neither are left out.
    subset : {"train", "test"}, default="train"
        ECGs with findings or, without a target, the others.
    form : {"raw", "median"}, default="raw"
        10 s recordings, or the set's own median beats of 1 s. Where R lies in these is not
        published: find it before you cut them.
    as_paths : bool, default=False
        Return where the recordings are instead of what they hold; nothing is read. All raw
        recordings with findings take 4.3 GB of memory. `skecg.io.read_ecg` reads raw
        recordings, not the median beats.
    n_jobs : int, default=None
        Number of processes that read files; None is one, -1 all cores.

    Returns
    -------
    Bunch
        ``data`` : ndarray of shape (n_samples, 12, 5000), or 500 for median beats, float32,
        in mV, leads in the order of `skecg.leads.LEADS`, or with `as_paths` ndarray of str,
        the recordings' headers or the files of median beats; ``target`` : ndarray of int64, 1
        where positive, or None; ``target_names`` : ndarray, the names of classes 0 and 1, or
        None; ``groups`` : ndarray of str, the patient; ``sampling_rate`` : int, 500 Hz;
        ``table`` : DataFrame, the row of ``train.csv`` or ``test.csv`` of each ECG, as it
        stands there; ``DESCR`` : str.

    Raises
    ------
    FileNotFoundError
        If `path` is not a copy of ACS-ECG, or a recording that is read is missing.
    ValueError
        If a finding is unknown, a class is empty, or a table or recording is damaged.

    Notes
    -----
    Written to the layout that users of the set describe and tested on made-up copies of it.

    References
    ----------
    .. [1] Du et al., "A large-scale 12-lead electrocardiogram dataset for acute coronary
       syndrome prediction containing 19,955 ECGs", Scientific Data 13:1009, 2026; data:
       doi:10.6084/m9.figshare.29925314 (CC0).

    Examples
    --------
    >>> from skecg.datasets import load_acs_ecg
    >>> acs = load_acs_ecg("acs-ecg", n_jobs=-1)  # doctest: +SKIP
    >>> acs.data.shape, acs.target.sum()  # doctest: +SKIP
    """
    for name, value, known in (
        ("subset", subset, ("train", "test")),
        ("form", form, ("raw", "median")),
    ):
        if value not in known:
            raise ValueError(f"{name} must be {known[0]!r} or {known[1]!r}, got {value!r}.")
    path = Path(path)
    check_folder(path, [f"CSV/{subset}.csv"], "ACS-ECG")
    table = read_table(path / "CSV" / f"{subset}.csv", _COLUMNS)
    target = names = None
    left_out = " Their findings are withheld."
    if subset == "train":
        is_positive = _has(table, positive, path)
        is_negative = ~is_positive if negative is None else _has(table, negative, path)
        names = class_names(positive, negative)
        chosen = of_one_class(is_positive, is_negative, names, path)
        left_out = (
            f" {names[1]} against {names[0]}: {int((is_positive & is_negative).sum())} ECGs of "
            f"both and {int((~is_positive & ~is_negative).sum())} of neither left out."
        )
        table = table[chosen].reset_index(drop=True)
        target, names = is_positive[chosen].astype(np.int64), np.array(names)

    if form == "raw":
        stems = table["ecg_row_record"].str.removesuffix(".dat")
        files, read = [path / "row_data" / f"{stem}.hea" for stem in stems], _read_raw
    else:
        files, read = [path / "med_data" / name for name in table["ecg_med_record"]], _read_median
    data = path_array(files) if as_paths else read_arrays(read, files, _N_TIMES[form], n_jobs)
    return Bunch(
        data=data,
        target=target,
        target_names=names,
        groups=table["Patient_id"].to_numpy(dtype=str),
        sampling_rate=_SAMPLING_RATE,
        table=table,
        DESCR=f"{len(table)} ECGs of ACS-ECG ({subset}, {form}), {_SAMPLING_RATE} Hz."
        + left_out
        + ("" if as_paths else _describe_missing(data, files)),
    )


def _has(table, wanted, path):
    findings = [name for name in table if name not in _COLUMNS]
    unknown = sorted(as_set(wanted) - set(findings))
    if unknown or not as_set(wanted):
        raise ValueError(
            f"{', '.join(unknown) or 'An empty list'} is no finding of ACS-ECG. "
            f"It has: {', '.join(findings)}."
        )
    values = table[sorted(as_set(wanted))]
    if not values.isin([0, 1, 2]).to_numpy().all():
        raise ValueError(
            f"{path / 'CSV' / 'train.csv'} has cells of {', '.join(values)} that are not 0, 1 or "
            "2. Get the file again."
        )
    return (values > 0).any(axis=1).to_numpy()


def _read_raw(file):
    signal, rate, leads = read_wfdb(file)
    n_times = signal.shape[1]
    if n_times > _N_TIMES["raw"] or rate != _SAMPLING_RATE:
        raise ValueError(f"{file} holds {n_times} samples at {rate} Hz, not 5000 at 500 Hz.")
    whole = np.full((len(LEADS), _N_TIMES["raw"]), np.nan, dtype=np.float32)
    whole[:, :n_times] = to_standard_order(signal, leads)
    return whole


def _read_median(file):
    # Sample by sample, each of twelve leads in standard order, 1000 units a mV.
    counts = np.fromfile(file, dtype="<i2")
    if counts.size != len(LEADS) * _N_TIMES["median"]:
        raise ValueError(f"{file} holds {counts.size} values, not 500 of each of 12 leads.")
    counts = counts.reshape(-1, len(LEADS)).T
    return np.where(counts == MISSING, np.nan, counts / np.float32(1000))


def _describe_missing(data, files):
    names = [file.stem for ecg, file in zip(data, files, strict=True) if not np.isfinite(ecg).all()]
    return f" Missing samples in {', '.join(names)}." if names else ""
