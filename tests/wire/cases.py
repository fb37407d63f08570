"""The wire table: every case of every theme."""

from tests.wire import cases_answers, cases_browsers, cases_calls, cases_http

CASES = [*cases_calls.CASES, *cases_http.CASES, *cases_browsers.CASES, *cases_answers.CASES]
