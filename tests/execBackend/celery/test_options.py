"""The options: their checks, their defaults, and URLs without passwords."""

import re

import pytest

from flaskJSONRPCServer.errors import SettingsError
from flaskJSONRPCServer.execBackend.celery import CeleryBackend
from flaskJSONRPCServer.execBackend.celery.options import masked, without_secrets


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"broker": ""}, "needs a broker: CeleryBackend(broker='redis://127.0.0.1:6379/0'), or the environment"),
        ({"broker": "sqs://key:secret@host"}, "broker='sqs://key:**@host/' is refused"),
        ({"backend": "db+postgresql://me:secret@host/db"}, "answers travel by a message broker"),
        ({"queue": "a b"}, "queue='a b' is refused"),
        ({"timeout": 0}, "timeout=0.0 is refused"),
        ({"timeout": "soon"}, "timeout='soon' is refused"),
        ({"tries": 1}, "tries=1 is refused: it takes a whole number of at least 2"),
        ({"connections": 0}, "connections=0 is refused"),
        ({"redeliver_after": -1}, "redeliver_after=-1 is refused"),
    ],
)
def test_wrong_option_is_refused_with_its_name(monkeypatch, options, text):
    for name in ("FLASKJSONRPC_CELERY_BROKER", "CELERY_BROKER_URL", "FLASKJSONRPC_CELERY_BACKEND"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SettingsError, match=re.escape(text)) as caught:
        CeleryBackend(**{"broker": "redis://127.0.0.1", **options})

    assert "secret" not in str(caught.value)


def test_options_come_from_the_environment(monkeypatch):
    for name in ("BROKER", "BACKEND", "QUEUE", "TIMEOUT"):
        monkeypatch.delenv(f"FLASKJSONRPC_CELERY_{name}", raising=False)
    monkeypatch.setenv("CELERY_BROKER_URL", "redis://one")
    monkeypatch.setenv("CELERY_RESULT_BACKEND", "redis://two")
    general = CeleryBackend().options
    monkeypatch.setenv("FLASKJSONRPC_CELERY_BROKER", "redis://three")
    monkeypatch.setenv("FLASKJSONRPC_CELERY_BACKEND", "rpc://")
    monkeypatch.setenv("FLASKJSONRPC_CELERY_QUEUE", "mine")
    monkeypatch.setenv("FLASKJSONRPC_CELERY_TIMEOUT", "7.5")
    own = CeleryBackend().options

    assert (general.broker, general.answers, general.queue) == ("redis://one", "redis://two", "flaskJSONRPCServer")
    assert (own.broker, own.answers, own.queue, own.timeout_s) == ("redis://three", "redis://three", "mine", 7.5)


@pytest.mark.parametrize(
    ("urls", "text"),
    [
        ("redis://host/0", "redis://host/0"),
        ("redis://:secret@host:1/0", "redis://:**@host:1/0"),
        ("sentinel://:secret@a:1;sentinel://:secret@b:2", "sentinel://:**@a:1/;sentinel://:**@b:2/"),
    ],
)
def test_masked_urls_have_no_passwords(urls, text):
    assert masked(urls) == text


@pytest.mark.parametrize(
    ("text", "without"),
    [
        ("no secret", "no secret"),
        ("cannot connect to amqp://me:p%40ss@host//", "cannot connect to amqp://me:**@host//"),
        ("refused: p%40ss", "refused: **"),
        ("refused: p@ss", "refused: **"),
    ],
)
def test_passwords_are_replaced_in_texts(text, without):
    assert without_secrets(text, "amqp://me:p%40ss@host//", "redis://open") == without
