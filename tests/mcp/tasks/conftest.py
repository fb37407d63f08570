"""The folder of calls that are held."""

import pytest


@pytest.fixture
def folder(tmp_path):
    """A folder for `hold`, whose calls end with the test."""
    yield tmp_path
    (tmp_path / "go").touch()
