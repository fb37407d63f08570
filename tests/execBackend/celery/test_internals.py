"""The names that Celery and kombu do not document: each is checked, and used in one module only."""

import ast
import importlib
import operator
import re
import socket
from pathlib import Path
from types import SimpleNamespace

import kombu
import pytest
from celery.concurrency.base import BasePool
from kombu.pools import ProducerPool

import flaskJSONRPCServer.execBackend.celery as package
from flaskJSONRPCServer.errors import UnsupportedError
from flaskJSONRPCServer.execBackend.celery import internals
from tests.gevent.processes import lines_of

NAMES = [path for path in internals._CONTRACT if ":" in path]
METHODS = [path for path, parameters in internals._CONTRACT.items() if parameters is not None]


def owner_of(path):
    """Return the object that has the last name of a path, and that name."""
    module, _, names = path.partition(":")
    *owners, name = names.split(".")
    owner = importlib.import_module(module)
    return (operator.attrgetter(".".join(owners))(owner) if owners else owner), name


def test_installed_versions_keep_the_contract():
    internals.check_contract()


@pytest.mark.parametrize("path", NAMES)
def test_missing_name_is_an_error_with_the_versions_and_the_remedy(monkeypatch, path):
    owner, name = owner_of(path)
    for namespace in getattr(owner, "__mro__", [owner]):  # a base class may have the name too
        monkeypatch.delattr(namespace, name, raising=False)
    with pytest.raises(UnsupportedError) as caught:
        internals.check_contract()

    assert re.fullmatch(
        rf"celery 5\.\S+ and kombu 5\.\S+ cannot be used here: {re.escape(path.replace(':', '.'))} is missing; "
        r"install the versions that were tested: pip install 'celery>=\S+,<\S+' 'kombu>=\S+,<\S+' .*",
        str(caught.value),
    )


@pytest.mark.parametrize("path", METHODS)
def test_method_with_other_parameters_is_an_error(monkeypatch, path):
    monkeypatch.setattr(*owner_of(path), lambda renamed: None)
    with pytest.raises(UnsupportedError, match=rf"{re.escape(path.replace(':', '.'))} takes \(renamed\) instead of \("):
        internals.check_contract()


@pytest.mark.parametrize("path", METHODS[:1])
def test_name_that_is_no_method_any_more_is_an_error(monkeypatch, path):
    monkeypatch.setattr(*owner_of(path), 5)
    with pytest.raises(UnsupportedError, match="is 5, which has no parameters"):
        internals.check_contract()


@pytest.mark.parametrize("module", ["celery.bin.celery", "celery.worker.state", "kombu.pidbox"])
def test_missing_module_is_an_error_of_the_server(module):
    script = f"""
        import sys
        sys.modules["{module}"] = None
        from flaskJSONRPCServer import flaskJSONRPCServer
        from flaskJSONRPCServer.errors import UnsupportedError
        try:
            flaskJSONRPCServer(None, dispatcherBackend="celery")
        except UnsupportedError as exc:
            print(exc)
    """
    [line] = lines_of(script, prelude="")

    assert re.search(rf"cannot be used here: .*{re.escape(module)}.*; install the versions that were tested", line)


def foreign_underscores(path):
    """Return the attributes with a leading underscore that a module reads of other objects than self and super()."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and re.match(r"_[^_]", node.attr):
            owner = ast.unparse(node.value)
            if owner not in ("self", "context.facade", "self._context.facade"):
                yield f"{path.name}: {owner}.{node.attr}"


def test_no_other_module_reads_private_names():
    modules = [path for path in Path(package.__file__).parent.glob("*.py") if path.name != "internals.py"]

    assert len(modules) > 10
    assert [name for path in modules for name in foreign_underscores(path)] == []


@pytest.mark.parametrize(("can_terminate", "is_ended"), [(True, True), (False, False)])
def test_tasks_are_ended_by_pools_that_can_end_one(monkeypatch, can_terminate, is_ended):
    class Pool(BasePool):
        if can_terminate:

            def terminate_job(self, pid, signal=None):
                pass

    revoked = []
    monkeypatch.setattr(internals, "revoke", lambda state, ids, **options: revoked.append((ids, options)))
    internals.end_tasks(SimpleNamespace(consumer=SimpleNamespace(pool=Pool())), ["a", "b"])

    assert revoked == [(["a", "b"], {"terminate": is_ended, "signal": "SIGKILL"})]


@pytest.mark.parametrize(
    ("codes", "should_terminate", "status"),
    [([], None, 0), ([None, 0], None, 0), ([None, 70], None, 70), ([0], 75, 75), ([70], 75, 70), ([0], False, 0)],
)
def test_exit_status_of_workers(monkeypatch, codes, should_terminate, status):
    monkeypatch.setattr(internals.worker_state, "should_terminate", should_terminate)

    assert internals.exit_status(SimpleNamespace(exitcode=code) for code in codes) == status


def test_closing_of_connections_leaves_the_default_timeout_of_sockets_alone(monkeypatch):
    """Two threads that close at once would leave the timeout behind, which kombu sets meanwhile."""
    changes = []
    producers = ProducerPool(internals.ClosingPool(kombu.Connection("memory://"), 2), limit=2)
    with producers.acquire(block=True) as producer:
        connection = producer.channel.connection.client
    assert connection.connected
    monkeypatch.setattr(socket, "setdefaulttimeout", changes.append)

    internals.close_producers(producers)

    assert changes == []
    assert not connection.connected
