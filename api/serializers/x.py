"""A message of X's filtered stream in: validated, and brought to the columns of a tweet."""

import re
from datetime import UTC, datetime, timedelta
from functools import cached_property, lru_cache

from django.conf import settings
from rest_framework import serializers
from rest_framework.fields import empty

from wallpush.channels import keyword_channel, normalize_term
from wallpush.errors import InvalidChannel

from .rich_text import read_text
from .sanitize import clean_line
from .x_content import (
    NO_AUTHOR_ID,
    Includes,
    read_author,
    read_dict,
    read_dicts,
    read_id,
    read_media,
    read_poll,
    read_references,
    read_reply,
    read_withheld,
    show_author,
)
from .x_dialect import normalise_dialect

TEXT_LIMIT = 50_000  # X's own limit for a long post is 25 000 characters before escaping
CHAIN_LIMIT = 50
RULE_LIMIT = 100
TERM_LIMIT = 500

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_SNOWFLAKE_MS = 1288834974657
_LANG = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})?")


def snowflake_time(tweet_id):
    """When X made the id."""
    return _EPOCH + timedelta(milliseconds=(int(tweet_id) >> 22) + _FIRST_SNOWFLAKE_MS)


def show_moment(moment):
    return f"{moment.replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"


class IdField(serializers.Field):
    default_error_messages = {"invalid": "Must be a string of 1 to 20 digits."}

    def to_internal_value(self, data):
        return read_id(data) or self.fail("invalid")


class RawTextField(serializers.Field):
    """Text as the source wrote it: what counts its characters needs it untouched. `limit` is in characters."""

    default_error_messages = {
        "invalid": "Must be a string.",
        "too_long": "Must be at most {limit} characters long.",
    }

    def __init__(self, *, limit, **options):
        self.limit = limit
        super().__init__(**options)

    def to_internal_value(self, data):
        if not isinstance(data, str):
            self.fail("invalid")
        if len(data) > self.limit:
            self.fail("too_long", limit=self.limit)
        return data


class MomentField(serializers.Field):
    default_error_messages = {"invalid": "Must be a time such as 2026-11-20T10:00:00.000Z."}

    def to_internal_value(self, data):
        try:
            moment = datetime.fromisoformat(data)
            return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
        except (TypeError, ValueError, OverflowError):
            self.fail("invalid")


class ObjectField(serializers.Field):
    default_error_messages = {"invalid": "Must be an object."}

    def to_internal_value(self, data):
        return data if isinstance(data, dict) else self.fail("invalid")


class ArrayField(serializers.Field):
    default_error_messages = {"invalid": "Must be an array."}

    def to_internal_value(self, data):
        return data if isinstance(data, list) else self.fail("invalid")


class PlainSerializer(serializers.Serializer):
    """Validates a dictionary field by field, without what DRF does for forms: this runs for every message."""

    @cached_property
    def _named_fields(self):
        return tuple(self.fields.items())

    def to_internal_value(self, data):
        if not isinstance(data, dict):
            raise serializers.ValidationError("Must be an object.")
        valid, errors = {}, {}
        for name, field in self._named_fields:
            try:
                valid[name] = field.run_validation(data.get(name, empty))
            except serializers.SkipField:
                continue
            except serializers.ValidationError as error:
                errors[name] = error.detail
        if errors:
            raise serializers.ValidationError(errors)
        return valid

    def run_validators(self, value):
        """There are none."""


class XTweetSerializer(PlainSerializer):
    """What a tweet can not do without, and what would be wrong to guess."""

    id = IdField()
    text = RawTextField(limit=TEXT_LIMIT)
    author_id = IdField(default=NO_AUTHOR_ID)
    created_at = MomentField(required=False)


