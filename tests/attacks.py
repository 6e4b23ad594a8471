"""Damaged and malicious model files, made from good ones."""

import copy
import io
import json
import os
import pickle
import random
import struct
import zipfile

import joblib
import numpy as np
import torch
from saved_models import GOLDEN

from skecg._files import read_archive, write_archive

NAMES = ("network", "forest", "published", "threshold")
BIG = 2**40


class Payload:
    """Runs a command when unpickled."""

    def __reduce__(self):
        return os.mkdir, ("EXECUTED",)


def good(name):
    return (GOLDEN / f"{name}.skecg").read_bytes()


def edited(name, edit):
    """Return a good file after ``edit(manifest, arrays)``, with hashes that are right again."""
    manifest, arrays = read_archive(io.BytesIO(good(name)))
    edit(manifest, arrays)
    out = io.BytesIO()
    write_archive(out, manifest, arrays)
    return out.getvalue()


def zipped(*members, method=zipfile.ZIP_STORED, **attributes):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in members:
            info = zipfile.ZipInfo(name)
            info.compress_type = method
            for key, value in attributes.items():
                setattr(info, key, value)
            archive.writestr(info, content)
    return out.getvalue()


def members(name="forest"):
    with zipfile.ZipFile(io.BytesIO(good(name))) as archive:
        return [(info.filename, archive.read(info)) for info in archive.infolist()]


def not_archives():
    """Yield files of other kinds, those that run code when read by pickle among them."""
    for protocol in range(6):
        yield f"pickle {protocol}", pickle.dumps(Payload(), protocol=protocol)
    out = io.BytesIO()
    torch.save(Payload(), out)
    yield "torch", out.getvalue()
    out = io.BytesIO()
    torch.save(Payload(), out, _use_new_zipfile_serialization=False)
    yield "torch, old", out.getvalue()
    for compress in (0, 3):
        out = io.BytesIO()
        joblib.dump(Payload(), out, compress=compress)
        yield f"joblib {compress}", out.getvalue()
    out = io.BytesIO()
    np.save(out, np.array([Payload()], dtype=object), allow_pickle=True)
    yield "npy", out.getvalue()
    out = io.BytesIO()
    np.savez(out, a=np.array([Payload()], dtype=object))
    yield "npz", out.getvalue()
    for content in (b"", b"P", b"PK\x03\x04", b"PK\x05\x06" + bytes(18), b"{}", bytes(100)):
        yield f"short {content[:4]}", content
    yield "noise", random.Random(0).randbytes(10_000)
    yield "safetensors", members()[1][1]


def cut_or_flipped():
    """Yield files that end early, or of which one bit is another."""
    for name in ("forest", "network"):
        content, rng = good(name), random.Random(name)
        for length in sorted(rng.sample(range(len(content)), 20)):
            yield f"{name} cut at {length}", content[:length]
        for _ in range(60):
            at, bit = rng.randrange(len(content)), rng.randrange(8)
            flipped = bytearray(content)
            flipped[at] ^= 1 << bit
            yield f"{name} bit {bit} of {at}", bytes(flipped)


