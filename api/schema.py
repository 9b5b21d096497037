"""How the endpoints stand in the OpenAPI schema."""

from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiResponse,
    PolymorphicProxySerializer,
    extend_schema,
)
from rest_framework import serializers

from .query import AuthorParameters, Parameters, TweetParameters
from .serializers.resource import (
    AuthorSerializer,
    DeletionSerializer,
    KeywordSerializer,
    TweetSerializer,
)

EXAMPLE = {
    "type": "tweet",
    "id": "2120000000000000006",
    "version": "2120000000000000006",
    "source": "x",
    "url": "https://x.com/ada_l/status/2120000000000000006",
    "created_at": "2026-11-20T10:00:00.000Z",
    "text": "Good morning #Wall",
    "lang": "en",
    "author": {
        "id": "101",
        "username": "ada_l",
        "name": "Ada",
        "avatar": "https://pbs.twimg.com/profile_images/101/a_400x400.jpg",
        "verified": "blue",
    },
    "entities": [{"type": "hashtag", "start": 13, "end": 18, "tag": "Wall"}],
    "media": [],
    "poll": None,
    "reply_to": None,
    "quote_of": None,
    "retweet_of": None,
    "sensitive": False,
    "withheld_in": [],
    "edited": False,
    "keywords": ["wall"],
}
DELETION = {"type": "delete", "id": "2120000000000000006"}
CURSOR = "cAAABkZ2VudGxl"


class ErrorSerializer(serializers.Serializer):
    detail = serializers.CharField(help_text="A sentence.")


class LinksSerializer(serializers.Serializer):
    next = serializers.URLField(allow_null=True, help_text="The older page.")
    previous = serializers.URLField(allow_null=True, help_text="The newer page.")


class AuthorPageSerializer(LinksSerializer):
    results = AuthorSerializer(many=True)


class KeywordPageSerializer(LinksSerializer):
    results = KeywordSerializer(many=True)


class TweetPageSerializer(LinksSerializer):
    results = TweetSerializer(many=True)
    after = serializers.CharField(
        help_text="Give this as `after` to learn what changes from now on."
    )


class ChangesSerializer(serializers.Serializer):
    results = PolymorphicProxySerializer(
        component_name="Change",
        serializers={"tweet": TweetSerializer, "delete": DeletionSerializer},
        resource_type_field_name="type",
        many=True,
    )
    after = serializers.CharField(help_text="Give this as `after` next time.")
    more = serializers.BooleanField(help_text="There is more already: ask again at once.")


class CountSerializer(serializers.Serializer):
    today = serializers.IntegerField(help_text="Since midnight, UTC.")
    total = serializers.IntegerField()


class SourceSerializer(serializers.Serializer):
    source = serializers.CharField()
    reader = serializers.CharField(allow_null=True, help_text="The worker that reads it now.")
    since = serializers.DateTimeField(allow_null=True)
    last_message_at = serializers.DateTimeField(allow_null=True)


class StatsSerializer(serializers.Serializer):
    tweets = serializers.IntegerField()
    authors = serializers.IntegerField()
    keywords = serializers.IntegerField()
    messages = serializers.DictField(child=CountSerializer(), help_text="By outcome.")
    unpublished = serializers.IntegerField(help_text="Stored, and not yet published.")
    set_aside = serializers.IntegerField(help_text="Messages not stored, in the last 24 hours.")
    sources = SourceSerializer(many=True)


class WallSerializer(serializers.Serializer):
    title = serializers.CharField()
    subtitle = serializers.CharField()
    events_url = serializers.CharField(help_text="Where /events/ is reached; empty: at this host.")
    source = serializers.CharField()


INVALID = OpenApiResponse(
    {"type": "object", "additionalProperties": {"type": "array", "items": {"type": "string"}}},
    description="By the name of each parameter that is wrong, what is allowed.",
    examples=[OpenApiExample("limit", {"limit": ["A whole number from 1 to 200."]})],
)
NOT_FOUND = OpenApiResponse(ErrorSerializer, description="There is none with this id.")

TWEETS = extend_schema(
    operation_id="tweets_list",
    parameters=[TweetParameters],
    responses={
        200: PolymorphicProxySerializer(
            component_name="Tweets",
            serializers=[TweetPageSerializer, ChangesSerializer],
            resource_type_field_name=None,
        ),
        400: INVALID,
    },
    examples=[
        OpenApiExample(
            "A page",
            {"results": [EXAMPLE], "next": None, "previous": None, "after": CURSOR},
            response_only=True,
            status_codes=["200"],
        ),
        OpenApiExample(
            "Changes, with `after`",
            {"results": [EXAMPLE, DELETION], "after": CURSOR, "more": False},
            response_only=True,
            status_codes=["200"],
        ),
    ],
)
ONE_TWEET = extend_schema(
    operation_id="tweets_retrieve",
    responses={200: TweetSerializer, 404: NOT_FOUND},
    examples=[OpenApiExample("A tweet", EXAMPLE, response_only=True, status_codes=["200"])],
)
AUTHORS = extend_schema(
    operation_id="authors_list",
    parameters=[AuthorParameters],
    responses={200: AuthorPageSerializer, 400: INVALID},
)
ONE_AUTHOR = extend_schema(
    operation_id="authors_retrieve", responses={200: AuthorSerializer, 404: NOT_FOUND}
)
KEYWORDS = extend_schema(
    operation_id="keywords_list",
    parameters=[Parameters],
    responses={200: KeywordPageSerializer, 400: INVALID},
)
STATS = extend_schema(responses=StatsSerializer)
WALL = extend_schema(responses=WallSerializer)
