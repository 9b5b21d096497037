"""X's lists, and who may write them: signatures of OAuth 1.0a are verified. No network here: see x_server.py.

x.lists.create("wall")                     # of x.lists.owner
x.lists.limit_adds(300, window=900)        # the 301st within 900 s is answered with 429
x.lists.refuse(user_id, 403, "You are not allowed to add this user.")
"""

import itertools
import re
import string
import threading
import time
from typing import NamedTuple

from oauthlib.oauth1 import RequestValidator, SignatureOnlyEndpoint

from tests.x_rules import PROBLEMS, refuse_parameter

MAX_NAME_CHARACTERS = 25
MAX_MEMBERS = 5000
PAGE = 100

USER_AUTH_NEEDED = {
    "title": "Unsupported Authentication",
    "detail": "Authenticating with OAuth 2.0 Application-Only is forbidden for this endpoint.  "
    "Supported authentication types are [OAuth 1.0a User Context, OAuth 2.0 User Context].",
    "type": f"{PROBLEMS}/unsupported-authentication",
    "status": 403,
}


class Credentials(NamedTuple):
    consumer_key: str = "InventedConsumerKey000001"
    consumer_secret: str = "invented-consumer-secret-of-the-app"
    access_token: str = "2072000000000000001-InventedAccessToken"
    access_token_secret: str = "invented-secret-of-the-access-token"


class Verifier(RequestValidator):
    """Whether a request was signed with these credentials, just now, and for the first time."""

    enforce_ssl = False
    safe_characters = frozenset(string.ascii_letters + string.digits + "-_")
    client_key_length = access_token_length = nonce_length = (5, 64)
    dummy_client = "nobody"
    lifetime = 300

    def __init__(self, credentials):
        super().__init__()
        self.credentials = credentials
        self._used = set()
        self._endpoint = SignatureOnlyEndpoint(self)

    def verify(self, method, url, authorization):
        signed, request = self._endpoint.validate_request(
            url, method, headers={"Authorization": authorization}
        )
        return signed and request.resource_owner_key == self.credentials.access_token

    # What oauthlib asks.

    def validate_timestamp_and_nonce(self, client_key, timestamp, nonce, request, **tokens):
        is_new = (timestamp, nonce) not in self._used
        self._used.add((timestamp, nonce))
        return is_new and abs(time.time() - int(timestamp)) < self.lifetime

    def validate_client_key(self, client_key, request):
        return client_key == self.credentials.consumer_key

    def get_client_secret(self, client_key, request):
        known = client_key == self.credentials.consumer_key
        return self.credentials.consumer_secret if known else "nothing"

    def get_access_token_secret(self, client_key, token, request):
        known = token == self.credentials.access_token
        return self.credentials.access_token_secret if known else "nothing"


class List:
    def __init__(self, list_id, name, owner_id, private):
        self.id = list_id
        self.name = name
        self.owner_id = owner_id
        self.private = private
        self.members = []

    def describe(self, fields):
        more = {
            "private": self.private,
            "member_count": len(self.members),
            "owner_id": self.owner_id,
        }
        chosen = {name: value for name, value in more.items() if name in fields}
        return {"id": self.id, "name": self.name} | chosen


def describe_missing(kind, parameter, value):
    """Status and body of the answer about what X does not have."""
    detail = f"Could not find {kind} with {parameter}: [{value}]."
    error = {
        "value": value,
        "detail": detail,
        "title": "Not Found Error",
        "resource_type": kind,
        "parameter": parameter,
        "resource_id": value,
        "type": f"{PROBLEMS}/resource-not-found",
    }
    return 404, {"errors": [error], "title": "Not Found Error", "detail": detail} | {
        "type": f"{PROBLEMS}/resource-not-found"
    }


def describe_forbidden(detail):
    return 403, {"title": "Forbidden", "detail": detail, "type": "about:blank", "status": 403}


def cut_page(things, params):
    """A page of them, with its meta."""
    start = int(params.get("pagination_token") or 0)
    size = int(params.get("max_results", PAGE))
    page = things[start : start + size]
    meta = {"result_count": len(page)}
    if len(things) > start + size:
        meta["next_token"] = str(start + size)
    return ({"data": page} if page else {}) | {"meta": meta}