def other_zips():
    """Yield zips that try to lead a reader astray."""
    (manifest, text), (arrays, data) = members()
    outside = (
        *("../manifest.json", "/manifest.json", "..\\manifest.json", "C:\\manifest.json"),
        *("./manifest.json", "manifest.json/", "MANIFEST.JSON", "//host/manifest.json"),
        *("manifest.json\x01", "file:///etc/passwd", "a/../manifest.json", "CON", ""),
    )
    for other in outside:
        yield f"name {other!r}", zipped((other, text), (arrays, data))
        yield f"third {other!r}", zipped((manifest, text), (arrays, data), (other, b"x"))
    yield "other order", zipped((arrays, data), (manifest, text))
    yield "one alone", zipped((manifest, text))
    yield "a pickle inside", zipped((manifest, text), ("data.pkl", pickle.dumps(Payload())))
    doubled = zipped((manifest, text), ("manifest.jsoN", text))
    yield "twice", doubled.replace(b"manifest.jsoN", b"manifest.json")
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        yield f"method {method}", zipped((manifest, text), (arrays, data), method=method)
    yield "comment of a member", zipped((manifest, text), (arrays, data), comment=b"hello")
    content = good("forest")
    yield "pickle before", pickle.dumps(Payload()) + content
    yield "zeros before", bytes(100) + content
    yield "zeros after", content + bytes(100)
    yield "two files in one", content + content
    central, end = content.rindex(b"PK\x01\x02"), len(content) - 22
    first = content.index(b"PK\x01\x02")
    for field, at, kind in (
        ("flags", 8, "<H"),
        ("method", 10, "<H"),
        ("crc", 16, "<I"),
        ("packed size", 20, "<I"),
        ("size", 24, "<I"),
        ("name length", 28, "<H"),
        ("extra length", 30, "<H"),
        ("comment length", 32, "<H"),
        ("offset", 42, "<I"),
    ):
        for entry in (first, central):
            for value in (1, 99, 0xFFFF):
                changed = bytearray(content)
                struct.pack_into(kind, changed, entry + at, value)
                if bytes(changed) != content:
                    yield f"{field} of {entry} is {value}", bytes(changed)
    for at in range(4, 22, 2):
        changed = bytearray(content)
        struct.pack_into("<H", changed, end + at, 0xFFFF)
        yield f"end {at}", bytes(changed)
    deflated = zipfile.ZIP_DEFLATED
    zeros = bytes(200 * 2**20)
    yield "bomb of arrays", zipped((manifest, text), (arrays, zeros), method=deflated)
    yield "bomb of a manifest", zipped((manifest, zeros), (arrays, data), method=deflated)
    understated = bytearray(zipped((manifest, text), (arrays, zeros), method=deflated))
    struct.pack_into("<I", understated, understated.rindex(b"PK\x01\x02") + 24, 1000)
    yield "bomb that says it is small", bytes(understated)
    del zeros


def manifests():
    """Yield files whose manifest is no such thing, in a zip that is right."""
    (name, text), (arrays, data) = members()
    texts = {
        "no text": b"\xff\xfe\x00",
        "no JSON": b"{'format': __import__('os').mkdir('EXECUTED')}",
        "YAML": b"!!python/object/apply:os.mkdir ['EXECUTED']",
        "a list": b"[]",
        "empty": b"",
        "deep": b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        "deep dicts": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
        "a long number": b'{"format": ' + b"9" * 100_000 + b"}",
        "a key twice": text.replace(b'"class"', b'"format": 1, "class"', 1),
        "NaN": text.replace(b'"card": "for tests"', b'"card": NaN'),
        "infinity": text.replace(b'"card": "for tests"', b'"card": Infinity'),
        "a byte order mark": b"\xef\xbb\xbf" + text,
        "another sha256": text.replace(b'"sha256": "', b'"sha256": "0'),
        "no sha256": text.replace(b'"sha256"', b'"md5"'),
        "another size": text.replace(b'"size": ', b'"size": 1'),
    }
    for what, changed in texts.items():
        yield f"manifest: {what}", zipped((name, changed), (arrays, data))
    changed = bytearray(data)
    changed[-1] ^= 1
    yield "arrays of another sha256", zipped((name, text), (arrays, bytes(changed)))


def safetensors_headers():
    """Yield arrays whose header lies, with a sha256 that is right."""
    import hashlib

    (name, text), (arrays, data) = members()
    length = struct.unpack("<Q", data[:8])[0]
    header, body = json.loads(data[8 : 8 + length]), data[8 + length :]
    key = next(k for k in header if k != "__metadata__")

    def raw(header_text, length=None):
        length = len(header_text) if length is None else length
        content = struct.pack("<Q", length) + header_text + body
        manifest = json.loads(text)
        digest = hashlib.sha256(content).hexdigest()
        manifest["arrays"] = {"sha256": digest, "size": len(content)}
        return zipped((name, json.dumps(manifest).encode()), (arrays, content))

    def with_entry(**changes):
        return raw(json.dumps(header | {key: header[key] | changes}).encode())

    for shape in ([2**60], [2**32, 2**32], [-1], [0], [BIG, 0], [1.5], ["2"], [[2]], [2**64], None):
        yield f"header: shape {shape}", with_entry(shape=shape)
    for dtype in ("O", "object", "F4", "BF16", "F8_E4M3", "C64", "I128", "", None, "F32"):
        yield f"header: dtype {dtype}", with_entry(dtype=dtype)
    for offsets in ([0, 2**62], [-8, 8], [8, 0], [0], [0, 1], [2**63, 2**64 - 1]):
        yield f"header: offsets {offsets}", with_entry(data_offsets=offsets)
    for length in (0, 1, 2**31, 2**63, 2**64 - 1):
        yield f"header: length {length}", raw(json.dumps(header).encode(), length)
    yield "header: deep", raw(b'{"a":' * 10_000 + b"}" * 10_000)
    yield "header: no array", raw(b"{}")