class XMessageSerializer(PlainSerializer):
    """Made once and used for every message: `run_validation(payload)` gives the columns of a tweet.

    `context["source"]` names the source. Only what comes from X itself links to x.com.
    """

    data = XTweetSerializer()
    includes = ObjectField(default=dict)
    matching_rules = ArrayField(default=list)

    def to_internal_value(self, data):
        if not isinstance(data, dict):
            raise serializers.ValidationError("Must be an object.")
        message = normalise_dialect(data)
        valid = super().to_internal_value(message)
        includes = Includes(valid["includes"])
        card = self._read_card(message["data"], valid["data"], includes)
        card["keywords"] = read_terms(valid["matching_rules"], settings.WALLPUSH_X_TAG_PREFIX)
        return card

    def _read_card(self, tweet, valid, includes):
        chain = _read_chain(tweet, valid["id"])
        references = read_references(tweet)
        author = read_author(valid["author_id"], includes)
        content = self._read_content(tweet, valid, includes, references, chain)
        content["url"] = self._read_url(author["username"], valid["id"])
        text = content.pop("text")
        return {
            "source_id": chain[0],
            "version_id": valid["id"],
            "author": author,
            "created_at": _read_created_at(valid, chain),
            "text": text,
            "lang": content.pop("lang"),
            "sensitive": tweet.get("possibly_sensitive") is True,
            "has_media": _shows_media(content),
            "retweet_of": references.get("retweeted", ""),
            "quote_of": references.get("quoted", ""),
            "reply_to": references.get("replied_to", ""),
            "content": content,
        }

    def _read_content(self, tweet, valid, includes, references, chain):
        content = {"url": None, **_read_body(tweet, valid["text"], includes, references, chain)}
        reply_id = references.get("replied_to")
        content["reply_to"] = read_reply(tweet, reply_id, includes) if reply_id else None
        content["quote_of"] = self._read_original(references.get("quoted"), includes)
        content["retweet_of"] = self._read_original(references.get("retweeted"), includes)
        content["withheld_in"] = read_withheld(tweet)
        content["edited"] = len(chain) > 1
        return content

    def _read_original(self, tweet_id, includes):
        """The tweet referred to as the resource shows it, or the note that it is missing."""
        if not tweet_id:
            return None
        tweet = includes.tweets.get(tweet_id)
        try:
            valid = self.fields["data"].to_internal_value(tweet)
        except serializers.ValidationError:
            return {"id": tweet_id, "missing": True}
        author = read_author(valid["author_id"], includes)
        body = _read_body(tweet, valid["text"], includes, read_references(tweet), [tweet_id])
        return {
            "id": tweet_id,
            "url": self._read_url(author["username"], tweet_id),
            "created_at": show_moment(valid.get("created_at") or snowflake_time(tweet_id)),
            "text": body["text"],
            "lang": body["lang"],
            "author": show_author(author),
            "entities": body["entities"],
            "media": body["media"],
            "poll": body["poll"],
        }

    def _read_url(self, username, tweet_id):
        if not username or self.context.get("source") != "x":
            return None
        return f"https://x.com/{username}/status/{tweet_id}"


def _read_body(tweet, text, includes, references, chain):
    """What a tweet shows by itself. A long one has its full text, with its own entities, in the note."""
    note = read_dict(tweet.get("note_tweet"))
    full = note.get("text")
    is_long = isinstance(full, str) and 0 < len(full) <= TEXT_LIMIT
    media = read_media(tweet, includes)
    text, entities = read_text(
        full if is_long else text,
        note.get("entities") if is_long else tweet.get("entities"),
        own_ids=chain,
        quoted_id=references.get("quoted", ""),
        has_media=bool(media),
    )
    lang = tweet.get("lang")
    return {
        "text": text,
        "lang": lang if isinstance(lang, str) and _LANG.fullmatch(lang) else "",
        "entities": entities,
        "media": media,
        "poll": read_poll(tweet, includes),
    }


def _shows_media(content):
    return bool(content["media"] or (content["retweet_of"] or {}).get("media"))


def _read_chain(tweet, tweet_id):
    """The ids of the versions, oldest first, ending with this one."""
    history = tweet.get("edit_history_tweet_ids")
    if not isinstance(history, list):
        return [tweet_id]
    chain = [version for version in map(read_id, history[:CHAIN_LIMIT]) if version]
    if tweet_id not in chain:
        return [tweet_id]
    return chain[: chain.index(tweet_id) + 1]


def _read_created_at(valid, chain):
    """The time of the first version. An edit tells its own, so the id of the first tells it better."""
    created_at = valid.get("created_at") or snowflake_time(valid["id"])
    if len(chain) == 1:
        return created_at
    return min(created_at, snowflake_time(chain[0]))


@lru_cache(maxsize=4096)
def _read_term(tag, prefix):
    """The term of a rule's tag, or an empty string where it has no channel.

    The tag of a rule that wallpush made is the prefix and the term.
    """
    try:
        term = normalize_term(clean_line(tag, TERM_LIMIT).removeprefix(prefix))
        keyword_channel(term)
    except InvalidChannel:
        return ""
    return term


def read_terms(rules, prefix):
    tags = (rule.get("tag") for rule in read_dicts(rules, RULE_LIMIT))
    terms = {
        _read_term(tag, prefix) for tag in tags if isinstance(tag, str) and len(tag) <= TERM_LIMIT
    }
    return sorted(terms - {""})
