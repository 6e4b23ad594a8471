"""Tests of the report of one ECG: what it says, what it keeps to itself, how it opens."""

import base64
import hashlib
import io
import re
import warnings
from dataclasses import replace
from html.parser import HTMLParser

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from browser import open_page
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import VotingClassifier
from sklearn.pipeline import make_pipeline

from skecg import ALVDClassifier, FeatureForestClassifier, STEMICriteriaClassifier
from skecg.calibration import PriorCorrection
from skecg.datasets import make_omi
from skecg.io import ECG, read_ecg
from skecg.preprocessing import BeatCropper, LeadStandardScaler, MedianBeat
from skecg.report import ecg_report

EVIL = "<script>document.title='evil'</script><img src=x onerror=\"document.title='evil'\">"
SECTIONS = [
    "Result",
    "Rules",
    "Quality",
    "Measurements",
    "Tracing",
    "Median beat",
    "What the model looked at",
    "Recording",
    "Model",
]


@pytest.fixture(scope="module")
def training():
    return make_omi(60, prevalence=0.5, random_state=0)[:2]


@pytest.fixture(scope="module")
def net(training):
    net = ALVDClassifier(max_epochs=1, random_state=0)
    return make_pipeline(BeatCropper(), LeadStandardScaler(), net).fit(*training)


@pytest.fixture(scope="module")
def rules(training):
    return STEMICriteriaClassifier().fit(*training)


@pytest.fixture(scope="module")
def forest(training):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PendingDeprecationWarning)  # of shap, at its import
        import shap  # noqa: F401
    return FeatureForestClassifier(n_estimators=20, random_state=0).fit(*training)


@pytest.fixture(scope="module")
def ecg():
    signal = make_omi(1, prevalence=1, severity=2, form="ecg", random_state=3)[0][0]
    return ECG(signal, sampling_rate=500, format="simulated", age=61, sex="M", highpass=0.5)


def constant(share):
    """A calibrated classifier that gives every ECG the same probability."""
    dummy = PriorCorrection(DummyClassifier(), prevalence=share)
    return dummy.fit(np.zeros((2, 12, 600)), [0, 1])


