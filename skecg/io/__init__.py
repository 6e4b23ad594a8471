"""Reading ECG files."""
