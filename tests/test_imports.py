"""Tests of who may import whom."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import skecg

ROOT = Path(skecg.__file__).parent
PATHS = sorted(path.relative_to(ROOT) for path in ROOT.rglob("*.py"))

# Imports go to a lower level, or stay within a subpackage.
LEVELS = [
    {"leads", "_files"},
    {
        "networks",
        "sampling",
        "_delineation",
        "_duplicates",
        "_fold_cache",
        "_filters",
        "_medians",
        "_pretrained",
        "_quality",
        "_scores",
        "_trees",
    },
    {"_beats", "_inference", "_rules", "_validation", "_waves"},
    {"_paper", "_resampling", "_vectorcardiogram", "io"},
    {"_comparison", "_document", "_features", "_tables", "_thresholds", "calibration"},
    {"_subgroups"},
    {"metrics"},
    {"preprocessing", "feature_extraction", "_callbacks"},
    {"_checkpoint", "_loop"},
    {"_base", "_forest", "clinical"},
    {"_onnx", "_onnx_classifier", "classifiers", "datasets"},
    {"_attribution", "_parts", "model_selection"},
    {"_state", "inspection"},
    {"_fold_displays", "_saliency_display", "persistence"},
    {"_score_displays"},
    {"_model_card", "plotting"},
    {"report"},
    {"__init__"},
]
LEVEL = {module: level for level, modules in enumerate(LEVELS) for module in modules}

ONLY_IN = {
    "skorch": {"_callbacks", "_checkpoint", "_loop"},
    "captum": {"_attribution"},
    "matplotlib": {"_document", "_fold_displays", "_paper", "_saliency_display"},
    "onnx": {"_onnx"},
    "onnxruntime": {"_onnx_classifier"},
    "safetensors": {"_files"},
    "shap": {"_forest"},
}

OPTIONAL = {
    "captum",
    "defusedxml",
    "edfio",
    "matplotlib",
    "onnx",
    "onnxruntime",
    "onnxscript",
    "openpyxl",
    "pooch",
    "pydicom",
    "shap",
    "sierraecg",
    "wfdb",
}


def module_of(path):
    """Return the module or subpackage directly below skecg that a file belongs to."""
    return path.parts[0].removesuffix(".py")


def imported(nodes, path):
    """Yield the modules that `nodes` import, in full: "numpy.linalg", "skecg.io._wfdb"."""
    package = ["skecg", *path.parts[:-1]]
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else []
            base = ".".join(base + ([node.module] if node.module else []))
            if base == "skecg":  # from . import leads
                yield from (f"skecg.{name.name}" for name in node.names)
            else:
                yield base


def parse(path):
    return ast.parse((ROOT / path).read_text(encoding="utf-8"))


def own(modules):
    """Return those below skecg, by the name that has a level; skecg itself is __init__."""
    parts = [f"{module}.__init__".split(".") for module in modules]
    return {second for first, second, *_ in parts if first == "skecg"}


def test_every_module_has_a_level():
    assert {module_of(path) for path in PATHS} == set(LEVEL)


@pytest.mark.parametrize("path", PATHS, ids=str)
def test_every_import_goes_to_a_lower_level(path):
    module = module_of(path)
    others = own(imported(ast.walk(parse(path)), path)) - {module}
    assert {name for name in others if LEVEL[name] >= LEVEL[module]} == set()


@pytest.mark.parametrize("path", PATHS, ids=str)
def test_skecg_is_imported_at_the_top_of_a_file_only(path):
    tree = parse(path)
    inside = [node for node in ast.walk(tree) if node not in tree.body]
    assert own(imported(inside, path)) == set()


@pytest.mark.parametrize("path", PATHS, ids=str)
def test_each_special_library_is_imported_in_its_own_room(path):
    libraries = {name.split(".")[0] for name in imported(ast.walk(parse(path)), path)}
    assert {
        lib for lib in ONLY_IN if lib in libraries and module_of(path) not in ONLY_IN[lib]
    } == set()


def test_importing_skecg_imports_no_optional_library():
    modules = ", ".join(f"skecg.{name}" for name in LEVEL if name != "__init__")
    code = f"import {modules}, sys; print(*(set(sys.modules) & {OPTIONAL}))"
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stdout.strip(), run.stderr) == (0, "", "")
