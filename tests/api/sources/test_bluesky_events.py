import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.sources.bluesky import Post, make_post_line
from api.sources.bluesky_directory import read_post, read_profile
from api.sources.bluesky_events import (
    Garbage,
    find_quoted,
    find_replied,
    read_address,
    read_commit,
    read_event,
    read_loss,
)
from api.sources.bluesky_matching import Matcher
from api.sources.tracks import read_track

ADA, BOB = "did:plc:ada", "did:plc:bob"
POSTS = "app.bsky.feed.post"
QUOTED = f"at://{BOB}/{POSTS}/3q"
MATCHER = Matcher(
    map(read_track, ["wall", "#wall", '"a wall"', "@bob.example"]), {"bob.example": BOB}
)

LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9)
ANYTHING = st.recursive(
    LEAVES | st.sampled_from([ADA, QUOTED, POSTS, "create", "delete", "deleted"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["uri", "record", "parent", "features", "$type", "tag", "did", "val"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)


def objects(*names):
    return st.fixed_dictionaries({}, optional=dict.fromkeys(names, ANYTHING))


RECORDS = objects("text", "facets", "tags", "embed", "reply", "labels")
COMMITS = st.fixed_dictionaries(
    {
        "operation": st.sampled_from(["create", "update"]) | ANYTHING,
        "collection": st.just(POSTS) | ANYTHING,
        "rkey": st.just("3m") | ANYTHING,
        "record": RECORDS | ANYTHING,
    }
)
EVENTS = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["commit", "account", "identity"]) | ANYTHING,
        "did": st.just(ADA) | ANYTHING,
        "time_us": st.integers(1, 10**16) | ANYTHING,
    },
    optional={"commit": COMMITS | ANYTHING, "account": objects("active", "status") | ANYTHING},
)


@given(EVENTS)
def test_whatever_comes_is_read_or_is_garbage(message):
    try:
        event = read_event(json.dumps(message).encode())
    except Garbage:
        return
    assert read_loss(event) in ("", "deleted")
    commit = read_commit(event)
    if commit and isinstance(commit["record"], dict):
        terms = MATCHER.find_terms(event["did"], commit["record"])
        assert json.loads(make_post_line(Post(event, terms, 1), {}, {}))["terms"] == terms


@given(RECORDS)
def test_references_are_those_of_posts_or_none(record):
    for did, key in (find_quoted(record), find_replied(record)):
        assert bool(did) == bool(key)


@given(objects("did", "handle", "displayName", "labels"), objects("uri", "record", "author"))
def test_whatever_the_api_says_is_bounded_or_nothing(profile, post):
    author = {"did": BOB, "handle": "bob.example"}
    assert read_profile(profile) is None or {"did", "handle"} <= read_profile(profile).keys()
    shown = read_post({"author": author, **post})
    assert shown is None or isinstance(shown["record"], dict)


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        (QUOTED, (BOB, "3q")),
        (f"at://{BOB}/app.bsky.graph.list/3q", ("", "")),
        (f"at://bob.example/{POSTS}/3q", ("", "")),
        (f"{QUOTED}/x", ("", "")),
        (f"{QUOTED}\n", ("", "")),
        (f"at://{BOB}/{POSTS}/" + "x" * 99, ("", "")),
        ("", ("", "")),
        (None, ("", "")),
    ],
)
def test_address_of_a_post(address, parts):
    assert read_address(address) == parts
