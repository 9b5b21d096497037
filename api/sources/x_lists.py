"""Lists at X, through tweepy: what an account owns, and whom it takes in. Requests are signed for the account."""

import logging
import re
from typing import NamedTuple

import requests
import tweepy

from .source import SourceError
from .x_backoff import Ended, XTrouble
from .x_client import TIMEOUT, TWEEPY_HOST, HostRewrite, drop_debug
from .x_pages import get_dict, get_dicts
from .x_problem import describe_problem
from .x_rest import MAX_PAGES, RestClient

# At DEBUG these log what is signed and the signature.
for _name in ("oauthlib.oauth1.rfc5849", "requests_oauthlib.oauth1_auth"):
    logging.getLogger(_name).addFilter(drop_debug)

# What X puts into the type of a refusal that is about the app or the account, not about one person.
OWN_PROBLEMS = (
    "client-forbidden",
    "client-not-enrolled",
    "oauth1-permissions",
    "unsupported-authentication",
    "usage-capped",
    "credits",
)


class Credentials(NamedTuple):
    """Of the app at X, and of the account that owns the list."""

    consumer_key: str
    consumer_secret: str
    access_token: str
    access_token_secret: str


class List(NamedTuple):
    """`members` is how many are in it; None: X did not say."""

    id: str
    name: str
    members: int | None


def check_credentials(credentials):
    """Raises SourceError, which names all that can not be."""
    names = {f"WALLPUSH_X_{name.upper()}": value for name, value in credentials._asdict().items()}
    if wrong := [name for name, value in names.items() if not re.fullmatch(r"[!-~]+", value)]:
        raise SourceError(f"{' and '.join(wrong)} must hold the key alone, without blanks.")


class SigningSession(requests.Session):
    """A signature holds for the address it was made for, so the host is changed before signing."""

    def __init__(self, base_url):
        super().__init__()
        self._base_url = base_url

    def prepare_request(self, request):
        request.url = request.url.replace(TWEEPY_HOST, self._base_url, 1)
        return super().prepare_request(request)


class ListClient(RestClient):
    """Each method raises XTrouble. For one thread."""

    def __init__(self, credentials, *, base_url, timeout=TIMEOUT):
        check_credentials(credentials)
        base_url = base_url.rstrip("/")
        self._secrets = tuple(credentials)
        self._client = tweepy.Client(**credentials._asdict(), return_type=dict)
        self._client.session = SigningSession(base_url)
        self._adapter = HostRewrite(base_url, timeout)
        self._client.session.mount(base_url, self._adapter)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def read_account(self):
        """The id and the name of the account that the requests are signed for."""
        me = get_dict(self._ask("the account", self._client.get_me), "data")
        return str(me.get("id", "")), str(me.get("username", ""))

    def read_lists(self, account_id):
        """Those that the account owns."""
        lists, token = [], None
        for _ in range(MAX_PAGES):
            params = {"pagination_token": token} if token else {}
            answer = self._ask(
                "the lists of the account",
                self._client.get_owned_lists,
                account_id,
                list_fields="member_count",
                max_results=100,
                user_auth=True,
                **params,
            )
            lists += [read_list(item) for item in get_dicts(answer, "data")]
            token = get_dict(answer, "meta").get("next_token")
            if not token:
                break
        return lists

    def create_list(self, name, *, description, private):
        answer = self._ask(
            "a new list", self._client.create_list, name, description=description, private=private
        )
        made = read_list(get_dict(answer, "data"))
        if not made.id:
            raise XTrouble(Ended("status", f"X made no list: {describe_answer(answer)}"))
        return made._replace(members=0)

    def add_member(self, list_id, user_id):
        """Why X does not take this person in, or "". To add somebody again does no harm.

        Raises XTrouble if it is about something else than this person.
        """
        try:
            answer = self._ask("a member", self._client.add_list_member, list_id, user_id)
        except XTrouble as trouble:
            if is_about_person(trouble):
                return describe_problem(trouble.problem)
            raise
        return "" if get_dict(answer, "data").get("is_member") is True else describe_answer(answer)


def read_list(item):
    members = item.get("member_count")
    return List(
        str(item.get("id", "")),
        str(item.get("name", "")),
        members if type(members) is int else None,
    )


def describe_answer(answer):
    """The reason in an answer that says yes with its status and no in its body."""
    errors = get_dicts(answer, "errors")
    return describe_problem(errors[0] if errors else answer)


def is_about_person(trouble):
    """Whether X refused one person; otherwise it would refuse everybody."""
    problem = trouble.problem
    kind = str(problem.get("type", "")).rpartition("/")[2]
    about_list = any(error.get("resource_type") == "list" for error in get_dicts(problem, "errors"))
    return trouble.ended.status in (400, 403, 404) and kind not in OWN_PROBLEMS and not about_list
