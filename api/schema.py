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
from .staff import TrackTextSerializer

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


class ReadsSerializer(serializers.Serializer):
    posts = serializers.IntegerField(help_text="Each counts once a day (UTC), as X charges.")
    users = serializers.IntegerField()
    dollars = serializers.FloatField(help_text="What they cost, by the prices in the settings.")
    budget = serializers.FloatField(allow_null=True, help_text="US dollars a day; null: no limit.")


# As a source tells it; null while nobody reads it.
STATES = ["starting", "connecting", "connected", "waiting", "paused", "stopped", "ended"]


class SourceSerializer(serializers.Serializer):
    source = serializers.CharField()
    reader = serializers.CharField(allow_null=True, help_text="The worker that reads it now.")
    since = serializers.DateTimeField(allow_null=True)
    last_message_at = serializers.DateTimeField(allow_null=True)
    state = serializers.ChoiceField(STATES, allow_null=True)
    reason = serializers.CharField(help_text="Why it is in this state, where one may wonder.")


class GapsSerializer(serializers.Serializer):
    open = serializers.IntegerField(help_text="Times of which tweets may still be missing.")
    filled = serializers.IntegerField()
    found = serializers.IntegerField(help_text="Tweets that were found for them.")
    notes = serializers.ListField(
        child=serializers.CharField(), help_text="What can not be found, the newest first."
    )


class ReasonSerializer(serializers.Serializer):
    reason = serializers.CharField(help_text="Shortened.")
    count = serializers.IntegerField()


class RejectedSerializer(serializers.Serializer):
    count = serializers.IntegerField(help_text="In the last 24 hours.")
    reasons = ReasonSerializer(many=True, help_text="The most frequent ones.")


STATUSES = ["ok", "degraded", "failed"]


class SourceHealthSerializer(serializers.Serializer):
    source = serializers.CharField()
    status = serializers.ChoiceField(STATUSES)
    problems = serializers.ListField(child=serializers.CharField())
    state = serializers.ChoiceField(
        STATES, allow_null=True, help_text="As its reader tells; null while nobody reads it."
    )
    reason = serializers.CharField(help_text="Why it is in this state, where one may wonder.")
    since = serializers.DateTimeField(allow_null=True, help_text="In this state since.")
    wanted = serializers.BooleanField(help_text="False: a person stopped it.")
    reading = serializers.BooleanField(help_text="A worker holds its lease and keeps it up.")
    last_message_at = serializers.DateTimeField(allow_null=True)
    last_activity_at = serializers.DateTimeField(
        allow_null=True, help_text="The last sign of life: a message or a keep-alive."
    )
    lag = serializers.FloatField(
        allow_null=True,
        help_text="Seconds from the time in the id of the last tweet to its arrival.",
    )
    tweets_per_minute = serializers.FloatField(help_text="Stored, over the last five minutes.")
    gaps = GapsSerializer()
    rejected = RejectedSerializer()
    reads = ReadsSerializer(help_text="Since midnight, UTC.")


class PushNodeHealthSerializer(serializers.Serializer):
    name = serializers.CharField(help_text="push node 1 is the first one of the settings.")
    status = serializers.ChoiceField(STATUSES)
    problems = serializers.ListField(child=serializers.CharField())
    last_proof_at = serializers.DateTimeField(
        allow_null=True, help_text="When a message last came through at each of its workers."
    )
    round_trip = serializers.FloatField(
        allow_null=True, help_text="Milliseconds that this message took."
    )
    workers = serializers.IntegerField(help_text="Processes of nginx that delivered it.")
    missed = serializers.IntegerField(
        help_text="Messages that others have, and that it gets when it is back."
    )