def classes_and_names():
    """Yield files that name what they may not, or lack what they must have."""
    foreign = (
        *("os.system", "system", "builtins.eval", "eval", "subprocess.Popen", "object", "type"),
        *("sklearn.svm.SVC", "SVC", "Tree", "FunctionTransformer", "__builtins__", "", None, 0),
        *([], {}, "NetClassifier", "HistGradientBoostingClassifier", "Pipeline"),
    )
    for other in foreign:
        for name in ("forest", "network"):

            def rename(manifest, arrays, other=other):
                manifest["estimators"][0]["class"] = other

            yield f"{name}: class {other!r}", edited(name, rename)

    top = (
        ("format", "pickle"),
        *(("format_version", value) for value in (0, 2, "1", None, [1], 1e300, BIG)),
        *(("class", value) for value in ("Pipeline", "os.system", None, 1)),
        *(("estimators", value) for value in ([], {}, None, "x", [None], [[]], [{}], 7)),
        *(("classes", value) for value in ([], ["no OMI", "OMI"], None, "x")),
        *(("input", value) for value in ({}, None, {"n_leads": 12}, [])),
        ("unknown", 1),
    )
    for key, value in top:
        yield f"{key} is {value!r}", edited("forest", lambda m, a, k=key, v=value: m.update({k: v}))
    for key in read_archive(io.BytesIO(good("forest")))[0]:
        yield f"no {key}", edited("forest", lambda m, a, k=key: m.pop(k))
    hidden = (
        *("predict", "predict_proba", "fit", "__class__", "__dict__", "__init__", "get_params"),
        *("__reduce__", "set_params", "a b", "", "__sklearn_tags__"),
    )
    for attribute in hidden:

        def hide(manifest, arrays, attribute=attribute):
            for each in manifest["estimators"]:
                each["fitted"][attribute] = "x"

        yield f"attribute {attribute!r}", edited("forest", hide)
        yield f"attribute {attribute!r} of a network", edited("network", hide)
    yield from _parameters()


def _parameters():
    of_networks = (
        *(("module", value) for value in ({"class": "Adam"}, {"class": "x"}, None, "SmartNet")),
        *(("optimizer", value) for value in ({"class": "ALVDNet"}, "os.system", None)),
        *(("iterator_valid__num_workers", value) for value in (10**6, -(10**6), "many")),
        *(("module__weights", value) for value in ("/etc/passwd", "../x.pt", 1)),
        *(("predict", 1), ("history", []), ("initialized_", True), ("unknown__x", 1)),
        ("iterator_valid__num_workers", 2000),
        *(("callbacks", [1]), ("callbacks__lr_scheduler__policy", "x"), ("device", "cuda:99")),
        *(("criterion", {"class": "SmartNet"}), ("dataset", "x"), ("train_split", "x")),
    )
    for key, value in of_networks:

        def put(manifest, arrays, key=key, value=value):
            for each in manifest["estimators"]:
                if each["class"] == "ALVDClassifier":
                    each["params"][key] = value

        if (key, value) != ("device", "cuda:99"):  # where it computes is for the reader to say
            yield f"network: {key}={value!r}", edited("network", put)
    for value in (10**9, -(10**9), "many"):

        def put(manifest, arrays, value=value):
            for each in manifest["estimators"]:
                if "n_jobs" in each["params"]:
                    each["params"]["n_jobs"] = value

        yield f"n_jobs={value!r}", edited("forest", put)


