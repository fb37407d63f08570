"""The process's limits of open files."""

import pytest

from flaskJSONRPCServer import SettingsError, flaskJSONRPCServer
from flaskJSONRPCServer.runtime import resources
from flaskJSONRPCServer.runtime.resources import checked_limits, raise_descriptor_limit


class FakeResource:
    """A system with limits of its own; without privilege the hard limit only falls."""

    RLIMIT_NOFILE = 7
    RLIM_INFINITY = -1

    def __init__(self, soft, hard, *, privileged=False, most=2**20):
        self.limits = (soft, hard)
        self._privileged = privileged
        self._most = most

    def getrlimit(self, which):
        assert which == self.RLIMIT_NOFILE
        return self.limits

    def setrlimit(self, which, limits):
        assert which == self.RLIMIT_NOFILE
        soft, hard = (self._most * 2 if limit == self.RLIM_INFINITY else limit for limit in limits)
        if soft > hard:
            raise ValueError("current limit exceeds maximum limit")
        if limits[1] != self.limits[1] and (not self._privileged or hard > self._most):
            raise PermissionError("not allowed to raise maximum limit")
        self.limits = limits


@pytest.mark.parametrize(
    ("now", "privileged", "wanted", "after"),
    [
        ((1024, 4096), True, (65536, 65536), (65536, 65536)),
        ((1024, 4096), False, (65536, 65536), (4096, 4096)),
        ((1024, 4096), False, (2048, 65536), (2048, 4096)),
        ((1024, 4096), False, (512, 1024), (1024, 4096)),
        ((1024, 2**19), False, (65536, 65536), (65536, 2**19)),
        ((1024, -1), False, (65536, 65536), (65536, -1)),
        ((-1, -1), False, (65536, 65536), (-1, -1)),
        ((1024, 4096), True, (2**21, 2**21), (4096, 4096)),
    ],
)
def test_limits_are_raised_as_far_as_it_goes_and_never_lowered(now, privileged, wanted, after, monkeypatch):
    system = FakeResource(*now, privileged=privileged)
    monkeypatch.setattr(resources, "resource", system)

    assert raise_descriptor_limit(*wanted) == after
    assert system.limits == after


def test_system_without_such_limits(monkeypatch):
    monkeypatch.setattr(resources, "resource", None)

    assert raise_descriptor_limit(10, 20) == (10, 20)


def test_documented_helper_raises_the_limits(monkeypatch):
    system = FakeResource(1024, 4096)
    monkeypatch.setattr(resources, "resource", system)

    assert flaskJSONRPCServer(None, log=False)._tweakLimit([2048, 4096]) == (2048, 4096)
    assert system.limits == (2048, 4096)


@pytest.mark.parametrize(
    ("given", "limits"),
    [((1, 2), (1, 2)), ([65536, 65536], (65536, 65536)), (False, None), (None, None), ((), None)],
)
def test_option(given, limits):
    assert checked_limits(given) == limits


@pytest.mark.parametrize(
    "given", [True, 5, "12", (1,), (1, 2, 3), (0, 1), (-1, 5), (2, 1), ("1", "2"), (1.0, 2.0), {1: 2}]
)
def test_option_that_is_refused(given):
    with pytest.raises(SettingsError, match=r"it takes \[soft limit, hard limit\], or False"):
        checked_limits(given)
    with pytest.raises(SettingsError, match="tweakDescriptors="):
        flaskJSONRPCServer(None, tweakDescriptors=given)
