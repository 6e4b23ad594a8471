"""The example scripts, run as a user would run them."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def run(folder, script, *arguments):
    done = subprocess.run(
        [sys.executable, EXAMPLES / script, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.mark.slow
def test_learning_rate_is_chosen_and_drawn(tmp_path):
    assert "Chosen by validation: lr=0.0" in run(tmp_path, "plot_learning_rate.py")
    assert (tmp_path / "learning_rate.png").stat().st_size > 10_000


@pytest.mark.slow
def test_features_of_the_forest_are_drawn(tmp_path):
    out = run(tmp_path, "plot_forest_features.py")
    assert "375 features" in out
    assert (tmp_path / "forest_features.png").stat().st_size > 10_000


@pytest.mark.slow
def test_an_ecg_is_drawn_to_file(tmp_path):
    assert "'P'" in run(tmp_path, "plot_ecg_paper.py")
    assert (tmp_path / "ecg.pdf").stat().st_size > 10_000


@pytest.mark.slow
def test_saliency_is_drawn_and_checked(tmp_path):
    assert "all layers random" in run(tmp_path, "plot_saliency.py")
    assert (tmp_path / "saliency.png").stat().st_size > 10_000


@pytest.mark.slow
def test_a_report_and_a_card_are_written(tmp_path):
    out = run(tmp_path, "plot_report.py")
    assert "The page has " in out
    assert "| Training data | 300 simulated ECGs" in out


@pytest.mark.slow
def test_five_models_run_on_real_recordings(data_dir, tmp_path):
    arguments = ["--data", data_dir / "ptbxl", "--n-splits", "3", "--max-epochs", "1"]
    out = run(tmp_path, "plot_ptbxl.py", *arguments, "--table", "table.csv")
    assert "370 ECGs of 356 patients, 73 infarction, 297 normal" in out
    table = pd.read_csv(tmp_path / "table.csv")
    assert len(table) == 15
    # Infarction or normal is told by named features; one epoch teaches a network little.
    assert table.loc[table["model"] == "Random forest", "test_auc"].mean() > 0.85


@pytest.mark.slow
def test_raw_ecgs_become_beats_on_a_cluster(tmp_path):
    out = run(tmp_path, "plot_scale_out.py")
    assert "Largest difference from the beats in zarr: 0.00" in out
    assert (tmp_path / "scale_out.png").stat().st_size > 10_000
