"""What only staff may do in the API: how they are known, and what they may send."""

import json

from rest_framework import status
from rest_framework.authentication import BasicAuthentication, SessionAuthentication
from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import BaseParser
from rest_framework.permissions import IsAdminUser
from rest_framework.serializers import CharField, Serializer

BODY_LIMIT = 10_000
TEXT_LIMIT = 1000
TEXT = 'What to watch for: a word, #hashtag, @name, "a phrase" or from:account.'
OBJECT = 'The body must be an object with a text and nothing else: {"text": "#wall"}.'


class TooLarge(APIException):
    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_detail = f"The body may have up to {BODY_LIMIT} bytes."


class Conflict(APIException):
    status_code = status.HTTP_409_CONFLICT


class SmallJSONParser(BaseParser):
    """JSON, and not much of it: a body is read into memory as a whole."""

    media_type = "application/json"

    def parse(self, stream, media_type=None, parser_context=None):
        body = stream.read(BODY_LIMIT + 1)
        if len(body) > BODY_LIMIT:
            raise TooLarge
        try:
            return json.loads(body)
        except (ValueError, RecursionError) as error:
            raise ParseError(f"The body is no JSON. {OBJECT}") from error


class MayChange(IsAdminUser):
    """Staff may look; who may add and delete tracks in the admin may do so here."""

    message = "Your login may not do this: it takes staff with the right to add or delete tracks."
    needed = {"POST": "api.add_track", "DELETE": "api.delete_track"}

    def has_permission(self, request, view):
        needed = self.needed.get(request.method)
        return super().has_permission(request, view) and (
            needed is None or request.user.has_perm(needed)
        )


class StaffOnly:
    """A mixin for views. Without a login the answer is 401; a session needs its CSRF token to write."""

    authentication_classes = [BasicAuthentication, SessionAuthentication]
    permission_classes = [MayChange]
    parser_classes = [SmallJSONParser]


class TrackTextSerializer(Serializer):
    text = CharField(
        max_length=TEXT_LIMIT,
        help_text=TEXT,
        error_messages=dict.fromkeys(("required", "blank", "null", "invalid"), TEXT)
        | {"max_length": f"Up to {TEXT_LIMIT} characters."},
    )

    @classmethod
    def read(cls, body):
        """The text in the body of a request; raises ValidationError, which is a 400."""
        if not isinstance(body, dict) or not body.keys() <= {"text"}:
            raise ParseError(OBJECT)
        serializer = cls(data=body)
        serializer.is_valid(raise_exception=True)
        return serializer.validated_data["text"]
