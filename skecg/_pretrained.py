"""The weights that come with the package, and weights of a model file to start a network from."""

from pathlib import Path

import numpy as np

from ._files import ModelFileError, read_archive

PRETRAINED = ("alvd-sim", "forest-sim", "smartnet-sim")
_FOLDER = Path(__file__).parent / "weights"


def pretrained_path(name):
    """Return the path of a file that comes with the package.

    Parameters
    ----------
    name : str
        One of `PRETRAINED`.

    Returns
    -------
    pathlib.Path
    """
    there = [each for each in PRETRAINED if (_FOLDER / f"{each}.skecg").is_file()]
    if name not in PRETRAINED:
        raise ValueError(f"{name!r} is not among the pretrained models: {', '.join(there)}.")
    if name not in there:
        raise FileNotFoundError(
            f"The file of {name!r} is missing in this installation, which has: "
            f"{', '.join(there) or 'none'}. Make it with benchmarks/pretrain.py."
        )
    return _FOLDER / f"{name}.skecg"


def read_weights(source):
    """Read the one network of a model file, without building it.

    Parameters
    ----------
    source : str or path-like
        A name of `PRETRAINED`, or the path of a file that ``save_model`` wrote.

    Returns
    -------
    facts : dict
        module, the name of the network's class; n_leads, n_times, n_classes; positive,
        the number of the positive class.
    weights : dict of str to ndarray
        float32 but for the counters of the batch norms.

    Raises
    ------
    ModelFileError
        If the file is damaged, or does not hold one network.
    """
    path = pretrained_path(source) if source in PRETRAINED else source
    with open(path, "rb") as file:
        try:
            manifest, arrays = read_archive(file)
            nets = [each for each in manifest["estimators"] if "weights" in each["extra"]]
            if len(nets) != 1:
                raise ModelFileError(f"it holds {len(nets)} networks, and one is needed.")
            return _facts(nets[0], arrays), {
                name: full_precision(arrays[where["array"]])
                for name, where in nets[0]["extra"]["weights"]["dict"].items()
            }
        except ModelFileError as error:
            raise ModelFileError(f"{path} gives no weights: {error}") from error
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ModelFileError(f"{path} gives no weights: it is no model file.") from error


def _facts(net, arrays):
    params, labels = net["params"], net["fitted"]["classes_inferred_"]
    labels = labels["texts"][1] if "texts" in labels else arrays[labels["array"]].tolist()
    pos_label = params.get("pos_label")
    return {
        "module": params["module"]["class"],
        "n_leads": net["fitted"]["n_leads_"],
        "n_times": net["fitted"]["n_times_"],
        "n_classes": len(labels),
        "positive": 1 if pos_label is None else labels.index(pos_label),
    }


def full_precision(array):
    """Return an array of half precision as float32, any other as it is."""
    return array.astype(np.float32) if array.dtype == np.float16 else array


def half_precision(array):
    """Return the weights of a convolution or linear layer in half precision, others as they are.

    Biases and batch norms are some 1 % of a network, and variances may be too small for it.
    """
    return array.astype(np.float16) if array.ndim > 1 else array
