"""What may be asked: tweets, their authors and keywords, how things stand, and what the wall needs to know."""

from django.conf import settings
from django.db.models import Q
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.response import Response
from rest_framework.reverse import reverse
from rest_framework.utils.urls import replace_query_param
from rest_framework.views import APIView

from . import schema
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
from .serializers.resource import (
    author_serializer,
    keyword_serializer,
    tweet_resource,
    tweet_serializer,
    with_parts,
)
from .status import read_stats


class Root(APIView):
    """The wall's data. Read only; every list has its parameters explained at `/api/docs/`."""

    @extend_schema(exclude=True)
    def get(self, request):
        NoParameters.read(request.query_params)
        names = ("tweets", "authors", "keywords", "stats", "wall", "schema", "docs")
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
        resources = [tweet_resource(tweet) for tweet in page.items]
        return paginated(request, page, resources) | {"after": after}

    def _changes(self, request, selection, parameters):
        changes = changes_after(selection.rows, parameters["after"], parameters["limit"])
        return {
            "results": [tweet_resource(tweet) for tweet in changes.items],
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
    """What was stored, what waits to be published, what was set aside in the last 24 hours, who reads a source."""

    @schema.STATS
    def get(self, request):
        NoParameters.read(request.query_params)
        return Response(read_stats())


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
                "source": settings.WALLPUSH_SOURCE,
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


def list_rows(request, rows, parameters, serializer):
    page = NewestFirst(rows).page(parameters.get("cursor"), parameters["limit"])
    return paginated(request, page, [serializer.to_representation(row) for row in page.items])


def paginated(request, page, results):
    address = request.build_absolute_uri()

    def link(cursor):
        return cursor and replace_query_param(address, "cursor", encode_cursor(cursor))

    return {"results": results, "next": link(page.older), "previous": link(page.newer)}
