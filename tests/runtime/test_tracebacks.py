"""Tracebacks of exceptions that may not be formatted."""

import logging
import sys
import traceback

import pytest

from flaskJSONRPCServer.runtime.logs import ERROR, ServerLog
from flaskJSONRPCServer.runtime.tracebacks import traceback_lines
from tests.raised import MAKERS


def caught(make):
    try:
        raise make()
    except Exception:  # noqa: BLE001  of any class
        return sys.exc_info()[1]


def test_traceback_is_the_one_of_python():
    exc = caught(lambda: ValueError("no"))

    assert traceback_lines(exc) == traceback.format_exception(exc)


@pytest.mark.parametrize("name", MAKERS)
def test_exception_that_cannot_be_formatted_has_its_frames_and_its_class(name):
    exc = caught(MAKERS[name])

    text = "".join(traceback_lines(exc))

    assert "Traceback (most recent call last):\n" in text
    assert "in caught\n" in text
    assert name in text.splitlines()[-1]


@pytest.mark.parametrize("name", MAKERS)
def test_exception_that_cannot_be_formatted_is_logged(name, caplog):
    log = ServerLog("raised", ERROR)
    try:
        raise MAKERS[name]()
    except Exception:  # noqa: BLE001  of any class
        log.write(ERROR, "it failed", traceback=True)

    (record,) = caplog.records
    assert record.getMessage() == "it failed"
    assert name in logging.Formatter().format(record)
