"""The parameters of the lists, and the rows they select. Whatever is wrong is named, with what is allowed."""

from datetime import UTC, datetime, time

from django.db.models import F, Q
from django.utils.dateparse import parse_date, parse_datetime
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from wallpush.channels import keyword_channel, normalize_term
from wallpush.errors import InvalidChannel

from .models import Author, Keyword, Tweet, fold_text
from .pagination import ChangeCursor, InvalidCursor, NewestFirst, PageCursor, decode_cursor
from .serializers.resource import with_parts

MAX_LIMIT = 200
DEFAULT_LIMIT = 50
MAX_LENGTH = 200
MAX_WORDS = 10

LIMIT = f"A whole number from 1 to {MAX_LIMIT}."
CURSOR = "A cursor as it stands in `next` or `previous` of an answer."
AFTER = "A cursor as it stands in `after` of an answer. Not together with `cursor`."
AUTHOR = "A username, in upper or lower case, with or without @; or the id of an author."
KEYWORD = "A keyword, with or without #."
TEXT = f"Up to {MAX_WORDS} words that all stand in the tweet, whole or in part, in upper or lower case."
LANG = "A language code as tweets have it in `lang`: en, pt, und."
SINCE = "A date, 2026-11-20, or a time, 2026-11-20T10:00:00Z: tweets from then on. UTC if no zone is given."
UNTIL = "A date or time as in `since`: tweets before it; those of that very moment are left out."
RETWEETS = "true: retweets only; false: no retweets."
MEDIA = "true: only tweets with pictures or videos; false: only those without."
USERNAME = "A username, in upper or lower case, with or without @."

TOO_LONG = f"A value may have up to {MAX_LENGTH} characters, and no NUL among them."
ONCE = "This parameter may be given once."
ORDER = "It must lie after `since`."
FAILURES = ("invalid", "invalid_choice", "max_string_length", "max_value", "min_value")


def parameter(field_class, sentence, **options):
    """An optional parameter. The sentence that explains it in the schema also answers a wrong value."""
    return field_class(
        required=False,
        help_text=sentence,
        error_messages=dict.fromkeys(FAILURES, sentence),
        **options,
    )


@extend_schema_field(str)
class CursorField(serializers.Field):
    def __init__(self, cursor_type, **options):
        self.cursor_type = cursor_type
        super().__init__(**options)

    def to_internal_value(self, text):
        try:
            return decode_cursor(text, self.cursor_type)
        except InvalidCursor:
            self.fail("invalid")


@extend_schema_field(str)
class MomentField(serializers.Field):
    def to_internal_value(self, text):
        try:
            return self._read(text).astimezone(UTC)
        except (ValueError, OverflowError):
            self.fail("invalid")

    def _read(self, text):
        if day := parse_date(text):
            return datetime.combine(day, time(), UTC)
        moment = parse_datetime(text)
        if moment is None:
            raise ValueError(text)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


@extend_schema_field(bool)
class FlagField(serializers.ChoiceField):
    def __init__(self, **options):
        super().__init__(["true", "false"], **options)

    def to_internal_value(self, data):
        return super().to_internal_value(data) == "true"


@extend_schema_field(str)
class TermField(serializers.Field):
    def to_internal_value(self, text):
        try:
            keyword_channel(text)
        except InvalidChannel:
            self.fail("invalid")
        return normalize_term(text)


@extend_schema_field(str)
class UsernameField(serializers.Field):
    def to_internal_value(self, text):
        username = text.removeprefix("@").lower()
        if not username:
            self.fail("invalid")
        return username


@extend_schema_field(str)
class AuthorField(UsernameField):
    """As a condition for authors: digits may be a username or an id."""

    def to_internal_value(self, text):
        condition = Q(username__lower=super().to_internal_value(text))
        return condition if text.startswith("@") else condition | Q(source_id=text)


@extend_schema_field(str)
class WordsField(serializers.Field):
    def to_internal_value(self, text):
        words = fold_text(text).split()
        if not 0 < len(words) <= MAX_WORDS:
            self.fail("invalid")
        return words


