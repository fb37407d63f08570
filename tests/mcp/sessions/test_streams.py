"""Streams of a session, without connections."""

import pytest

from flaskJSONRPCServer.mcp.sessions.streams import KeptBytes, SessionStreams, UnknownEventError


class Outlet:
    """A connection that keeps what is sent on it."""

    def __init__(self):
        self.is_closed = False
        self.text = b""

    def send(self, data):
        if not self.is_closed:
            self.text += data
        return not self.is_closed

    def close(self):
        self.is_closed = True

    @property
    def events(self):
        """The id and data of each event."""
        events = [dict(line.split(b": ", 1) for line in part.split(b"\n") if b": " in line) for part in self.parts()]
        return [(event.get(b"id", b"").decode(), event[b"data"].decode()) for event in events if b"data" in event]

    def parts(self):
        return self.text.split(b"\n\n")


@pytest.fixture
def streams():
    return SessionStreams(KeptBytes(10_000_000), primes=True)


def attached(stream, after=None):
    outlet = Outlet()
    stream.attach(outlet, after)
    return outlet


def test_stream_begins_with_an_id_and_the_time_of_reconnection(streams):
    stream = streams.open()
    assert attached(stream).text == b"id: 1-0\nretry: 1000\ndata:\n\n"


def test_older_clients_get_no_event_without_data():
    streams = SessionStreams(KeptBytes(1000), primes=False)
    assert attached(streams.open()).text == b"retry: 1000\n\n"


def test_messages_have_ids_of_their_stream(streams):
    stream, other = streams.open(), streams.open()
    outlet, other_outlet = attached(stream), attached(other)
    stream.send(b"1")
    other.send(b"2")
    stream.send(b"3")
    assert outlet.events == [("1-1", "1"), ("1-2", "3")]
    assert other_outlet.events == [("2-1", "2")]


def test_client_that_comes_back_gets_what_it_has_missed_of_the_same_stream(streams):
    stream, other = streams.open(), streams.open()
    broken = attached(stream)
    stream.send(b"1")
    broken.is_closed = True
    stream.send(b"2")
    other.send(b"not this")
    stream.send(b"3")

    found, number = streams.find("1-1")
    outlet = attached(found, number)
    stream.send(b"4")
    assert outlet.events == [("1-2", "2"), ("1-3", "3"), ("1-4", "4")]


def test_stream_that_has_ended_can_be_resumed_and_then_closes(streams):
    stream = streams.open()
    attached(stream).is_closed = True
    stream.send(b"answer")
    stream.end()
    outlet = attached(*streams.find("1-0"))
    assert outlet.events == [("1-1", "answer")]
    assert outlet.is_closed


def test_what_comes_before_the_first_connection_is_sent_with_it_once(streams):
    streams.standalone.send(b"1")
    assert attached(streams.standalone).events == [("0-1", "1")]
    assert attached(streams.standalone).events == []


def test_new_connection_takes_the_place_of_the_one_before(streams):
    first = attached(streams.standalone)
    second = attached(streams.standalone)
    streams.standalone.send(b"1")
    assert first.is_closed
    assert first.events == []
    assert second.events == [("0-1", "1")]


@pytest.mark.parametrize("event_id", ["", "9-0", "1", "a-b", "1-", "-1", "1-0 ", "1-0\n", "9" * 5000 + "-1"])
def test_unknown_event_is_refused(streams, event_id):
    streams.open()
    with pytest.raises(UnknownEventError):
        streams.find(event_id)


def test_oldest_events_are_forgotten_first(streams, monkeypatch):
    monkeypatch.setattr("flaskJSONRPCServer.mcp.sessions.streams._MOST_EVENTS", 3)
    first, second = streams.open(), streams.open()
    first.send(b"1")
    first.end()
    for number in range(3):
        second.send(b"%d" % number)
    with pytest.raises(UnknownEventError):
        streams.find("1-0")
    assert [data for _, data in attached(second, 0).events] == ["0", "1", "2"]


def test_answer_is_kept_however_long_it_is(streams, monkeypatch):
    monkeypatch.setattr("flaskJSONRPCServer.mcp.sessions.streams._MOST_BYTES", 100)
    stream = streams.open()
    stream.send(b"before")
    stream.send(b"x" * 1000)
    assert [len(data) for _, data in attached(stream, 0).events] == [1000]


def test_all_sessions_together_keep_no_more_than_they_may():
    kept_bytes = KeptBytes(200)
    streams, others = SessionStreams(kept_bytes, primes=True), SessionStreams(kept_bytes, primes=True)
    streams.standalone.send(b"x" * 100)
    others.standalone.send(b"x" * 100)
    assert kept_bytes.count <= 200
    assert others.standalone.kept == type(others.standalone.kept)()


def test_end_closes_connections_and_forgets_events():
    kept_bytes = KeptBytes(1000)
    streams = SessionStreams(kept_bytes, primes=True)
    stream, standalone = streams.open(), attached(streams.standalone)
    outlet = attached(stream)
    stream.send(b"1")
    streams.end()
    stream.send(b"2")
    assert standalone.is_closed
    assert outlet.is_closed
    assert kept_bytes.count == 0