def values():
    """Yield files with values of unknown kinds, in every place that an attribute can be."""
    kinds = (
        *({"pickle": "gASV"}, {"python/object": "os.system"}, {"function": "eval"}, {}),
        *({"estimator": n} for n in (-1, 0.0, True, 99, BIG, None, "0", [0])),
        *({"array": name} for name in ("a999", None, 0, [], "../a0")),
        *({"dtype": name} for name in ("object", "O", "V8", "float128", None)),
        *({"number": pair} for pair in (["object", 1], ["float64"], [], ["int8", 10**30])),
        *({"texts": pair} for pair in (["<U999999999", ["a"]], ["object", [[1]]], ["V9", ["a"]])),
        *({"text": pair} for pair in (["<U999999999", "a"], ["<U-1", "a"], ["object", []])),
        *({"float": name} for name in ("1e5", "NaN", None)),
        *({"class": name} for name in ("Payload", "os.system", None)),
        *({"tuple": 1}, {"dict": []}, {"bunch": 3}, {"array": "a0", "dtype": "int8"}),
    )
    for value in kinds:

        def put(manifest, arrays, value=value):
            fitted = [each["fitted"] for each in manifest["estimators"] if each["fitted"]]
            fitted[-1]["classes_"] = value

        yield f"value {value!r:.60}", edited("forest", put)

    def itself(manifest, arrays):
        last = len(manifest["estimators"]) - 1
        manifest["estimators"][-1]["fitted"]["model_"] = {"estimator": last}

    yield "an estimator inside itself", edited("forest", itself)

    def many(manifest, arrays):
        # Each pipeline uses the one before it twice: 2**40 steps.
        plain = {"class": "StandardScaler", "params": {}, "fitted": {}, "extra": {}}
        manifest["estimators"] = [plain]
        for i in range(40):
            steps = [{"tuple": [name, {"estimator": i}]} for name in ("a", "b")]
            part = {"class": "Pipeline", "params": {"steps": steps}, "fitted": {}, "extra": {}}
            manifest["estimators"].append(part)
        arrays.clear()

    yield "pipelines of pipelines", edited("forest", many)

    def chain(manifest, arrays):
        part = {"class": "FrozenEstimator", "fitted": {}, "extra": {}}
        manifest["estimators"] = [manifest["estimators"][0]]
        for i in range(5000):
            manifest["estimators"].append(part | {"params": {"estimator": {"estimator": i}}})
        arrays.clear()

    yield "a chain of estimators", edited("forest", chain)

    def unused(manifest, arrays):
        arrays["a999"] = np.zeros(10)

    yield "an array that nothing uses", edited("forest", unused)


def weights():
    """Yield networks whose weights or shapes are not those of the network."""
    _, arrays = read_archive(io.BytesIO(good("network")))
    floats = [name for name in arrays if arrays[name].dtype == np.float32 and arrays[name].size]
    for name in floats[::6]:
        for what, change in (
            ("NaN", lambda x: np.full_like(x, np.nan)),
            ("infinity", lambda x: np.full_like(x, np.inf)),
            ("float64", lambda x: x.astype(np.float64)),
            ("one more", lambda x: np.concatenate([x, x[:1]])),
            ("empty", lambda x: x[:0]),
            ("one axis more", lambda x: x[None]),
            ("negative", lambda x: -np.abs(x) - 1),
        ):
            # Negative weights are weights; a negative variance is none.
            if what != "negative":
                yield (
                    f"{name}: {what}",
                    edited("network", lambda m, a, n=name, c=change: a.update({n: c(a[n])})),
                )
    for attribute in ("n_leads_", "n_times_", "n_features_in_"):
        for value in (
            0,
            -1,
            2,
            10**9,
            10**18,
            2**70,
            1.5,
            "1",
            None,
            [1],
            True and {"float": "nan"},
        ):

            def put(manifest, arrays, attribute=attribute, value=value):
                for each in manifest["estimators"]:
                    if attribute in each["fitted"]:
                        each["fitted"][attribute] = value

            yield f"{attribute}={value!r}", edited("network", put)

    def variance(manifest, arrays):
        for each in manifest["estimators"]:
            names = each["extra"].get("weights", {}).get("dict", {})
            for name, value in names.items():
                if name.endswith("running_var"):
                    arrays[value["array"]] -= 100

    yield "a variance below zero", edited("network", variance)