class Lists:
    """The lists of everybody at X; requests come from `owner`."""

    def __init__(self, world):
        self.credentials = Credentials()
        self.lists = []
        self._world = world
        self._owner = {"id": "2072000000000000001", "name": "Wall", "username": "the_wall"}
        self._ids = itertools.count(1780000000000000001)
        self._verifier = Verifier(self.credentials)
        self.refused = {}
        self._limit = self._window = self._left = None
        self._reset = 0
        self._lock = threading.Lock()

    def verify(self, method, url, authorization):
        with self._lock:
            return self._verifier.verify(method, url, authorization)

    # What tests do.

    def create(self, name, *, private=True, owner_id=None):
        made = List(str(next(self._ids)), name, owner_id or self._owner["id"], private)
        self.lists.append(made)
        return made

    def refuse(self, user_id, code, detail, kind="about:blank"):
        """Whoever is asked to take this user into a list says no."""
        body = {"title": "Forbidden", "detail": detail, "type": kind, "status": code}
        self.refused[user_id] = code, body

    def limit_adds(self, limit, window):
        self._limit = self._left = limit
        self._window = window

    # What the server asks.

    def find_action(self, method, path):
        """What answers a request, or None if it is not about lists."""
        for known, pattern, action in ACTIONS:
            found = re.fullmatch(pattern, path)
            if known == method and found:
                return lambda request: action(self, request, *found.groups())
        return None

    def describe_me(self, request):
        return 200, {"data": self._owner}

    def describe_owned(self, request, user_id):
        fields = request.params.get("list.fields", "").split(",")
        owned = [one.describe(fields) for one in self.lists if one.owner_id == user_id]
        return 200, cut_page(owned, request.params)

    def make(self, request):
        name = request.body.get("name", "")
        if not 1 <= len(name) <= MAX_NAME_CHARACTERS:
            detail = f"$.name: must be between 1 and {MAX_NAME_CHARACTERS} characters long"
            return refuse_parameter("name", name, detail)
        made = self.create(name, private=request.body.get("private", False))
        return 201, {"data": {"id": made.id, "name": made.name}}

    def list_members(self, request, list_id):
        found = self._find(list_id)
        if not found:
            return describe_missing("list", "id", list_id)
        members = [self._world.users[user_id] for user_id in found.members]
        names = ("id", "name", "username")
        users = [{name: user[name] for name in names} for user in members]
        return 200, cut_page(users, request.params)

    def add_member(self, request, list_id):
        with self._lock:
            headers = self._count_add()
            if self._left is not None and self._left < 0:
                detail = {"title": "Too Many Requests", "detail": "Too Many Requests"}
                return 429, detail | {"type": "about:blank", "status": 429}, headers
            return *self._add(list_id, str(request.body.get("user_id", ""))), headers

    def remove_member(self, request, list_id, user_id):
        found = self._find(list_id)
        if not found or found.owner_id != self._owner["id"]:
            return describe_missing("list", "id", list_id)
        with self._lock:
            found.members = [member for member in found.members if member != user_id]
        return 200, {"data": {"is_member": False}}

    def _add(self, list_id, user_id):
        found = self._find(list_id)
        if not found:
            return describe_missing("list", "id", list_id)
        if found.owner_id != self._owner["id"]:
            return describe_forbidden("You are not the owner of this list.")
        if user_id in self.refused:
            return self.refused[user_id]
        if not self._world.is_user(user_id):
            return describe_missing("user", "user_id", user_id)
        if user_id not in found.members and len(found.members) >= MAX_MEMBERS:
            return describe_forbidden("This list has the most members that a list may have.")
        if user_id not in found.members:
            found.members.append(user_id)
        return 200, {"data": {"is_member": True}}

    def _count_add(self):
        """The headers that tell of the limit, if there is one."""
        if self._limit is None:
            return {}
        if time.time() >= self._reset:
            self._left = self._limit
            self._reset = int(time.time()) + self._window
        self._left -= 1
        return {
            "x-rate-limit-limit": str(self._limit),
            "x-rate-limit-remaining": str(max(0, self._left)),
            "x-rate-limit-reset": str(self._reset),
        }

    def _find(self, list_id):
        return next((one for one in self.lists if one.id == list_id), None)


ACTIONS = (
    ("GET", r"/2/users/me", Lists.describe_me),
    ("GET", r"/2/users/(\d+)/owned_lists", Lists.describe_owned),
    ("POST", r"/2/lists", Lists.make),
    ("GET", r"/2/lists/(\d+)/members", Lists.list_members),
    ("POST", r"/2/lists/(\d+)/members", Lists.add_member),
    ("DELETE", r"/2/lists/(\d+)/members/(\d+)", Lists.remove_member),
)
