"""Fit the same network in every way that joblib knows; print a hash of the weights of each.

    python determinism.py WAY...

A program of its own, since dask's workers start anew from the main module.
"""

import hashlib
import json
import sys
from contextlib import nullcontext

import joblib
import torch
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
N_JOBS = {"sequential": None, "again": None, "n_jobs=1": 1}


def describe():
    """Return scores of both validations, and a hash of the weights of each fold's network."""
    X, y, groups = make_omi(60, prevalence=0.4, random_state=0)
    fold = rotate_folds(y, groups, n_splits=3, random_state=0)
    table, fitted = cross_validate_rotation(
        MODELS, X, y, groups=groups, fold=fold, return_estimator=True, n_jobs=joblib_jobs()
    )
    plain = cross_validate(
        MODELS["net"],
        X,
        y,
        cv=PredefinedSplit(fold),
        params={"alvdclassifier__fold": fold, "alvdclassifier__groups": groups},
        scoring=auc_ap_scorer,
        n_jobs=joblib_jobs(),
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


def joblib_jobs():
    return N_JOBS.get(sys.argv[-1], 2)


def main(way):
    torch.set_num_threads(1)
    context = nullcontext()
    cluster = nullcontext()
    if way == "dask":
        from dask.distributed import Client, LocalCluster

        cluster = LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1"
        )
        context = None
    elif way in ("loky", "threading"):
        threads = {"inner_max_num_threads": 1} if way == "loky" else {}
        context = joblib.parallel_config(backend=way, **threads)
    with cluster:
        if way == "dask":
            client = Client(cluster)
            context = joblib.parallel_config(backend="dask")
        with context:
            print(json.dumps(describe()))
        if way == "dask":
            client.close()


if __name__ == "__main__":
    main(sys.argv[1])
