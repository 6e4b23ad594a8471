"""Fit the same models in one of the ways that joblib knows; print weights and scores.

    python determinism.py sequential|again|n_jobs=1|loky|threading|dask

A program of its own, since dask's workers start anew from the main module.
"""

import hashlib
import json
import sys
from contextlib import contextmanager

import torch
from joblib import parallel_config
from sklearn.model_selection import PredefinedSplit, cross_validate
from sklearn.pipeline import make_pipeline

from skecg import ALVDClassifier, FeatureForestClassifier
from skecg.datasets import make_omi
from skecg.metrics import auc_ap_scorer
from skecg.model_selection import cross_validate_rotation, rotate_folds
from skecg.preprocessing import BeatCropper, LeadStandardScaler

NET = ALVDClassifier(lr=1e-3, max_epochs=2, batch_size=32, random_state=0)
MODELS = {
    "net": make_pipeline(BeatCropper(), LeadStandardScaler(), NET),
    "forest": FeatureForestClassifier(n_estimators=10, random_state=0),
}
N_JOBS = {"n_jobs=1": 1, "loky": 2, "threading": 2, "dask": 2}


def describe(n_jobs):
    """Return scores of both validations, and a hash of the weights of each fold's network."""
    X, y, groups = make_omi(60, prevalence=0.4, random_state=0)
    fold = rotate_folds(y, groups, n_splits=3, random_state=0)
    table, fitted = cross_validate_rotation(
        MODELS, X, y, groups=groups, fold=fold, return_estimator=True, n_jobs=n_jobs
    )
    plain = cross_validate(
        MODELS["net"],
        X,
        y,
        cv=PredefinedSplit(fold),
        params={"alvdclassifier__fold": fold, "alvdclassifier__groups": groups},
        scoring=auc_ap_scorer,
        n_jobs=n_jobs,
    )
    digest = hashlib.sha256()
    for model in fitted["net"]:
        for weights in model[-1].module_.state_dict().values():
            digest.update(weights.numpy().tobytes())
    return {
        "weights": digest.hexdigest(),
        "table": table.drop(columns="seconds").to_json(double_precision=15),
        "cross_validate": plain["test_score"].tolist(),
    }


@contextmanager
def backend_of(way):
    """Set joblib's backend: two processes of one thread, two threads, or a cluster of two."""
    if way == "dask":
        from dask.distributed import Client, LocalCluster

        options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
        with LocalCluster(**options) as cluster, Client(cluster), parallel_config(backend="dask"):
            yield
    elif way == "loky":
        with parallel_config(backend="loky", inner_max_num_threads=1):
            yield
    elif way == "threading":
        with parallel_config(backend="threading"):
            yield
    else:
        yield


if __name__ == "__main__":
    torch.set_num_threads(1)
    with backend_of(sys.argv[1]):
        print(json.dumps(describe(N_JOBS.get(sys.argv[1]))))
