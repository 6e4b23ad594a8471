"""Tests of model cards: what they know, and what they leave to fill."""

import json
import re
import zipfile

import numpy as np
import pytest
from browser import open_page

from skecg import ALVDClassifier, FeatureForestClassifier
from skecg.calibration import PriorCorrection
from skecg.datasets import make_omi
from skecg.metrics import classification_table, omi_subgroups, subgroup_table
from skecg.persistence import save_model
from skecg.report import model_card

Y = np.array([0, 0, 0, 0, 1, 1] * 20)
P = np.array([0.1, 0.2, 0.1, 0.6, 0.8, 0.4] * 20)


@pytest.fixture(scope="module")
def forest():
    X, y, _ = make_omi(60, prevalence=0.5, random_state=0)
    return FeatureForestClassifier(n_estimators=20, random_state=0).fit(X, y)


@pytest.fixture(scope="module")
def card(forest):
    subgroups = omi_subgroups(Y, sex=["F", "F", "M", "M", "F", "M"] * 20)
    settings = {"threshold": 0.5, "n_resamples": 100, "random_state": 0}
    return model_card(
        forest,
        training_data="Hospital A, 2019: 1,000 patients",
        threshold=0.5,
        metrics=classification_table(Y, P, **settings),
        subgroups=subgroup_table(Y, P, subgroups, **settings),
        limits="Not for children.",
        items={17: "Approved as 12/34."},
    )


def test_card_gives_measures_with_their_intervals(card):
    sens = classification_table(Y, P, threshold=0.5, n_resamples=100, random_state=0).loc["Sens"]
    low, high = sens["low"], sens["high"]
    assert f"| Sens | 0.500 ({low:.3f} to {high:.3f}) |" in card
    assert "| every ECG, sex M | 60 (20) | 0.000 (" in card
    assert "test data: 40 of 120 ECGs (33.3%), 120 patients" in card


def test_card_tells_the_level_of_its_intervals(card, forest):
    assert card.count("Intervals: 95 %, by resampling of patients.") == 2
    settings = {"threshold": 0.5, "n_resamples": 100, "confidence": 0.9}
    assert "Intervals: 90 %," in model_card(forest, metrics=classification_table(Y, P, **settings))
    unknown = classification_table(Y, P, **settings)
    unknown.attrs.clear()
    assert "Intervals: TO FILL," in model_card(forest, metrics=unknown)


def test_card_asks_how_the_operating_point_was_chosen(card, forest):
    assert "Operating point: a score of 0.5 and over. Chosen on: TO FILL." in card
    told = model_card(forest, threshold=0.3, threshold_from="validation data, highest F1")
    assert "a score of 0.3 and over. Chosen on: validation data, highest F1." in told
    table = classification_table(Y, P, threshold=0.3, n_resamples=10)
    assert "Operating point: TO FILL. Chosen on: TO FILL." in model_card(forest, metrics=table)
    assert "Operating point" not in model_card(forest)


@pytest.mark.parametrize("pos_label", ["OMI", None])
def test_card_names_the_positive_class(pos_label):
    X, y, _ = make_omi(60, prevalence=0.5, random_state=0)
    y = np.where(y == 1, "OMI", "no OMI")
    forest = FeatureForestClassifier(n_estimators=20, pos_label=pos_label, random_state=0)
    text = model_card(forest.fit(X, y))
    positive = pos_label or "no OMI"  # which sorts last
    assert f"| Positive class | {positive} |" in text
    assert f"; {positive} is the positive class |" in text


@pytest.mark.parametrize(
    ("corrects", "told"),
    [(False, "not brought back to the prevalence"), (True, "probabilities brought back to the")],
)
def test_card_tells_what_was_done_about_class_imbalance(corrects, told):
    X, y, _ = make_omi(60, prevalence=0.5, random_state=0)
    net = ALVDClassifier(max_epochs=1, random_state=0)
    text = model_card((PriorCorrection(net) if corrects else net).fit(X, y))
    row = next(line for line in text.splitlines() if line.startswith("| 13 |"))
    assert "sampling undersample" in row
    assert told in row


def test_what_nobody_told_is_to_be_filled(card, forest):
    assert "| Training data | Hospital A, 2019: 1,000 patients |" in card
    assert "| Test data | TO FILL |" in card
    assert "| 17 | Ethical approval | Approved as 12/34. |" in card
    assert "| 26 | Limitations | see Limits |" in card
    assert (
        "| 18 | Open science: funding, interests, protocol, registration, data, code | TO" in card
    )
    assert model_card(forest).count("TO FILL") > card.count("TO FILL")


def test_card_has_every_item_of_tripod_ai_once(card):
    rows = re.findall(r"^\| (\d+) \| ", card, re.MULTILINE)
    assert rows == [str(number) for number in range(1, 28)]


def test_card_tells_how_a_network_was_trained():
    X, y, _ = make_omi(60, prevalence=0.5, random_state=0)
    net = ALVDClassifier(max_epochs=2, random_state=0).fit(X, y)
    text = model_card(net)
    assert f"lr {net.lr:g}, batch\\_size {net.batch_size}, max\\_epochs 2" in text
    assert f"epoch {net.best_epoch_} kept" in text


def test_text_of_a_card_is_text_in_markdown_and_html(forest, tmp_path):
    evil = "<script>alert(1)</script> | [x](javascript:alert(1)) *b*"
    text = model_card(forest, limits=evil, path=tmp_path / "card.html")
    assert "<script>" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt; \\| \\[x\\](javascript:alert(1)) \\*b\\*" in text
    page = (tmp_path / "card.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; | [x]" in page


def test_words_at_the_head_of_a_table_are_not_broken(forest, tmp_path):
    path = tmp_path / "card.html"
    model_card(forest, path=path)
    measure = "<script>document.title=document.querySelectorAll('tr')[N].offsetHeight</script>"
    text = re.sub(r"<meta http-equiv.*?>", "", path.read_text(encoding="utf-8"))
    n = text[: text.index("<th>Item</th>")].count("<tr>") - 1
    path.write_text(text.replace("</body>", measure.replace("N", str(n)) + "</body>"))
    dom, _, _ = open_page(path)
    height = int(re.search(r"<title>(\d+)</title>", dom).group(1))
    assert height < 40  # one line of letters of 15 pixels


def test_card_is_written_as_it_is_returned_and_goes_into_a_model_file(forest, card, tmp_path):
    assert model_card(forest, path=tmp_path / "card.md") == (tmp_path / "card.md").read_text()
    save_model(forest, tmp_path / "forest.skecg", card=card)
    with zipfile.ZipFile(tmp_path / "forest.skecg") as file:
        assert json.loads(file.read("manifest.json"))["card"] == card


def test_wrong_items_and_paths_are_refused(forest, tmp_path):
    with pytest.raises(ValueError, match="items holds \\[28\\]"):
        model_card(forest, items={28: "none"})
    with pytest.raises(ValueError, match=r"must end in \.md or \.html"):
        model_card(forest, path=tmp_path / "card.pdf")