class ParameterSet(serializers.Serializer):
    @classmethod
    def read(cls, query):
        """The values, from the query of a request; raises ValidationError, which is a 400."""
        problems = dict(cls._problems(query))
        if problems:
            raise serializers.ValidationError(problems)
        parameters = cls(data=query.dict())
        parameters.is_valid(raise_exception=True)
        return parameters.validated_data

    @classmethod
    def _problems(cls, query):
        known = cls().fields
        for name, values in query.lists():
            if name not in known:
                names = ", ".join(known) or "none"
                yield name, [f"There is no such parameter. There are {names}."]
            elif len(values) > 1:
                yield name, [ONCE]
            elif len(values[0]) > MAX_LENGTH or "\0" in values[0]:
                yield name, [TOO_LONG]


class NoParameters(ParameterSet):
    """For what has none: a parameter that does nothing would be a misunderstanding."""


class Parameters(ParameterSet):
    limit = parameter(
        serializers.IntegerField, LIMIT, min_value=1, max_value=MAX_LIMIT, default=DEFAULT_LIMIT
    )
    cursor = parameter(CursorField, CURSOR, cursor_type=PageCursor)


class AuthorParameters(Parameters):
    username = parameter(UsernameField, USERNAME)


class TweetParameters(Parameters):
    after = parameter(CursorField, AFTER, cursor_type=ChangeCursor)
    author = parameter(AuthorField, AUTHOR)
    keyword = parameter(TermField, KEYWORD)
    text = parameter(WordsField, TEXT)
    lang = parameter(serializers.RegexField, LANG, regex="^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*$")
    since = parameter(MomentField, SINCE)
    until = parameter(MomentField, UNTIL)
    retweets = parameter(FlagField, RETWEETS)
    media = parameter(FlagField, MEDIA)

    def validate(self, values):
        if "after" in values and "cursor" in values:
            raise serializers.ValidationError({"after": [AFTER]})
        if "since" in values and "until" in values and values["since"] >= values["until"]:
            raise serializers.ValidationError({"until": [ORDER]})
        return values


class TweetSelection:
    """The tweets that the parameters ask for; hidden ones among them."""

    def __init__(self, parameters):
        self.parameters = parameters
        self.rows = with_parts(Tweet.objects.all())
        # A keyword's tweets are indexed beside the keyword; any other are in the order of their own table.
        self.time, self.id = "created_at", "id"
        for name in ("keyword", "author", "text", "lang", "since", "until", "retweets", "media"):
            if name in parameters:
                getattr(self, f"_by_{name}")(parameters[name])

    def newest_first(self):
        return NewestFirst(self.rows.filter(hidden_at=None), time=self.time, id=self.id)

    def _by_keyword(self, term):
        keyword = Keyword.objects.filter(term=term).values_list("id", flat=True).first()
        if keyword is None:  # compared with None, it would select the tweets that have no keyword
            self.rows = self.rows.none()
            return
        # The aliases make later filters use this very join; by its name each would add another.
        self.rows = self.rows.filter(tweetkeyword__keyword=keyword).alias(
            keyword_time=F("tweetkeyword__created_at"), keyword_tweet=F("tweetkeyword__tweet_id")
        )
        self.time, self.id = "keyword_time", "keyword_tweet"

    def _by_author(self, condition):
        ids = list(Author.objects.filter(condition).values_list("id", flat=True))
        # One author, the usual case, can be read from the index in order.
        self.rows = (
            self.rows.filter(author=ids[0]) if len(ids) == 1 else self.rows.filter(author__in=ids)
        )

    def _by_text(self, words):
        for word in words:
            self.rows = self.rows.filter(search__contains=word)

    def _by_lang(self, lang):
        self.rows = self.rows.filter(lang=lang)

    def _by_since(self, moment):
        self.rows = self.rows.filter(**{f"{self.time}__gte": moment})

    def _by_until(self, moment):
        self.rows = self.rows.filter(**{f"{self.time}__lt": moment})

    def _by_retweets(self, wanted):
        self.rows = self.rows.exclude(retweet_of="") if wanted else self.rows.filter(retweet_of="")

    def _by_media(self, wanted):
        self.rows = self.rows.filter(has_media=wanted)
