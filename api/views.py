"""What may be asked: tweets, their authors and keywords, how things stand, and what the wall needs to know."""

from django.conf import settings
from django.db.models import Q
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.response import Response
from rest_framework.reverse import reverse
from rest_framework.utils.urls import replace_query_param
from rest_framework.views import APIView

from . import schema
from .health import FAILED, read_health
from .metrics import CONTENT_TYPE, render_metrics
from .models import Author, Keyword, Tweet
from .pagination import NewestFirst, changes_after, encode_cursor, resume_point
from .query import (
    MAX_LENGTH,
    AuthorParameters,
    NoParameters,
    Parameters,
    TweetParameters,
    TweetSelection,
)
from .renderers import MetricsRenderer
from .serializers.resource import (
    author_serializer,
    fill_terms,
    keyword_serializer,
    tweet_resource,
    tweet_serializer,
    with_parts,
)
from .staff import Conflict, StaffOnly, TrackTextSerializer
from .status import read_stats
from .tracks import (
    TrackError,
    TrackOfSettings,
    add_track,
    describe_track,
    list_tracks,
    remove_track,
)


class Root(APIView):
    """The wall's data. Read only, but for the tracks; everything is explained at `/api/docs/`."""

    @extend_schema(exclude=True)
    def get(self, request):
        NoParameters.read(request.query_params)
        names = (
            *("tweets", "authors", "keywords", "tracks", "stats", "health", "metrics", "wall"),
            *("schema", "docs"),
        )
        return Response({name: reverse(name, request=request) for name in names})


class Tweets(APIView):
    """Tweets, newest first; with `after`, what changed since, oldest first."""

    @schema.TWEETS
    def get(self, request):
        parameters = TweetParameters.read(request.query_params)
        selection = TweetSelection(parameters)
        answer = self._changes if "after" in parameters else self._page
        return Response(answer(request, selection, parameters))

    def _page(self, request, selection, parameters):
        after = encode_cursor(resume_point())
        page = selection.newest_first().page(parameters.get("cursor"), parameters["limit"])
        return paginated(request, page, make_resources(page.items)) | {"after": after}

    def _changes(self, request, selection, parameters):
        changes = changes_after(selection.rows, parameters["after"], parameters["limit"])
        return {
            "results": make_resources(changes.items),
            "after": encode_cursor(changes.after),
            "more": changes.more,
        }


class OneTweet(APIView):
    """A tweet by its id, or by the id of its newest version."""

    @schema.ONE_TWEET
    def get(self, request, id):
        NoParameters.read(request.query_params)
        tweets = with_parts(
            Tweet.objects.filter(Q(source_id=id) | Q(version_id=id), hidden_at=None)
        )
        return Response(tweet_serializer.to_representation(find(tweets, "tweet", id)))


class Authors(APIView):
    """Authors, those seen last first."""

    @schema.AUTHORS
    def get(self, request):
        parameters = AuthorParameters.read(request.query_params)
        authors = Author.objects.all()
        if "username" in parameters:
            authors = authors.filter(username__lower=parameters["username"])
        return Response(list_rows(request, authors, parameters, author_serializer))


class OneAuthor(APIView):
    @schema.ONE_AUTHOR
    def get(self, request, id):
        NoParameters.read(request.query_params)
        author = find(Author.objects.filter(source_id=id), "author", id)
        return Response(author_serializer.to_representation(author))


class Keywords(APIView):
    """Keywords that tweets came in by, those seen last first."""

    @schema.KEYWORDS
    def get(self, request):
        parameters = Parameters.read(request.query_params)
        return Response(list_rows(request, Keyword.objects.all(), parameters, keyword_serializer))


class Stats(APIView):
    """What was stored, what waits to be published, what was set aside, what was charged, who reads a source."""

    @schema.STATS
    def get(self, request):
        NoParameters.read(request.query_params)
        return Response(read_stats())


class Health(APIView):
    """Whether the wall lives: 200 if it does, be it with troubles, 503 if a person is needed now."""

    @schema.HEALTH
    def get(self, request):
        NoParameters.read(request.query_params)
        health = read_health()
        return Response(
            health,
            status=503 if health["status"] == FAILED else 200,
            headers={"Cache-Control": "no-store"},
        )


class Metrics(APIView):
    """The numbers of health and stats, for Prometheus."""

    renderer_classes = [MetricsRenderer]

    @schema.METRICS
    def get(self, request):
        NoParameters.read(request.query_params)
        return Response(
            render_metrics(), content_type=CONTENT_TYPE, headers={"Cache-Control": "no-store"}
        )


class Tracks(StaffOnly, APIView):
    """What the wall watches for, newest first, with what each source says of it. For staff."""

    @schema.TRACKS
    def get(self, request):
        parameters = Parameters.read(request.query_params)
        page = NewestFirst(list_tracks()).page(parameters.get("cursor"), parameters["limit"])
        return Response(paginated(request, page, [describe_track(track) for track in page.items]))

    @schema.ADD_TRACK
    def post(self, request):
        """Watch for something. Sources that are read are told within seconds: ask again for their rulings."""
        NoParameters.read(request.query_params)
        text = TrackTextSerializer.read(request.data)
        try:
            track, is_new = add_track(text, added_by=request.user.get_username())
        except TrackError as error:
            raise ValidationError({"text": [str(error)]}) from error
        return Response(describe_track(track), status=201 if is_new else 200)


class OneTrack(StaffOnly, APIView):
    @schema.ONE_TRACK
    def get(self, request, id):
        NoParameters.read(request.query_params)
        return Response(describe_track(find_track(id)))

    @schema.REMOVE_TRACK
    def delete(self, request, id):
        """Watch for it no longer. What came in by it stays."""
        NoParameters.read(request.query_params)
        try:
            remove_track(find_track(id))
        except TrackOfSettings as error:
            raise Conflict(str(error)) from error
        return Response(status=204)


class Wall(APIView):
    """What the page of the wall needs to know."""

    @schema.WALL
    def get(self, request):
        NoParameters.read(request.query_params)
        return Response(
            {
                "title": settings.WALLPUSH_WALL_TITLE,
                "subtitle": settings.WALLPUSH_WALL_SUBTITLE,
                "events_url": settings.WALLPUSH_EVENTS_URL,
                "sources": settings.WALLPUSH_SOURCE,
            }
        )


def find(rows, kind, id):
    """The row of an id that stands in the address."""
    if len(id) > MAX_LENGTH or "\0" in id:
        raise NotFound(f"No {kind} has this id.")
    row = rows.first()
    if row is None:
        raise NotFound(f"No {kind} has the id {id}.")
    return row


def find_track(id):
    # Nothing but digits is an id here; without this, other text would be an error of the database.
    rows = list_tracks().filter(pk=int(id) if id.isascii() and id.isdigit() else 0)
    return find(rows, "track", id)


def make_resources(tweets):
    fill_terms(tweets)
    return [tweet_resource(tweet) for tweet in tweets]


def list_rows(request, rows, parameters, serializer):
    page = NewestFirst(rows).page(parameters.get("cursor"), parameters["limit"])
    return paginated(request, page, [serializer.to_representation(row) for row in page.items])


def paginated(request, page, results):
    address = request.build_absolute_uri()

    def link(cursor):
        return cursor and replace_query_param(address, "cursor", encode_cursor(cursor))

    return {"results": results, "next": link(page.older), "previous": link(page.newer)}
