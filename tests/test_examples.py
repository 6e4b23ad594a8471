"""The example that needs real recordings; the others run when the documentation is built."""

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
def test_five_models_run_on_real_recordings(data_dir, tmp_path):
    arguments = ["--data", data_dir / "ptbxl", "--n-splits", "3", "--max-epochs", "1"]
    out = run(tmp_path, "plot_ptbxl.py", *arguments, "--table", "table.csv")
    assert "370 ECGs of 356 patients, 73 infarction, 297 normal" in out
    table = pd.read_csv(tmp_path / "table.csv")
    assert len(table) == 15
    # Infarction or normal is told by named features; one epoch teaches a network little.
    assert table.loc[table["model"] == "Random forest", "test_auc"].mean() > 0.85