class HealthSerializer(serializers.Serializer):
    status = serializers.ChoiceField(
        STATUSES, help_text="The worst of its parts. degraded: it goes on by itself."
    )
    checked_at = serializers.DateTimeField()
    problems = serializers.ListField(child=serializers.CharField(), help_text="Sentences.")
    sources = SourceHealthSerializer(many=True, help_text="Those of WALLPUSH_SOURCE.")
    push_nodes = PushNodeHealthSerializer(many=True, help_text="In the order of the settings.")


class RulingSerializer(serializers.Serializer):
    source = serializers.CharField()
    state = serializers.CharField(help_text="active, refused or waiting.")
    reason = serializers.CharField(help_text="Why it is refused, in the words of the source.")
    changed_at = serializers.DateTimeField(allow_null=True)


class TrackSerializer(serializers.Serializer):
    id = serializers.CharField()
    text = serializers.CharField()
    kind = serializers.ChoiceField(["word", "hashtag", "mention", "phrase", "account"])
    keyword = serializers.CharField(help_text="The keyword that its tweets get.")
    channel = serializers.CharField(help_text="The channel that carries them.")
    origin = serializers.ChoiceField(
        ["settings", "added"], help_text="settings: of WALLPUSH_KEYWORDS, removed there only."
    )
    added_by = serializers.CharField(help_text="A login; empty for the settings and the shell.")
    added_at = serializers.DateTimeField()
    rulings = RulingSerializer(many=True, help_text="Of each source that is read.")


class TrackPageSerializer(LinksSerializer):
    results = TrackSerializer(many=True)


class StatsSerializer(serializers.Serializer):
    tweets = serializers.IntegerField()
    authors = serializers.IntegerField()
    keywords = serializers.IntegerField()
    messages = serializers.DictField(child=CountSerializer(), help_text="By outcome.")
    unpublished = serializers.IntegerField(help_text="Stored, and not yet published.")
    set_aside = serializers.IntegerField(help_text="Messages not stored, in the last 24 hours.")
    reads = ReadsSerializer(help_text="What X charges for, since midnight, UTC.")
    sources = SourceSerializer(many=True)


class WallSerializer(serializers.Serializer):
    title = serializers.CharField()
    subtitle = serializers.CharField()
    events_url = serializers.CharField(help_text="Where /events/ is reached; empty: at this host.")
    sources = serializers.ListField(child=serializers.CharField(), help_text="What is read.")


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
HEALTH = extend_schema(
    responses={
        200: HealthSerializer,
        503: OpenApiResponse(HealthSerializer, description="A person is needed now."),
    }
)
METRICS = extend_schema(
    responses={(200, "text/plain"): OpenApiResponse(str, description="Prometheus' text format.")}
)
WALL = extend_schema(responses=WallSerializer)

NO_LOGIN = OpenApiResponse(ErrorSerializer, description="No login, or a wrong one.")
NOT_ALLOWED = OpenApiResponse(ErrorSerializer, description="Not for this login.")
STAFF = {401: NO_LOGIN, 403: NOT_ALLOWED}
TRACKS = extend_schema(
    operation_id="tracks_list",
    parameters=[Parameters],
    responses={200: TrackPageSerializer, 400: INVALID, **STAFF},
)
ADD_TRACK = extend_schema(
    operation_id="tracks_create",
    request=TrackTextSerializer,
    responses={
        200: OpenApiResponse(TrackSerializer, description="It was watched for already."),
        201: TrackSerializer,
        400: INVALID,
        **STAFF,
        413: OpenApiResponse(ErrorSerializer, description="The body is too large."),
    },
)
ONE_TRACK = extend_schema(
    operation_id="tracks_retrieve",
    responses={200: TrackSerializer, **STAFF, 404: NOT_FOUND},
)
REMOVE_TRACK = extend_schema(
    operation_id="tracks_destroy",
    responses={
        204: OpenApiResponse(description="It is gone."),
        **STAFF,
        404: NOT_FOUND,
        409: OpenApiResponse(
            ErrorSerializer, description="It stands in WALLPUSH_KEYWORDS, and goes with them."
        ),
    },
)
