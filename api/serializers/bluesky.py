"""A post of Bluesky in, as its source delivers it: validated, and brought to the columns of a tweet."""

import re
from datetime import UTC, datetime, timedelta

from rest_framework import serializers

from api.sources.bluesky_events import (
    DID,
    KEY,
    LAST_MOMENT,
    POSTS,
    find_quoted,
    find_replied,
    make_address,
    make_post_id,
    read_dict,
)
from wallpush.channels import keyword_channel, user_channel
from wallpush.errors import InvalidChannel

from .bluesky_content import (
    is_marked_sensitive,
    make_url,
    read_author,
    read_lang,
    read_media,
    read_text,
)
from .x import ArrayField, MomentField, ObjectField, PlainSerializer, RawTextField, show_moment
from .x_content import show_author

# Bluesky's own limit is 300 characters as people count them, in 3 000 bytes.
TEXT_LIMIT = 3_000
TERM_LIMIT = 100

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Before it there was no Bluesky.
_FIRST = datetime(2022, 1, 1, tzinfo=UTC)
_REVISION = re.compile(r"[2-7a-z]{13}", re.ASCII)


class PatternField(serializers.Field):
    default_error_messages = {"invalid": "Is not as it should be."}

    def __init__(self, pattern, **options):
        super().__init__(**options)
        self._pattern = pattern

    def to_internal_value(self, data):
        usable = isinstance(data, str) and self._pattern.fullmatch(data)
        return data if usable else self.fail("invalid")


class DidField(PatternField):
    """An account that has a channel."""

    def __init__(self):
        super().__init__(DID)

    def to_internal_value(self, data):
        did = super().to_internal_value(data)
        try:
            user_channel(did)
        except InvalidChannel:
            self.fail("invalid")
        return did


class MicrosecondsField(serializers.Field):
    default_error_messages = {"invalid": "Must be microseconds since 1970."}

    def to_internal_value(self, data):
        if type(data) is not int or not 0 < data < LAST_MOMENT:
            self.fail("invalid")
        return _EPOCH + timedelta(microseconds=data)


class BlueskyRecordSerializer(PlainSerializer):
    text = RawTextField(limit=TEXT_LIMIT)


class BlueskyCommitSerializer(PlainSerializer):
    rev = PatternField(_REVISION)
    operation = PatternField(re.compile("create|update"))
    collection = PatternField(re.compile(re.escape(POSTS)))
    rkey = PatternField(KEY)
    record = BlueskyRecordSerializer()


class BlueskyEventSerializer(PlainSerializer):
    did = DidField()
    time_us = MicrosecondsField()
    commit = BlueskyCommitSerializer()


class BlueskyMessageSerializer(PlainSerializer):
    """Made once and used for every message: `run_validation(message)` gives the columns of a tweet."""

    data = BlueskyEventSerializer()
    includes = ObjectField(default=dict)
    terms = ArrayField(default=list)

    def to_internal_value(self, data):
        valid = super().to_internal_value(data)
        card = self._read_card(data["data"]["commit"]["record"], valid["data"], valid["includes"])
        card["keywords"] = read_terms(valid["terms"])
        return card

    def _read_card(self, record, event, includes):
        did, commit = event["did"], event["commit"]
        profile, quoted = read_dict(includes, "profile"), read_dict(includes, "quoted")
        text, entities = read_text(record, commit["record"]["text"])
        quote_id, reply_id = _read_id(*find_quoted(record)), _read_id(*find_replied(record))
        media = read_media(record, did)
        return {
            "source_id": make_post_id(did, commit["rkey"]),
            "version_id": commit["rev"],
            "author": read_author(did, profile),
            "created_at": read_created_at(record, event["time_us"]),
            "text": text,
            "lang": read_lang(record),
            "sensitive": is_marked_sensitive(record, profile)
            or is_marked_sensitive(read_dict(quoted, "record"), quoted),
            "has_media": bool(media),
            "retweet_of": "",
            "quote_of": quote_id,
            "reply_to": reply_id,
            "content": {
                "url": make_url(did, commit["rkey"]),
                "entities": entities,
                "media": media,
                "poll": None,
                "reply_to": _read_reply(record, includes) if reply_id else None,
                "quote_of": self._read_quote(record, quoted, event) if quote_id else None,
                "retweet_of": None,
                "withheld_in": [],
                "edited": commit["operation"] == "update",
            },
        }

    def _read_quote(self, record, quoted, event):
        """The quoted post as the resource shows it, or the note that it is missing."""
        did, key = find_quoted(record)
        missing = {"id": make_post_id(did, key), "missing": True}
        quoted_record = read_dict(quoted, "record")
        try:
            text = self._text_field.to_internal_value(quoted_record.get("text"))
        except serializers.ValidationError:
            return missing
        if quoted.get("uri") != make_address(did, key):
            return missing
        text, entities = read_text(quoted_record, text)
        return {
            "id": missing["id"],
            "url": make_url(did, key),
            "created_at": show_moment(read_created_at(quoted_record, event["time_us"])),
            "text": text,
            "lang": read_lang(quoted_record),
            "author": show_author(read_author(did, read_dict(quoted, "author"))),
            "entities": entities,
            "media": read_media(quoted_record, did),
            "poll": None,
        }

    @property
    def _text_field(self):
        return self.fields["data"].fields["commit"].fields["record"].fields["text"]


def read_created_at(record, seen_at):
    """When the author says it was written, which an author can make up.

    A time to come would pin the post to the top of the wall, and one before there was Bluesky is a clock that was
    never set or a joke: both are taken for the moment in which the post was seen.
    """
    try:
        claimed = MomentField().to_internal_value(record.get("createdAt"))
    except serializers.ValidationError:
        return seen_at
    return claimed if _FIRST <= claimed <= seen_at else seen_at


def _read_id(did, key):
    return make_post_id(did, key) if did else ""


def _read_reply(record, includes):
    did, key = find_replied(record)
    profile = read_dict(includes, "replied")
    known = read_author(did, profile) if profile.get("did") == did else read_author(did, {})
    return {"id": make_post_id(did, key), "author": {"id": did, "username": known["username"]}}


def read_terms(terms):
    """Those that have a channel; the source has normalised them."""
    found = set()
    for term in terms[:TERM_LIMIT]:
        try:
            keyword_channel(term if isinstance(term, str) else "")
        except InvalidChannel:
            continue
        found.add(term)
    return sorted(found)
