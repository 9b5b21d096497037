from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallpush.answers import MAX_BODY_BYTES, MAX_HEAD_BYTES, AnswerReader, GarbledAnswer

PLAIN = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n"
    b"4;name=value\r\n{\r\n}\r\nA\r\n0123456789\r\n0\r\nX-Trailer: 1\r\n\r\n"
)
EMPTY_CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
REFUSAL = (
    b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n"
    b"X-Nginx-PushStream-Explain: Not authorized. \r\n\r\n"
)
INTERIM = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + PLAIN
NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"
STREAM = PLAIN + CHUNKED + REFUSAL + INTERIM + EMPTY_CHUNKED + NO_CONTENT + PLAIN
ANSWERS = [
    (200, b"{}"),
    (200, b"{\r\n}0123456789"),
    (403, b""),
    (200, b"{}"),
    (200, b""),
    (204, b""),
    (200, b"{}"),
]


def read_all(reader, *pieces):
    answers = []
    for piece in pieces:
        reader.feed(piece)
        while (answer := reader.next_answer()) is not None:
            answers.append((answer[0].status, answer[1]))
    return answers


@given(st.lists(st.integers(0, len(STREAM)), max_size=20))
def test_answers_are_the_same_wherever_the_stream_is_cut(cuts):
    edges = [0, *sorted(cuts), len(STREAM)]
    pieces = [STREAM[start:end] for start, end in pairwise(edges)]
    reader = AnswerReader()

    assert read_all(reader, *pieces) == ANSWERS
    assert reader.is_idle


def test_answers_byte_by_byte():
    assert read_all(AnswerReader(), *(bytes([byte]) for byte in STREAM)) == ANSWERS


def test_a_head_tells_what_follows():
    reader = AnswerReader()
    reader.feed(REFUSAL)

    head, _ = reader.next_answer()

    assert (head.explain, head.is_last) == ("Not authorized.", True)


@pytest.mark.parametrize(
    ("raw", "is_last"),
    [
        (PLAIN, False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", True),
        (b"HTTP/1.1 200\r\nContent-Length: 0\r\nConnection: Close\r\n\r\n", True),
    ],
)
def test_the_last_answer_of_a_connection(raw, is_last):
    reader = AnswerReader()
    reader.feed(raw)

    assert reader.next_answer()[0].is_last == is_last


def test_a_body_that_ends_with_the_connection():
    reader = AnswerReader()

    assert read_all(reader, b"HTTP/1.1 500 Oops\r\n\r\nsome", b" more") == []
    head, body = reader.end()
    assert (head.status, head.is_last, body) == (500, True, b"some more")


def test_a_cut_answer_is_none():
    reader = AnswerReader()

    assert read_all(reader, PLAIN[:-1]) == []
    assert (reader.end(), reader.is_idle) == (None, False)


def test_more_kinds_of_heads_than_are_remembered():
    raw = [b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: %d\r\n\r\n" % n for n in range(200)]

    assert read_all(AnswerReader(), *raw) == [(200, b"")] * 200


OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    "raw",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x15\x03\x01\x00\x02\x02",
        b"http/1.1 200 OK\r\n\r\n",
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/1.1  200 OK\r\n\r\n",
        b"HTTP/1.1 600 OK\r\n\r\n",
        OK + b"Content-Length: -1\r\n\r\n",
        OK + b"Content-Length: 0x10\r\n\r\n",
        OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
        OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n",
        OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n",
        OK + b"Content-Length: %d\r\n\r\n" % (MAX_BODY_BYTES + 1),
        OK + b"Content-Length : 2\r\n\r\n{}",
        OK + b"no header\r\n\r\n",
        OK + b"X: a\x00b\r\n\r\n",
        OK + b"X: a\n b\r\n\r\n",
        OK + b"X: " + b"a" * MAX_HEAD_BYTES,
        OK + b"Connection: close\r\n\r\n" + b"a" * (MAX_BODY_BYTES + 1),
        OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}0\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"1" * (MAX_HEAD_BYTES + 1),
        OK + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % (MAX_BODY_BYTES + 1),
        OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\nno trailer\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n" + b"X" * (MAX_BODY_BYTES + 1),
    ],
    ids=lambda raw: ascii(raw[:70]),
)
def test_a_garbled_answer(raw):
    with pytest.raises(GarbledAnswer):
        read_all(AnswerReader(), raw)
