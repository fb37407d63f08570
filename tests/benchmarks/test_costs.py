"""The benchmark of costs reports the cost of each program. No test checks the figures."""

import re

import pytest

from benchmarks import costs

PROGRAMS = {
    "simple": ["server"],
    "parallel": ["server", "children"],
    "celery": ["server", "broker", "worker"],
}


@pytest.mark.parametrize("backend", PROGRAMS)
def test_each_program_is_listed(backend, capsys, monkeypatch):
    def load(url, body, **_):
        for _ in range(300):
            costs.post(url.removeprefix("http://").removesuffix("/api"), body)

    monkeypatch.setattr(costs, "measure", load)
    assert costs.main([f"--only={backend}", "--seconds=1"]) == 0

    last = capsys.readouterr().out.splitlines()[-1]
    assert re.match(rf"{backend} +300 calls/s ", last), last
    assert re.findall(r"([a-z]+) \d+(?: |$)", last) == PROGRAMS[backend]
