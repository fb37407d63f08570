"""Fuzzing by atheris: ``python -m fuzz TARGET --seconds 60``. The targets are in :mod:`fuzz.targets`."""
