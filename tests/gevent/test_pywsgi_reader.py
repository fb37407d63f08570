"""Reading requests under pywsgi: the same results as native, by the same parser."""

import pytest

from tests.gevent.processes import lines_of
from tests.gevent.test_pywsgi import RAW

READER = """
import io
from flaskJSONRPCServer.http.refusals import Refusal
from flaskJSONRPCServer.servBackend.pywsgi_body import LengthBody
from flaskJSONRPCServer.servBackend.pywsgi_reader import ChunkedBody, RequestReader
from tests.servBackend.native.samples import ACCEPTED, GET, LIMITS, REFUSED, parse

class Pieces(io.RawIOBase):
    # Returns a limited number of bytes at a time.

    def __init__(self, data, size):
        self.data, self.size = data, size

    def readable(self):
        return True

    def readinto(self, buffer):
        size = min(self.size, len(buffer))
        piece, self.data = self.data[:size], self.data[size:]
        buffer[: len(piece)] = piece
        return len(piece)

def body_of(reader, source):
    if reader.is_complete:
        return b""
    if "HTTP_TRANSFER_ENCODING" not in reader.parser.head:
        return LengthBody(source, int(reader.parser.head["CONTENT_LENGTH"])).read()
    return ChunkedBody(reader).read()

def read(data, size):
    source = io.BufferedReader(Pieces(data, size))
    reader = RequestReader(source, LIMITS, {"REMOTE_ADDR": "192.0.2.1"})
    try:
        reader.read_head()
        head, goes_on = reader.parser.head, reader.parser.keeps_alive
        query = f"?{head['QUERY_STRING']}" if head["QUERY_STRING"] else ""
        request = head["REQUEST_METHOD"], head["PATH_INFO"] + query, body_of(reader, source), goes_on
        assert goes_on is reader.parser.keeps_alive
        return request, source.read()
    except Refusal as refusal:
        return (int(refusal.status[:3]), str(refusal)), None
    finally:
        reader.close()
"""


def lines_of_reader(code):
    """Run code after READER. Return the lines that it prints."""
    return lines_of(READER + code, prelude="")


def test_request_is_read_up_to_its_end_and_no_further():
    out = lines_of_reader(
        """
for data, expected in ACCEPTED:
    for size in (1, 2, 3, 5, 7, 10_000):
        result = read(data + GET, size)
        assert result == (expected, GET), (data, size, result)
print(len(ACCEPTED) > 20)
"""
    )
    assert out == ["True"]


def test_request_after_a_chunked_body_may_be_an_upgrade_request():
    out = lines_of_reader(
        """
from tests.servBackend.native.samples import chunked
NEXT = b"GET / HTTP/1.1\\r\\nHost: a\\r\\nUpgrade: h2c\\r\\nConnection: upgrade\\r\\n\\r\\n"
for size in (1, 2, 3, 5, 7, 10_000):
    assert read(chunked(b"ab", b"c") + NEXT, size) == (("POST", "/api", b"abc", True), NEXT), size
print("read")
"""
    )
    assert out == ["read"]


def test_upgrade_request_has_the_same_end():
    out = lines_of_reader(
        """
for data, expected in ACCEPTED:
    version, fields = b" HTTP/1.1\\r\\n", b"Upgrade: h2c\\r\\nConnection: upgrade\\r\\n"
    if version in data and b"Connection" not in data:
        for size in (1, 10_000):
            result = read(data.replace(version, version + fields) + GET, size)
            assert result == (expected, GET), (data, size, result)
"""
    )
    assert out == [""]


def test_refusals_are_those_of_native():
    out = lines_of_reader(
        """
for data, status in REFUSED:
    [expected] = parse(data)
    assert expected[0] == status
    for size in (1, 100, 10_000):
        refusal, _ = read(data, size)
        assert refusal == expected or size == 1 and refusal[0] == status, (data[:100], size, refusal, expected)
print(len(REFUSED) > 50)
"""
    )
    assert out == ["True"]


@pytest.mark.parametrize("data", ["GET", "chunked(b'ab')"])
def test_request_that_breaks_off_is_refused(data):
    out = lines_of(
        READER
        + f"""
from tests.servBackend.native.samples import chunked
data = {data}
print({{read(data[:count], 10_000)[0] for count in range(1, len(data))}})
""",
        prelude="",
    )
    assert out == ["{(400, 'the request ended before it was complete')}"]


def test_connection_that_ends_after_an_empty_line_gets_no_answer():
    out = lines_of(
        RAW
        + """
with socket.create_connection(server.addresses[0], timeout=30) as client:
    client.sendall(SECOND + b"\\r\\n")
    client.shutdown(socket.SHUT_WR)
    print(receive(client).count(b"HTTP/1.1 "), ran)
server.stop()
"""
    )
    assert out == ["1 [1]"]


