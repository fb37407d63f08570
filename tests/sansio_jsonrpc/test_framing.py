import pytest

from flaskJSONRPCServer.sansio_jsonrpc import (
    ConcatenatedFraming,
    ContentLengthFraming,
    JsonRpcFramingError,
    NewlineFraming,
)

LSP = "Parse error: a header needs one Content-Length in decimal digits"
LINE = "Parse error: a header line is not of the form name: value"
TEXT = "Parse error: text between two messages"
HEADER = "Parse error: a header of more than 4096 bytes"
INSIDE = "Parse error: the stream ends inside a message"
OVER_9 = "Parse error: a message of more than 9 bytes"


def cut(framing, *slices):
    """Return the frames, and the message of the failure if there is one."""
    reader = framing.reader()
    frames = []
    try:
        for data in slices:
            frames.extend(reader.feed(data))
        frames.extend(reader.finish())
    except JsonRpcFramingError as exc:
        return frames, exc.message
    return frames, None


@pytest.mark.parametrize(
    ("framing", "stream", "frames", "failure"),
    [
        (NewlineFraming(), b"", [], None),
        (NewlineFraming(), b"{1}\n{2}\r\n\n \r\n{3}\n", [b"{1}", b"{2}", b"{3}"], None),
        (NewlineFraming(), b"{1}\n{2}", [b"{1}", b"{2}"], None),
        (NewlineFraming(), b"\x0c\n", [b"\x0c"], None),
        (NewlineFraming(9), b"123456789\n12345678\r\n", [b"123456789", b"12345678"], None),
        (NewlineFraming(9), b"1\n1234567890\n2\n", [b"1"], OVER_9),
        (NewlineFraming(9), b"1\n1234567890", [b"1"], OVER_9),
        (ConcatenatedFraming(), b"", [], None),
        (ConcatenatedFraming(), b' {"a":1}[2] \r\n\t{}[[],[]] ', [b'{"a":1}', b"[2]", b"{}", b"[[],[]]"], None),
        (ConcatenatedFraming(), b'["]"]["\\"]"]["\\\\"]', [b'["]"]', b'["\\"]"]', b'["\\\\"]'], None),
        (ConcatenatedFraming(), b'{"a":[}}{]', [b'{"a":[}}', b"{]"], None),
        (ConcatenatedFraming(9), b"[345678][34567890]", [b"[345678]"], OVER_9),
        (ConcatenatedFraming(9), b"[345678][345678901", [b"[345678]"], OVER_9),
        (ConcatenatedFraming(), b"[1] 2 [3]", [b"[1]"], TEXT),
        (ConcatenatedFraming(), b"[1],[3]", [b"[1]"], TEXT),
        (ConcatenatedFraming(), b"[1]]", [b"[1]"], TEXT),
        (ConcatenatedFraming(), b'[1]"[2]"', [b"[1]"], TEXT),
        (ConcatenatedFraming(), b"[1]\\[2]", [b"[1]"], TEXT),
        (ConcatenatedFraming(), b"[1]\0", [b"[1]"], TEXT),
        (ConcatenatedFraming(), b"[1]x", [b"[1]"], TEXT),
        (ConcatenatedFraming(), b"[1][2", [b"[1]"], INSIDE),
        (ConcatenatedFraming(), b'[1]["]', [b"[1]"], INSIDE),
        (ContentLengthFraming(), b"", [], None),
        (ContentLengthFraming(), b"Content-Length: 2\r\n\r\n{}content-length:03 \r\n\r\n[1]", [b"{}", b"[1]"], None),
        (
            ContentLengthFraming(),
            b"Content-Type: application/vscode-jsonrpc; charset=utf-8\r\nContent-Length: 2\r\nX-Other:\r\n\r\n{}",
            [b"{}"],
            None,
        ),
        (ContentLengthFraming(), b"Content-Length: 0\r\n\r\nContent-Length: 2\r\n\r\n\r\n", [b"", b"\r\n"], None),
        (ContentLengthFraming(9), b"Content-Length: 9\r\n\r\n123456789", [b"123456789"], None),
        (ContentLengthFraming(9), b"Content-Length: 10\r\n\r\n", [], OVER_9),
        (ContentLengthFraming(9), b"Content-Length: " + b"9" * 4000 + b"\r\n\r\n", [], OVER_9),
        (ContentLengthFraming(), b"Content-Length: +5\r\n\r\n", [], LSP),
        (ContentLengthFraming(), b"Content-Length: -5\r\n\r\n", [], LSP),
        (ContentLengthFraming(), b"Content-Length: 1_0\r\n\r\n", [], LSP),
        (ContentLengthFraming(), b"Content-Length: 5 5\r\n\r\n", [], LSP),
        (ContentLengthFraming(), b"Content-Length: 5, 5\r\n\r\n", [], LSP),
        (ContentLengthFraming(), b"Content-Length: 0x5\r\n\r\n", [], LSP),
        (ContentLengthFraming(), b"Content-Length: 5\x0b\r\n\r\n", [], LSP),
        (ContentLengthFraming(), "Content-Length: \u0665\r\n\r\n".encode(), [], LSP),
        (ContentLengthFraming(), b"Content-Length:\r\n\r\n", [], LSP),
        (ContentLengthFraming(), b"Content-Type: text/plain\r\n\r\n", [], LSP),
        (ContentLengthFraming(), b"Content-Length: 5\r\nContent-Length: 5\r\n\r\n", [], LSP),
        (ContentLengthFraming(), b"Content-Length : 5\r\n\r\n", [], LINE),
        (ContentLengthFraming(), b" Content-Length: 5\r\n\r\n", [], LINE),
        (ContentLengthFraming(), b"Content-Length: 5\r\n folded\r\n\r\n", [], LINE),
        (ContentLengthFraming(), b"Content-Length: 5\nX: 1\r\n\r\n", [], LINE),
        (ContentLengthFraming(), b"X: \0\r\n\r\n", [], LINE),
        (ContentLengthFraming(), b"nothing\r\n\r\n", [], LINE),
        (ContentLengthFraming(), b"\r\n\r\n", [], LINE),
        (ContentLengthFraming(), b"X: " + b"x" * 4070 + b"\r\nContent-Length: 0\r\n\r\n", [b""], None),
        (ContentLengthFraming(), b"X: " + b"x" * 4071 + b"\r\nContent-Length: 0\r\n\r\n", [], HEADER),
        (ContentLengthFraming(), b"X: " + b"x" * 4100, [], HEADER),
        (ContentLengthFraming(), b"Content-Length: 2\r\n\r\n{}Content", [b"{}"], INSIDE),
        (ContentLengthFraming(), b"Content-Length: 2\r\n\r\n", [], INSIDE),
        (ContentLengthFraming(), b"Content-Length: 2\r\n\r\n{", [], INSIDE),
    ],
    ids=lambda case: repr(case)[:50],
)
def test_slicing_of_a_stream_does_not_change_its_messages(framing, stream, frames, failure):
    assert cut(framing, *[stream] * bool(stream)) == (frames, failure)
    assert cut(framing, *[bytes([byte]) for byte in stream]) == (frames, failure)
    assert cut(framing, *[stream[start : start + 3] for start in range(0, len(stream), 3)]) == (frames, failure)


