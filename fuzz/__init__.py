"""Fuzzing by atheris: ``python -m fuzz TARGET --seconds 60``; the targets are in :mod:`fuzz.targets`."""
