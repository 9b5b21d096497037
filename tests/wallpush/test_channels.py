import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nginx.render import CHANNELS
from wallpush import (
    CHANNEL_PATTERN,
    InvalidChannel,
    check_channel,
    decode_term,
    encode_term,
    keyword_channel,
    normalize_term,
    user_channel,
)

CASES = json.loads((Path(__file__).parent.parent / "channels.json").read_text())
NAMES = CASES["names"]


@pytest.mark.parametrize("case", CASES["terms"], ids=lambda case: ascii(case["term"]))
def test_keyword_channel_of_the_shared_cases(case):
    assert normalize_term(case["term"]) == case["normalized"]
    assert keyword_channel(case["term"]) == case["channel"]


@pytest.mark.parametrize("case", CASES["terms"], ids=lambda case: ascii(case["term"]))
def test_a_normalised_term_has_the_same_channel(case):
    assert normalize_term(case["normalized"]) == case["normalized"]
    assert keyword_channel(case["normalized"]) == case["channel"]


@pytest.mark.parametrize("term", CASES["refused_terms"], ids=ascii)
def test_keyword_channel_refuses_a_term(term):
    with pytest.raises(InvalidChannel):
        keyword_channel(term)


def test_keyword_channel_refuses_half_a_surrogate_pair():
    with pytest.raises(InvalidChannel, match="no valid Unicode"):
        keyword_channel("wall\ud83c")


@pytest.mark.parametrize("name", NAMES["ok"], ids=ascii)
def test_check_channel_returns_a_good_name(name):
    assert check_channel(name) == name


@pytest.mark.parametrize("name", NAMES["refused"], ids=ascii)
def test_check_channel_refuses_a_name(name):
    with pytest.raises(InvalidChannel):
        check_channel(name)


@pytest.mark.parametrize("name", [None, 1, b"global", ["global"]])
def test_check_channel_refuses_what_is_no_string(name):
    with pytest.raises(InvalidChannel, match="a name is a string"):
        check_channel(name)


def test_nginx_lets_subscribe_to_exactly_these_names():
    public = [name for name in NAMES["ok"] if not name.startswith("private-")]
    subscribable = [name for name in public + NAMES["refused"] if re.fullmatch(CHANNELS, name)]

    assert subscribable == [*public, "a/b"]  # two channels


def test_channel_pattern_matches_what_is_not_reserved():
    names = NAMES["ok"] + NAMES["refused"]

    assert [name for name in names if re.fullmatch(CHANNEL_PATTERN, name)] == [
        *NAMES["ok"],
        "ALL",
        "_ctl",
    ]


@pytest.mark.parametrize("case", CASES["authors"], ids=lambda case: ascii(case["id"]))
def test_user_channel_of_the_shared_cases(case):
    assert user_channel(case["id"]) == case["channel"]


def test_user_channel_of_a_number():
    assert user_channel(7) == "user-7"


@pytest.mark.parametrize("author_id", [*CASES["refused_authors"], "did:\ud83c"], ids=ascii)
def test_user_channel_refuses_an_id(author_id):
    with pytest.raises(InvalidChannel):
        user_channel(author_id)


@given(st.text(min_size=1, max_size=15), st.text(min_size=1, max_size=15))
def test_authors_never_share_a_channel(one, other):
    assert (user_channel(one) == user_channel(other)) == (one == other)


@given(st.text())
def test_decode_term_reverses_encode_term(term):
    if term:
        assert decode_term(encode_term(term)) == term


@given(st.text(min_size=1, max_size=15))
def test_encoded_terms_are_made_of_safe_characters(term):
    assert check_channel("keyword-" + encode_term(term)) == "keyword-" + encode_term(term)


@given(st.text())
def test_normalize_term_changes_nothing_the_second_time(term):
    normalized = normalize_term(term)

    assert normalize_term(normalized) == normalized


@pytest.mark.parametrize(
    "encoded",
    ["", "A", "~c3~a9", "~C3", "~FF", "~61", "~", "~4", "a b", "café", "a\n", "~ED~A0~80"],
)
def test_decode_term_refuses_what_encode_term_never_returns(encoded):
    with pytest.raises(InvalidChannel):
        decode_term(encoded)


def test_a_long_name_is_shown_by_its_beginning():
    with pytest.raises(InvalidChannel) as caught:
        check_channel("x" * 5000)

    assert str(caught.value) == (
        f"'{'x' * 60}…' can not be a channel: a name is 1 to 190 characters of A-Z a-z 0-9 _ ~ -."
    )
