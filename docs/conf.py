"""Sphinx settings."""

import skecg

project = "skecg"
author = "The skecg developers"
copyright = "2026, The skecg developers"
version = release = skecg.__version__

extensions = [
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_gallery.gen_gallery",
]
autosummary_generate = True
templates_path = ["_templates"]  # a class page shows the methods, but not those of skorch and torch
numpydoc_show_class_members = False
exclude_patterns = ["_build"]
nitpicky = True
# Other projects' pages are not fetched, so their names and labels lead nowhere.
_OTHERS = r"(captum|datetime|matplotlib|numpy|pandas|skorch|sklearn|torch)\..*"
nitpick_ignore_regex = [("py:.*", _OTHERS)]
suppress_warnings = ["ref.ref", "ref.term"]  # in docstrings inherited from scikit-learn
html_theme = "pydata_sphinx_theme"
html_title = "skecg"
html_show_sourcelink = False
html_context = {"default_mode": "light"}  # that of the figures

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    # The two comparisons take minutes to an hour: their recorded output is in results.rst.
    "filename_pattern": r"plot_(?!compare_models|ptbxl)",
    "write_computation_times": False,
    "parallel": 2,  # each example in a process of its own, on one torch thread
    "show_memory": False,
}
