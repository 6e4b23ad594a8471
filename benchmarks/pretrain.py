"""Train the models of skecg.persistence.load_pretrained on simulated ECGs, and write their files.

A network sees fresh simulated median beats in every chunk, half of them occlusions, augmented, at
a learning rate that falls along a cosine. After each chunk the model is written beside the output
file; started again, the script goes on from there, with a new optimizer. Simulated ECGs of other
seeds give the scores of the card. The forest learns from one set.

    python benchmarks/pretrain.py --model smartnet|alvd|forest [--out FILE] [--quick]
"""

import argparse
import json
import math
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.pipeline import make_pipeline

from skecg import ALVDClassifier, FeatureForestClassifier, SmartNetClassifier
from skecg._beats import R_INDEX
from skecg.datasets import make_omi
from skecg.leads import INDEPENDENT_LEADS, LEADS, complete_leads
from skecg.persistence import load_model, read_manifest, save_model
from skecg.preprocessing import BeatCropper, LeadStandardScaler

NAMES = {"smartnet": "smartnet-sim", "alvd": "alvd-sim", "forest": "forest-sim"}
NETWORKS = {"smartnet": SmartNetClassifier, "alvd": ALVDClassifier}
# Without further options, the training of the files that come with the package, of which smartnet
# was trained with --precision bf16.
PATIENTS = {"smartnet": 800, "alvd": 1500, "forest": 14000}  # in a chunk
CHUNKS = {"smartnet": 150, "alvd": 90}
LR = {"smartnet": 1e-3, "alvd": 2e-3}
VALIDATION, TEST = 2**31, 2**31 + 1  # seeds that no chunk has


def augment(X, rng):
    """Return beats (n, 12, 600) in mV as other rates, bodies, electrodes and recorders give them.

    Limb leads keep to Einthoven's law, but for leads that are lost.
    """
    n, n_leads, n_times = X.shape
    own = X[:, [LEADS.index(name) for name in INDEPENDENT_LEADS]].astype(np.float32)
    # Intervals before and after R longer or shorter by 5 %, and R up to 20 ms off its place.
    stretch = np.exp(0.05 * rng.standard_normal((n, 2)))
    shift = rng.integers(-10, 11, (n, 1))
    time = np.arange(n_times)[None] - R_INDEX
    at = R_INDEX + shift + np.where(time < 0, time * stretch[:, :1], time * stretch[:, 1:])
    at = np.clip(at, 0, n_times - 1.001)[:, None]
    before = at.astype(int)
    part = (at - before).astype(np.float32)
    rows, leads = np.arange(n)[:, None, None], np.arange(8)[:, None]
    own = (1 - part) * own[rows, leads, before] + part * own[rows, leads, before + 1]
    # Each lead larger or smaller, and with something of the others.
    mix = 0.05 * rng.standard_normal((n, 8, 8))
    mix[:, np.arange(8), np.arange(8)] = np.exp(0.1 * rng.standard_normal((n, 8)))
    own = np.einsum("nij,njt->nit", mix.astype(np.float32), own, optimize=True)
    # A smooth wave in repolarisation that no dipole explains, the baseline, noise.
    middle, width = R_INDEX + rng.uniform(40, 190, (n, 1)), rng.uniform(20, 60, (n, 1))
    wave = np.exp(-0.5 * ((np.arange(n_times) - middle) / width) ** 2)
    own += (0.02 * rng.standard_normal((n, 8, 1)) * wave[:, None]).astype(np.float32)
    x = np.linspace(0, 1, n_times)
    drifts = np.stack([2 * x - 1, np.cos(2 * np.pi * x), np.sin(2 * np.pi * x)])
    size = 0.03 * np.array([1, 0.3, 0.3])
    own += (size * rng.standard_normal((n, 8, 3)) @ drifts).astype(np.float32)
    noise = rng.uniform(0, 0.02, (n, 1, 1)).astype(np.float32)
    own += noise * rng.standard_normal(own.shape, dtype=np.float32)
    own = own.swapaxes(0, 1).reshape(8, -1)
    every = complete_leads(own, INDEPENDENT_LEADS).signal.reshape(n_leads, n, n_times)
    kept = (rng.random((n, 1, 1)) > 0.2) | (rng.random((n, n_leads, 1)) > 0.15)
    return (kept * every.swapaxes(0, 1)).astype(np.float32)


def cosine(progress, highest):
    """Return a learning rate that rises over the first 5 % and falls to a hundredth."""
    if progress < 0.05:
        return highest * (progress + 0.01) / 0.06
    return highest * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress)))


def chunk(n_patients, seed, number, *, prevalence=0.5):
    """Return simulated beats and labels, the same for the same numbers."""
    state = np.random.RandomState([seed, number])
    return make_omi(n_patients, prevalence=prevalence, random_state=state)


