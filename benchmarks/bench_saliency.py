"""How much of a saliency map lies where the occlusion is, by method, on simulated ECGs.

An occlusion of `make_omi` changes ST and T; the same patients at severity 0 show by how much in
each lead. True are the samples from J to the end of T in the leads that change by at least half
as much as the most changed one. A network is trained on half of the patients, and the maps are of
the positive ECGs of the others that it calls positive. The columns:

share     of a map within the true samples, mean over the ECGs
chance    share of the true samples in all samples: what a map of noise would score
lift      share / chance
random    rank correlation of the map with that of the network after all its weights were drawn
          anew; near 0 if the map depends on what was learned
deletion  by how much more the probability falls when the salient windows are deleted than when
          random ones are, mean over 5 to 50 % of the windows; above 0 if the network goes by them.
          Signed maps set the order, but for saliency, whose sign is not for or against
ms        processor time for an ECG

Beside the methods: saliency of the network after its weights were drawn anew; the size of the
z-scored ECG itself, without any network; and the forest, whose map is the size of the SHAP values
of the features that belong to a lead, the true ones being those of ST and T in the true leads.

    python benchmarks/bench_saliency.py [--model alvd|smart|alvd-sim|smartnet-sim]
        [--patients 600] [--max-epochs N] [--ecgs 60] [--method occlusion ...]
"""

import argparse
import copy
import time
import warnings

import numpy as np
import torch
from sklearn.pipeline import make_pipeline

from skecg import ALVDClassifier, FeatureForestClassifier, SmartNetClassifier
from skecg.datasets import make_omi
from skecg.inspection import deletion_curve, randomization_check, saliency_maps
from skecg.leads import LEADS
from skecg.persistence import load_pretrained
from skecg.preprocessing import BeatCropper, LeadStandardScaler

METHODS = ("saliency", "integrated_gradients", "gradient_shap", "occlusion")
NETWORKS = {
    "alvd": (ALVDClassifier, {"lr": 3e-3, "max_epochs": 12}),
    "smart": (SmartNetClassifier, {"lr": 1e-3, "max_epochs": 3}),
}
PRETRAINED = ("alvd-sim", "smartnet-sim")
R = 150  # sample of R in the beats that the network sees


def simulate(n_patients):
    """Return beats, labels, patients, and which samples the occlusion changes."""
    options = {"prevalence": 1 / 3, "random_state": 0, "return_table": True}
    X, y, groups, table = make_omi(n_patients, severity=2, **options)
    without = make_omi(n_patients, severity=0, **options)[0]
    change = np.abs(BeatCropper().fit_transform(X - without))
    samples = np.arange(change.shape[-1])
    j, t_end = (R + (table["onset"] + table[name]).to_numpy() / 2 for name in ("qrs", "qt"))
    inside = (samples >= j[:, None]) & (samples <= t_end[:, None])
    largest = (change * inside[:, None]).max(axis=-1)
    leads = largest >= np.maximum(largest.max(axis=-1, keepdims=True) / 2, 1e-6)
    return X, y, groups, leads, leads[..., None] & inside[:, None]


def share(maps, true):
    """Return the mean share of maps within the true samples."""
    axes = tuple(range(1, maps.ndim))
    return ((maps * true).sum(axes) / maps.sum(axes)).mean()


def print_row(name, inside, chance, rest=""):
    print(f"{name:30s} {inside:8.3f} {chance:8.3f} {inside / chance:8.2f}{rest}", flush=True)


def explain_network(model, methods, X, X_negative, true):
    """Print a row for each method, and for maps that know nothing."""
    chance = true.mean()
    for method in methods:
        options = {"method": method, "random_state": 0}
        if method == "gradient_shap":
            options["baselines"] = X_negative
        start = time.process_time()
        signed = saliency_maps(model, X, signed=True, **options)
        ms = 1000 * (time.process_time() - start) / len(X)
        left = randomization_check(model, X, **options)["correlation"].iloc[-1]
        maps = np.abs(signed)
        order = maps if method == "saliency" else signed
        curve = deletion_curve(model, X, order, random_state=0)[1:]
        gap = (curve["random"] - curve["salient"]).mean()
        print_row(method, share(maps, true), chance, f" {left:8.2f} {gap:8.3f} {ms:8.0f}")
    random = copy.deepcopy(model)
    torch.manual_seed(1)
    random[-1].module_.apply(lambda m: getattr(m, "reset_parameters", lambda: None)())
    print_row("saliency, random weights", share(saliency_maps(random, X), true), chance)
    print_row("the ECG itself", share(np.abs(model[:-1].transform(X)), true), chance)


def explain_forest(forest, X, leads):
    """Print the row of the forest's SHAP values."""
    sizes = np.abs(forest.shap_values(X))
    kind, lead = np.array([name.rpartition("_")[::2] for name in forest.feature_names_]).T
    by_lead = np.isin(lead, LEADS)
    st_t = np.array([name.startswith(("st", "t", "j")) for name in kind])
    true = st_t & np.stack([leads[:, LEADS.index(x)] if x in LEADS else leads[:, 0] & False
                            for x in lead], axis=1)  # fmt: skip
    print_row("forest, SHAP", share(sizes[:, by_lead], true[:, by_lead]), true[:, by_lead].mean())


def train_network(arguments, X, y, groups):
    """Return a pipeline with the network that is to be explained."""
    if arguments.model in PRETRAINED:
        return load_pretrained(arguments.model)
    classifier, params = NETWORKS[arguments.model]
    if arguments.max_epochs:
        params = params | {"max_epochs": arguments.max_epochs}
    net = classifier(batch_size=32, random_state=0, **params)
    model = make_pipeline(BeatCropper(), LeadStandardScaler(), net)
    return model.fit(X, y, **{f"{model.steps[-1][0]}__groups": groups})


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", choices=[*NETWORKS, *PRETRAINED], default="alvd")
    parser.add_argument("--patients", type=int, default=600)
    parser.add_argument("--max-epochs", type=int)
    parser.add_argument("--ecgs", type=int, default=60, help="how many ECGs to explain at most")
    parser.add_argument("--method", choices=METHODS, nargs="+", default=METHODS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", FutureWarning)

    X, y, groups, leads, true = simulate(arguments.patients)
    train = groups % 2 == 0
    model = train_network(arguments, X[train], y[train], groups[train])
    called = model.predict(X) == 1
    rows = np.flatnonzero(~train & (y == 1) & called)[: arguments.ecgs]
    n_leads = leads[rows].sum(axis=1).mean()
    print(
        f"{arguments.model}, {train.sum()} ECGs for what is trained here; sensitivity "
        f"{called[~train & (y == 1)].mean():.2f}, specificity "
        f"{1 - called[~train & (y == 0)].mean():.2f} in the others; {len(rows)} ECGs explained, "
        f"{n_leads:.1f} leads truly changed"
    )
    print(f"{'':30s}" + "".join(f" {name:>8s}" for name in (
        "share", "chance", "lift", "random", "deletion", "ms")))  # fmt: skip
    explain_network(model, arguments.method, X[rows], X[train & (y == 0)][:50], true[rows])
    forest = FeatureForestClassifier(n_estimators=200, random_state=0)
    forest.fit(X[train], y[train], groups=groups[train])
    explain_forest(forest, X[rows], leads[rows])


if __name__ == "__main__":
    main()