def test_server_refuses_what_native_refuses_by_the_same_status_and_text():
    out = lines_of(
        RAW
        + """
from tests.servBackend.native.samples import KIB, REFUSED, parse

for data, status in REFUSED:
    json_data = data.replace(b": chunked\\r\\n\\r\\n", b": chunked\\r\\nContent-Type: application/json\\r\\n\\r\\n")
    [(_, text)] = parse(data)
    with socket.create_connection(server.addresses[0], timeout=30) as client:
        client.sendall(json_data)
        client.shutdown(socket.SHUT_WR)
        answer = receive(client)
    head, _, body = answer.partition(b"\\r\\n\\r\\n")
    assert head.startswith(b"HTTP/1.1 %d " % status), (data[:100], answer)
    assert b"\\r\\nConnection: close\\r\\n" in head + b"\\r\\n"
    assert body.decode().strip() == text, (data[:100], body, text)
print(ran)
server.stop()
""",
        options="""{
            "max_head_bytes": 4096,
            "max_url_bytes": 1024,
            "max_header_count": 20,
            "max_body_bytes": 100 * 1024,
            "max_page_body_bytes": 200 * 1024,
            "allowed_hosts": ["a"],
        }""",
    )
    assert out == ["[]"]


def test_refusal_is_readable_for_pages_of_other_origins():
    out = lines_of(
        RAW
        + """
with socket.create_connection(server.addresses[0], timeout=30) as client:
    client.sendall(HEAD + b"Origin: http://page.test\\r\\nContent-Length: 99999999\\r\\n\\r\\n")
    answer = receive(client)
print(answer[9:12].decode(), b"Access-Control-Allow-Origin: *\\r\\n" in answer)
server.stop()
""",
        options="{'cors': True}",
    )
    assert out == ["413 True"]


def test_page_that_reads_a_malformed_body_is_a_bad_request():
    out = lines_of(
        RAW.replace(
            "server.start()",
            """
def page():
    from flask import request
    return str(len(request.stream.read()))

server.flaskApp.add_url_rule("/page", view_func=page, methods=["POST"])
server.start()
""",
        )
        + """
head = HEAD.replace(b"/api", b"/page") + b"Transfer-Encoding: chunked\\r\\n\\r\\n"
print(*statuses(head + b"5\\r\\nabcde\\r\\n0\\r\\n\\r\\n" + SECOND.replace(b"Host", b"Connection: close\\r\\nHost")))
import logging
logging.disable()  # Flask logs the refusal as an error of the page
print(*statuses(head + b"5\\r\\nabcdefg\\r\\n" + SECOND), *statuses(head + b"3000\\r\\n" + b"x" * 0x3000), ran)
server.stop()
""",
        options="{'max_page_body_bytes': 5000}",
    )
    assert out == ["200 200", "400 413 [1]"]


@pytest.mark.parametrize(
    ("head", "flood"),
    [("b''", "b'\\r\\n'"), ("CHUNKED", "b'1\\r\\nx\\r\\n'"), ("CHUNKED + b'ffffffff\\r\\n'", "b'\\r\\n'")],
)
def test_client_that_never_stops_sending_keeps_nobody_from_a_turn_and_has_a_deadline(head, flood):
    out = lines_of(
        READER
        + f"""
import dataclasses
import gevent

class Endless(Pieces):
    # Always has bytes to read.

    def readinto(self, buffer):
        self.data += {flood} * 2048
        return super().readinto(buffer)

CHUNKED = b"POST /api HTTP/1.1\\r\\nHost: a\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n"
limits = dataclasses.replace(LIMITS, body_limit=lambda head: (10**12, "max_body_bytes"))
source = io.BufferedReader(Endless({head}, 8192))
reader = RequestReader(source, limits, {{"REMOTE_ADDR": "192.0.2.1"}})
turns = []

def take_turns():
    while True:
        turns.append(None)
        gevent.sleep(0)

gevent.spawn(take_turns)
try:
    with gevent.Timeout(0.2, TimeoutError):
        reader.read_head()
        body = ChunkedBody(reader)
        while body.read(8192):
            pass
except TimeoutError:
    print(len(turns) > 10)
""",
        prelude="",
    )
    assert out == ["True"]


def test_chunked_body_ends_when_it_has_been_read_and_not_before():
    out = lines_of_reader(
        """
from tests.servBackend.native.samples import chunked

source = io.BufferedReader(Pieces(chunked(b"abc", b"de") + GET, 10_000))
reader = RequestReader(source, LIMITS, {"REMOTE_ADDR": "192.0.2.1"})
reader.read_head()
body = ChunkedBody(reader)
print([(body.read(2), body.has_ended) for _ in range(4)])
"""
    )
    assert out == ["[(b'ab', False), (b'cd', False), (b'e', True), (b'', True)]"]