def train_network(args, part):
    """Return a fitted pipeline, and the beats and seconds it took."""
    cropper, scaler = BeatCropper(), LeadStandardScaler()
    X_val, y_val, _ = chunk(100, args.seed, VALIDATION)
    scaled_val = scaler.fit_transform(cropper.fit_transform(X_val))
    net = NETWORKS[args.model](
        max_epochs=1, batch_size=args.batch_size, sampling=None, random_state=args.seed,
        device=args.device, precision=args.precision, optimizer__weight_decay=1e-4,
    )  # fmt: skip
    model, done = make_pipeline(cropper, scaler, net), {"chunks": 0, "beats": 0, "seconds": 0.0}
    if part.exists():
        model, done = load_model(part, device=args.device), read_manifest(part)["card"]
        print(f"going on after chunk {done['chunks']} of {args.chunks}", flush=True)
    net = model[-1]
    for number in range(done["chunks"], args.chunks):
        start = time.perf_counter()
        X, y, _ = chunk(args.patients, args.seed, number)
        X = augment(X, np.random.default_rng([args.seed, number]))
        net.set_params(lr=cosine(number / args.chunks, args.lr))
        net.partial_fit(scaler.transform(cropper.transform(X)), y, X_val=scaled_val, y_val=y_val)
        done = {
            "chunks": number + 1,
            "beats": done["beats"] + len(y),
            "seconds": done["seconds"] + time.perf_counter() - start,
        }
        save_model(model, part, card=done)
        last = net.epochs_.iloc[-1]
        print(
            f"chunk {number + 1:3d}/{args.chunks}  {done['beats']:7d} beats  lr {last['lr']:.1e}  "
            f"loss {last['train_loss']:.3f}  validation AUC {last['valid_auc']:.3f}  "
            f"{done['seconds']:.0f} s",
            flush=True,
        )
    # The file is for any CPU, so it predicts in float32.
    model[-1].set_params(precision="float32")
    save_model(model, part, card=done)
    return load_model(part, device=args.device), done


def train_forest(args):
    """Return a fitted forest, and the beats and seconds it took."""
    start = time.perf_counter()
    X, y, groups = chunk(args.patients, args.seed, 0)
    # Leaves of 20 rows keep the file small; they cost nothing on other simulated ECGs.
    forest = FeatureForestClassifier(
        n_estimators=args.trees, min_samples_leaf=20, random_state=args.seed
    )
    forest.fit(augment(X, np.random.default_rng([args.seed, 0])), y, groups=groups)
    return forest, {"beats": len(y), "seconds": time.perf_counter() - start}


def make_card(args, done, proba, y):
    """Return what the file says of itself."""
    of_forest = {"trees": args.trees}
    of_network = {
        "chunks": args.chunks,
        "batch_size": args.batch_size,
        "lr": args.lr,
        "precision": args.precision,
    }
    return {
        "name": NAMES[args.model],
        "use": "Research. Not a medical device; probabilities are for a prevalence of one half.",
        "data": f"simulated training data alone: skecg.datasets.make_omi, {done['beats']} median "
        "beats, half of them occlusions, augmented. No real ECG, but the hearts of the simulator "
        "were fitted to ECGs among ids 1-500 of PTB-XL, records 1-100 of LUDB and samples of the "
        "PhysioNet challenges of 2018 and 2021.",
        "seed": args.seed,
        "training": {"patients": args.patients}
        | (of_forest if args.model == "forest" else of_network),
        "date": datetime.now(UTC).date().isoformat(),
        "minutes": round(done["seconds"] / 60, 1),
        "simulated_test": {
            "beats": len(y),
            "prevalence": round(float(y.mean()), 3),
            "auc": round(float(roc_auc_score(y, proba)), 3),
            "ap": round(float(average_precision_score(y, proba)), 3),
        },
        "tested": "on simulated ECGs of other seeds (above). On real ECGs without a label of "
        "occlusion, of PTB-XL and LUDB, by diagnostic class: see the results in the "
        "documentation.",
        "not_tested": "on ECGs labelled by angiography, on any device, hospital or population.",
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--model", choices=NAMES, required=True)
    parser.add_argument("--out", type=Path, help="default: NAME.skecg in this folder")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--lr", type=float)
    parser.add_argument("--chunks", type=int)
    parser.add_argument("--patients", type=int, help="in a chunk; 1.5 beats each")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--test-patients", type=int, default=1000)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", choices=("float32", "bf16"), default="float32")
    parser.add_argument("--trees", type=int, default=200)
    parser.add_argument("--quick", action="store_true", help="a look whether it runs, no training")
    args = parser.parse_args()
    args.out = args.out or Path(f"{NAMES[args.model]}.skecg")
    args.lr = args.lr or LR.get(args.model)
    args.chunks = args.chunks or (2 if args.quick else CHUNKS.get(args.model))
    args.patients = args.patients or (60 if args.quick else PATIENTS[args.model])
    part = args.out.with_suffix(".part.skecg")
    n_test = 100 if args.quick else args.test_patients
    if args.model == "forest":
        model, done = train_forest(args)
    else:
        model, done = train_network(args, part)
    X, y, _ = chunk(n_test, args.seed, TEST, prevalence=0.2)
    proba = model.predict_proba(X)[:, 1]
    card = make_card(args, done, proba, y)
    save_model(model, args.out, card=card, precision="float16")
    change = np.abs(load_model(args.out).predict_proba(X[:300])[:, 1] - proba[:300]).max()
    if change > 1e-3:
        print(f"half precision changed a probability by {change:.4f}: written in float32")
        save_model(model, args.out, card=card)
    part.unlink(missing_ok=True)
    print(json.dumps(card, indent=1))
    print(f"{args.out}: {args.out.stat().st_size / 1e6:.1f} MB, largest change {change:.1e}")


if __name__ == "__main__":
    main()
