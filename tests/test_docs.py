"""The documentation: every public name is in the API pages, every link in the site leads somewhere.

The tests of the built site are skipped where there is none: ``pip install -e '.[docs]'`` and
``sphinx-build -W -b html docs docs/_build/html`` make it. SKECG_REQUIRE_SITE=1 asks for it.
"""

import html
import importlib
import inspect
import os
import pkgutil
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from browser import open_page

import skecg

DOCS = Path(__file__).resolve().parents[1] / "docs"
SITE = DOCS / "_build" / "html"
MODULES = [m.name for m in pkgutil.iter_modules(skecg.__path__) if not m.name.startswith("_")]


def public_names(module):
    """Yield what a module offers: its __all__, else what it defines itself."""
    for name, value in vars(module).items():
        if hasattr(module, "__all__"):
            public = name in module.__all__
        else:
            own = getattr(value, "__module__", None) == module.__name__
            public = not name.startswith("_") and (own or name.isupper())
        if public and not inspect.ismodule(value):
            yield name


def documented_names():
    text = (DOCS / "api.rst").read_text(encoding="utf-8")
    return set(re.findall(r"^(?:\.\. py:data:: |   )([\w.]+)$", text, re.MULTILINE))


def test_every_name_at_the_top_is_in_the_api_pages():
    assert set(skecg.__all__) - {"__version__"} - documented_names() == set()


@pytest.mark.parametrize("name", sorted({*MODULES} - {"classifiers"}))
def test_every_public_name_of_a_module_is_in_the_api_pages(name):
    module = importlib.import_module(f"skecg.{name}")
    documented = documented_names() | set(skecg.__all__)
    missing = {n for n in public_names(module) if {f"{name}.{n}", n}.isdisjoint(documented)}
    assert missing == set()


def test_the_api_pages_name_nothing_that_does_not_exist():
    for name in documented_names():
        module, _, attribute = f"skecg.{name}".rpartition(".")
        assert hasattr(importlib.import_module(module), attribute), name


class Page(HTMLParser):
    """Where a page can be jumped to, and where it leads."""

    def __init__(self, path):
        super().__init__()
        self.ids, self.links = set(), set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.ids |= {attrs.get("id"), attrs.get("name")}
        self.links |= {attrs.get("href"), attrs.get("src")} - {None}


@pytest.fixture(scope="module")
def site():
    if not (SITE / "index.html").exists():
        if os.environ.get("SKECG_REQUIRE_SITE") == "1":
            pytest.fail(f"the built site is required, but there is no {SITE / 'index.html'}")
        pytest.skip("no built site: sphinx-build -W -b html docs docs/_build/html")
    return SITE


@pytest.mark.slow
def test_every_link_inside_the_site_leads_somewhere(site):
    files = (path for path in site.rglob("*.html") if "_static" not in path.parts)
    pages = {path.resolve(): Page(path) for path in files}
    assert len(pages) > 80
    broken = set()
    for path, page in pages.items():
        for link in page.links:
            scheme, host, file, _, anchor = urlsplit(link)
            if scheme or host:
                continue
            target = (path.parent / unquote(file)).resolve() if file else path
            anchored = not anchor or target not in pages or unquote(anchor) in pages[target].ids
            if not (target.exists() and anchored):
                broken.add(f"{path.relative_to(site)} -> {link}")
    assert broken == set()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("index.html", "occlusion myocardial infarction"),
        ("auto_examples/plot_quickstart.html", "sphx_glr_plot_quickstart_001.png"),
        ("generated/skecg.SmartNetClassifier.html", "Riek et al."),
    ],
)
def test_a_page_opens_in_a_browser_without_complaint(site, page, words):
    dom, console, png = open_page(site / page)
    assert words in dom
    assert [line for line in console if "[PST]: " not in line] == []  # its theme
    assert len(png) > 20_000


@pytest.mark.slow
def test_search_finds_the_saliency_guide(site):
    page = (site / "search.html").resolve().as_uri()
    dom, _, _ = open_page(f"{page}?q=saliency")  # a file may not fetch the found pages' summaries
    results = re.search(r'<ul[^>]*class="search.*?</ul>', dom, re.DOTALL)
    assert "guide/saliency.html" in results.group()


OUTPUTS = {
    "plot_calibration": "Prevalence 0.",
    "plot_ecg_paper": "'P'",
    "plot_evaluation": "STEMI criteria not met",
    "plot_fine_tuning": "fine-tuned",
    "plot_forest_features": "375 features",
    "plot_generic_signals": "other windows: ",
    "plot_learning_rate": "Chosen by validation: lr=0.0",
    "plot_operating_point": "rule out",
    "plot_own_files": "ecg005.hea: ",
    "plot_quickstart": "Figure: quickstart.png",
    "plot_report": "| Training data | 300 simulated ECGs",
    "plot_saliency": "all layers random",
    "plot_scale_out": "Largest difference from the beats in zarr: 0.00",
    "plot_simulator": "simulated normals",
}


def test_every_example_but_the_long_comparisons_has_a_known_output():
    examples = {path.stem for path in (DOCS.parent / "examples").glob("plot_*.py")}
    assert examples - {"plot_compare_models", "plot_ptbxl"} == set(OUTPUTS)


@pytest.mark.slow
@pytest.mark.parametrize("example", sorted(OUTPUTS))
def test_an_example_shows_its_output_and_its_figure(site, example):
    page = (site / "auto_examples" / f"{example}.html").read_text(encoding="utf-8")
    outputs = re.findall(r'<div class="sphx-glr-script-out.*?</pre>', page, re.DOTALL)
    assert OUTPUTS[example] in html.unescape(re.sub("<[^>]*>", "", "".join(outputs)))
    assert (site / "_images" / f"sphx_glr_{example}_001.png").stat().st_size > 10_000
