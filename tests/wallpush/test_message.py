import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallpush import MAX_MESSAGE_BYTES, InvalidMessage, encode_message, make_event_id
from wallpush.message import check_body, check_event_id

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)  # fmt: skip


@given(JSON)
def test_encode_message_is_read_back_the_same(obj):
    assert json.loads(encode_message(obj)) == obj


@given(JSON)
def test_encode_message_is_one_line_without_markup(obj):
    encoded = encode_message(obj)

    assert len(encoded.decode().splitlines()) == 1 + encoded.decode().count("\x85")
    assert b"<" not in encoded
    assert check_body(encoded) == encoded


def test_encode_message_writes_these_bytes():
    obj = {"text": "5 < 6 && #Café 🎉\n\u2028\u2029\x00", "ids": [1, None, True], "ü": "~text~"}

    assert (
        encode_message(obj)
        == (
            '{"text":"5 \\u003c 6 && #Café 🎉\\n\\u2028\\u2029\\u0000","ids":[1,null,true],"ü":"~text~"}'
        ).encode()
    )


def test_encode_message_mends_surrogates():
    assert (
        encode_message(["\ud83c\udf89", "a\ud83c", "\udf89b"])
        == '["🎉","a\ufffd","\ufffdb"]'.encode()
    )


class Loop(list):
    def __init__(self):
        super().__init__([self])


@pytest.mark.parametrize(
    "obj", [math.nan, [math.inf], {"a": -math.inf}, object(), {1, 2}, b"{}", Loop(), {(1, 2): 3}]
)
def test_encode_message_refuses_what_is_no_json(obj):
    with pytest.raises(InvalidMessage, match="can not be written as JSON"):
        encode_message(obj)


@pytest.mark.parametrize("body", [b"{}", b'"text"', b"0", b"null", '["é🎉"]'.encode()])
def test_check_body_takes_encoded_json(body):
    assert check_body(body) == body


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "no JSON"),
        (b"hello", "no JSON"),
        (b"{} {}", "no JSON"),
        (b"NaN", "NaN is not JSON"),
        (b"[-Infinity]", "-Infinity is not JSON"),
        (b'"\xff"', "no JSON"),
        (b"[" * 60_000, "no JSON"),
        (b'{"a":\n1}', "line break"),
        (b"{}\r", "line break"),
        (b'"<b>"', "raw '<'"),
    ],
)
def test_check_body_refuses_bytes(body, reason):
    with pytest.raises(InvalidMessage, match=reason):
        check_body(body)


def test_check_body_at_the_limit():
    largest = b'"' + b"x" * (MAX_MESSAGE_BYTES - 2) + b'"'

    assert check_body(largest) == largest
    with pytest.raises(InvalidMessage, match="has 65537 bytes; 65536 are allowed"):
        check_body("x" * (MAX_MESSAGE_BYTES - 1))


def test_make_event_id_of_a_moment():
    assert make_event_id("2120", now=1795168803.9) == "Fri, 20 Nov 2026 10:00:00 GMT|2120"
    assert make_event_id("2120", now=1795168803, lag=0) == "Fri, 20 Nov 2026 10:00:03 GMT|2120"


def test_make_event_id_takes_the_clock(monkeypatch):
    monkeypatch.setattr("time.time", lambda: 1795168803.2)

    assert make_event_id("2120") == "Fri, 20 Nov 2026 10:00:00 GMT|2120"


@pytest.mark.parametrize(
    "event_id", ["1", "a b", "x" * 200, "Fri, 20 Nov 2026 10:00:00 GMT|1", "~text~"]
)
def test_check_event_id_takes(event_id):
    assert check_event_id(event_id) == event_id


@pytest.mark.parametrize(
    "event_id",
    ["", " ", " a", "a ", "a\r\nX: y", "a\n", "\x00", "a\x7f", "é", "🎉", 'a"b', "a\\b", "a<b",
     "x" * 201, b"1", 2],
)  # fmt: skip
def test_check_event_id_refuses(event_id):
    with pytest.raises(InvalidMessage, match="An event id is"):
        check_event_id(event_id)


def test_make_event_id_refuses_an_id_that_would_end_the_header():
    with pytest.raises(InvalidMessage):
        make_event_id("1\r\nEvent-Type: x", now=0)