class Page(HTMLParser):
    """What a page is made of."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.words = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


def report(estimator, ecg, folder, **kwargs):
    path = folder / "ecg.html"
    ecg_report(estimator, ecg, path, **kwargs)
    return Page(path.read_text(encoding="utf-8"))


def test_page_opens_in_a_browser_with_all_sections_and_no_complaint(net, ecg, tmp_path):
    report(net, ecg, tmp_path)
    dom, console, png = open_page(tmp_path / "ecg.html", height=3000)
    assert console == []
    assert re.findall(r"<h2>(.*?)</h2>", dom) == SECTIONS
    picture = plt.imread(io.BytesIO(png))[..., :3]
    red = (picture[..., 0] > picture[..., 1] + 0.1).mean()  # paper
    black = (picture.max(axis=2) < 0.2).mean()  # traces and letters
    assert red > 0.02
    assert black > 0.005


def test_hostile_text_of_a_file_is_shown_and_does_nothing(rules, ecg, tmp_path):
    evil = replace(ecg, format=EVIL, sex=None, notes=(EVIL,), identifiers={EVIL: EVIL})
    page = report(rules, evil, tmp_path, show_identifiers=True)
    assert page.text.count("<script>document.title='evil'</script>") == 4
    dom, console, _ = open_page(tmp_path / "ecg.html")
    assert console == []
    assert "<title>ECG report</title>" in dom
    assert "<script" not in dom


def test_page_runs_nothing_and_loads_nothing(forest, ecg, tmp_path):
    evil = replace(ecg, notes=(EVIL, '"><a href="javascript:alert(1)">', "\u202egnp.exe\x00"))
    page = report(forest, evil, tmp_path)
    assert set(page.tags) <= {
        *("html", "head", "meta", "title", "style", "body", "h1", "h2", "section", "p", "table"),
        *("tr", "th", "td", "figure", "img", "figcaption"),
    }
    names = {name for name, _ in page.attributes}
    assert names <= {"lang", "charset", "http-equiv", "content", "name", "class", "width"} | {
        "alt",
        "src",
    }
    sources = [value for name, value in page.attributes if name == "src"]
    assert all(source.startswith("data:image/svg+xml;base64,") for source in sources)
    assert "\u202e" not in page.text
    assert "\ufffdgnp.exe\ufffd" in page.text


def test_policy_allows_the_page_s_own_style_and_pictures_only(rules, ecg, tmp_path):
    report(rules, ecg, tmp_path)
    text = (tmp_path / "ecg.html").read_text(encoding="utf-8")
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = re.search(r'Content-Security-Policy" content="(.*?)"', text)[1]
    assert policy.split("; ") == [
        "default-src 'none'",
        "img-src data:",
        f"style-src 'sha256-{digest}'",
        "base-uri 'none'",
        "form-action 'none'",
    ]


def test_pictures_load_nothing_and_hold_no_script(net, ecg, tmp_path):
    page = report(net, ecg, tmp_path)
    for name, value in page.attributes:
        if name == "src":
            svg = base64.b64decode(value.split(",")[1]).decode()
            assert "<script" not in svg
            assert not re.search(r'href="(?!#)', svg)


def test_tracing_has_true_scale_on_the_page(rules, ecg, tmp_path):
    page = report(rules, ecg, tmp_path)
    width = int(next(value for name, value in page.attributes if name == "width"))
    assert width == pytest.approx(280 / 25.4 * 96, abs=1)  # 10 s of 25 mm, pulse and margins


def test_score_is_no_probability_unless_it_is_said_who_it_was_calibrated_on(forest, ecg, tmp_path):
    beat = MedianBeat().fit_transform([ecg])
    score = 100 * forest.predict_proba(beat)[0, 1]
    page = report(forest, ecg, tmp_path)
    assert f"Class 1: score {score:.0f} of 100, not a probability" in page.text
    assert "risk low" not in page.text
    assert "probability " not in page.text.replace("not a probability ", "")


@pytest.mark.parametrize(
    ("share", "shown"),
    [
        (0.004, "probability under 1 %, risk low"),
        (0.045, "probability 4 %, risk low"),
        (0.06, "probability 6 %, risk intermediate"),
        (0.19, "probability 19 %, risk intermediate"),
        (0.21, "probability 21 %, risk high"),
        (0.995, "probability over 99 %, risk high"),
    ],
)
def test_calibrated_probability_has_the_published_risk_groups(share, shown, ecg, tmp_path):
    page = report(constant(share), ecg, tmp_path, calibrated_on="Hospital A, 2020")
    assert f"Class 1: {shown}" in page.text
    assert "Calibrated on: Hospital A, 2020." in page.text
    assert "not a probability" not in page.text


@pytest.mark.parametrize("kind", ["network", "rules", "vote of a calibrated one"])
def test_no_probability_of_a_model_that_is_not_calibrated(
    kind, net, rules, training, ecg, tmp_path
):
    vote = VotingClassifier([("a", constant(0.1)), ("b", DummyClassifier())], voting="soft")
    estimator = {
        "network": lambda: net,
        "rules": lambda: rules,
        "vote of a calibrated one": lambda: vote.fit(*training),
    }[kind]()
    with pytest.raises(ValueError, match="does not end in a calibrated classifier"):
        ecg_report(estimator, ecg, tmp_path / "ecg.html", calibrated_on="Hospital A")
    assert list(tmp_path.iterdir()) == []


def test_recording_and_median_beat_give_the_same_score(net, training, ecg, tmp_path):
    whole = make_pipeline(MedianBeat(), net)
    whole[0].fit(ecg.signal[None])
    of_beat, of_recording = (report(each, ecg, tmp_path).text for each in (net, whole))
    pattern = r"score (\d+) of 100"
    assert re.search(pattern, of_beat)[1] == re.search(pattern, of_recording)[1]
    assert "Saliency" in (tmp_path / "ecg.html").read_text(encoding="utf-8")


def test_forest_tells_its_features(forest, ecg, tmp_path):
    page = report(forest, ecg, tmp_path)
    values = forest.shap_values(MedianBeat().fit_transform([ecg]))[0]
    best = np.abs(values).argmax()
    assert forest.feature_names_[best] in page.text
    assert f"{100 * values[best]:+.1f}" in page.text


def bad(ecg, kind):
    signal = ecg.signal.copy()
    if kind == "flat":
        signal[:] = 0
    elif kind == "nothing but NaN":
        signal[:] = np.nan
    elif kind == "infinity":
        signal[0, 100] = np.inf
    elif kind == "1 s":
        signal = signal[:, :500]
    elif kind == "a lead missing":
        signal[8] = np.nan
        return replace(ecg, signal=signal, missing_leads=("V3",))
    return replace(ecg, signal=signal)


@pytest.mark.parametrize("kind", ["flat", "nothing but NaN", "infinity", "1 s"])
def test_page_of_a_bad_recording_says_what_could_not_be_done(kind, rules, ecg, tmp_path):
    text = report(rules, bad(ecg, kind), tmp_path).text
    assert "No score: " in text
    assert "Unusable: " in text
    assert "Not judged: there is no median beat." in text
    assert "of 100" not in text


def test_missing_lead_is_named_and_takes_the_score_away(rules, ecg, tmp_path):
    text = report(rules, bad(ecg, "a lead missing"), tmp_path).text
    assert "No score: no values in V3." in text
    assert re.search(r"J (\S+ ){8}none ", text)
    assert "of 100" not in text


def test_axes_are_not_told_without_the_leads_they_come_from(rules, ecg, tmp_path):
    signal = ecg.signal.copy()
    signal[5] = np.nan  # aVF
    text = report(rules, replace(ecg, signal=signal), tmp_path).text
    assert "QRS axis not found" in text
    assert "QRS duration not found" not in text


@pytest.mark.parametrize(
    ("age", "told"),
    [(61, "61 years"), (300, "300 years, taken as unknown"), (np.nan, "not told")],
)
def test_an_age_that_the_rules_do_not_use_is_called_so(age, told, rules, ecg, tmp_path):
    text = report(rules, replace(ecg, age=age), tmp_path).text
    assert f"Age {told} Sex" in text


def test_doubt_about_the_recording_stands_beside_the_score(rules, ecg, tmp_path):
    text = report(rules, ecg, tmp_path).text
    assert "The recording is doubtful: recorded with a high-pass of 0.5 Hz" in text


def test_identifiers_are_printed_only_when_asked_for(rules, ecg, tmp_path):
    named = replace(ecg, identifiers={"name": "Rosa Klebb"})
    assert "Klebb" not in report(rules, named, tmp_path).text
    assert "Klebb" in report(rules, named, tmp_path, show_identifiers=True).text
    with pytest.raises(ValueError, match="keep_identifiers=True"):
        ecg_report(rules, ecg, tmp_path / "ecg.html", show_identifiers=True)


def test_same_ecg_gives_the_same_bytes_and_leaves_no_figure(net, ecg, tmp_path):
    for suffix in ("html", "pdf"):
        pages = []
        for _ in range(2):
            ecg_report(net, ecg, tmp_path / f"ecg.{suffix}")
            pages.append((tmp_path / f"ecg.{suffix}").read_bytes())
        assert pages[0] == pages[1]
    assert plt.get_fignums() == []


def test_pdf_has_text_and_a_page_for_each_picture(rules, ecg, tmp_path):
    noted = replace(ecg, notes=("a lead named $\\frac{", "心電図"))
    ecg_report(rules, noted, tmp_path / "ecg.pdf")
    pdf = (tmp_path / "ecg.pdf").read_bytes()
    assert pdf.startswith(b"%PDF")
    assert len(re.findall(rb"/Type /Page\b", pdf)) == 3


def test_wrong_arguments_are_named_and_nothing_is_written(rules, ecg, tmp_path):
    with pytest.raises(ValueError, match=r"must end in \.html or \.pdf"):
        ecg_report(rules, ecg, tmp_path / "ecg.txt")
    with pytest.raises(TypeError, match=r"what skecg\.io\.read_ecg returns"):
        ecg_report(rules, ecg.signal, tmp_path / "ecg.html")
    with pytest.raises(ValueError, match="calibrated_on is empty"):
        ecg_report(rules, ecg, tmp_path / "ecg.html", calibrated_on=" ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name",
    [
        "scp/ecgtoolkit_Example.scp",
        "ge_muse/braveheart_example1.xml",
        "aecg/liryc_hl7aecg_example.xml",
        "dicom/cardio_sample.dcm",
    ],
)
def test_files_of_recorders_give_whole_pages(name, net, data_dir, tmp_path):
    text = report(net, read_ecg(data_dir / "formats" / name), tmp_path).text
    assert [text.index(section) for section in SECTIONS]
    assert "of 100, not a probability" in text