@pytest.mark.parametrize(
    ("framing", "framed"),
    [
        (NewlineFraming(), b'{"a":1}\n'),
        (ConcatenatedFraming(), b'{"a":1}'),
        (ContentLengthFraming(), b'Content-Length: 7\r\n\r\n{"a":1}'),
    ],
)
def test_message_is_framed(framing, framed):
    assert framing.frame(b'{"a":1}') == framed
    assert framing.frame(b"") == b""


def test_message_with_a_line_feed_is_refused():
    with pytest.raises(ValueError, match="a message with a line feed cannot go on one line"):
        NewlineFraming().frame(b"{\n}")


@pytest.mark.parametrize("framing", [NewlineFraming, ConcatenatedFraming, ContentLengthFraming])
def test_limit_is_at_least_one_byte(framing):
    assert framing().limit_bytes == 5 * 1024 * 1024
    with pytest.raises(ValueError, match="limit_bytes=0; choose 1 or more"):
        framing(limit_bytes=0)


@pytest.mark.parametrize("framing", [NewlineFraming(), ConcatenatedFraming(), ContentLengthFraming()])
def test_megabyte_byte_by_byte_is_linear(framing):
    message = b'["' + b"\\\\x" * 110_000 + b'"]'
    # Looking at earlier bytes again would take hours here, and exceed the timeout of the test.
    assert cut(framing, *[bytes([byte]) for byte in framing.frame(message)])[0] == [message]


@pytest.mark.parametrize("framing", [NewlineFraming(), ConcatenatedFraming(), ContentLengthFraming()])
def test_many_messages_in_one_slice_are_linear(framing):
    assert len(cut(framing, framing.frame(b"[1]") * 100_000)[0]) == 100_000