def trees():
    """Yield forests with trees that lead outside memory, or in a circle."""
    manifest, arrays = read_archive(io.BytesIO(good("forest")))
    (forest,) = (e for e in manifest["estimators"] if "n_nodes" in e["extra"])
    extra = {k: v["array"] for k, v in forest["extra"].items() if isinstance(v, dict)}
    inner = np.flatnonzero(arrays[extra["left_child"]] >= 0)
    leaves = np.flatnonzero(arrays[extra["left_child"]] < 0)
    total = len(arrays[extra["feature"]])

    def change(field, at, value):
        def edit(manifest, arrays):
            arrays[extra[field]][at] = value

        return edited("forest", edit)

    root, last = inner[0], inner[-1]
    for field in ("left_child", "right_child"):
        for at in (root, last):
            for value in (-1, -2, -(10**9), 0, 1, 2, total, 10**9, 2**62, -(2**62)):
                if arrays[extra[field]][at] != value:
                    yield f"{field} of {at} is {value}", change(field, at, value)
        for value in (0, 1, 10**9):
            yield f"{field} of a leaf is {value}", change(field, leaves[-1], value)
    for value in (-1, -2, 4, 5, 10**9, 2**62, -(2**62)):
        for at in (root, last):
            yield f"feature of {at} is {value}", change("feature", at, value)
    for value in (0, 10**9):
        yield f"feature of a leaf is {value}", change("feature", leaves[0], value)
    for field in ("threshold", "impurity", "weighted_n_node_samples"):
        for value in (np.nan, np.inf, -np.inf):
            yield f"{field} is {value}", change(field, root, value)
    for value in (0, -1, -(2**62)):
        yield f"n_node_samples is {value}", change("n_node_samples", root, value)
    yield "missing_go_to_left is 2", change("missing_go_to_left", root, 2)
    for value in (np.nan, np.inf, -1, 2, 1e300):
        yield f"values are {value}", change("values", leaves[0], value)
    for value in (0, -1, 10**9, 2**62, -(2**62)):
        yield f"n_nodes is {value}", change("n_nodes", 0, value)
    swapped = change("n_nodes", slice(None), arrays[extra["n_nodes"]][::-1])
    if (arrays[extra["n_nodes"]][::-1] != arrays[extra["n_nodes"]]).any():
        yield "n_nodes are in another order", swapped
    for field, name in extra.items():
        for what, reshape in (
            ("short", lambda x: x[:-1]),
            ("long", lambda x: np.concatenate([x, x])),
            ("empty", lambda x: x[:0]),
            ("square", lambda x: x[None]),
            ("float32", lambda x: x.astype(np.float32)),
        ):
            yield (
                f"{field}: {what}",
                edited("forest", lambda m, a, n=name, r=reshape: a.update({n: r(a[n])})),
            )
    for attribute in ("n_features_in_", "n_classes_", "n_estimators"):
        for value in (0, -1, 1, 100, 10**9, 2**70, "2", None):

            def put(manifest, arrays, attribute=attribute, value=value):
                for each in manifest["estimators"]:
                    for part in ("fitted", "params"):
                        if "n_nodes" in each["extra"] and attribute in each[part]:
                            each[part][attribute] = value

            yield f"{attribute} of the forest is {value!r}", edited("forest", put)


def leaves_of(value, path=()):
    """Yield where a JSON value ends, as paths."""
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in items:
            yield from leaves_of(item, (*path, key))
    else:
        yield path


def anything_for_anything():
    """Yield files in which one value of the manifest is another, chosen at random."""
    others = (None, -1, 10**30, 1e308, "x", [], {}, True, {"float": "nan"}, {"estimator": 0}, 2**31)
    for name in NAMES:
        manifest, arrays = read_archive(io.BytesIO(good(name)))
        rng = random.Random(name)
        for path in rng.sample(sorted(leaves_of(manifest["estimators"]), key=str), 60):
            other = rng.choice(others)
            changed = copy.deepcopy(manifest)
            place = changed["estimators"]
            for key in path[:-1]:
                place = place[key]
            place[path[-1]] = other
            out = io.BytesIO()
            write_archive(out, changed, arrays)
            yield f"{name}: {'/'.join(map(str, path))} = {other!r}", out.getvalue()


# Files that must be refused, and files that may load: then they must do no harm.
REFUSED = (
    not_archives,
    other_zips,
    manifests,
    safetensors_headers,
    classes_and_names,
    values,
    weights,
    trees,
)
HARMLESS = (cut_or_flipped, anything_for_anything)
