"""What is asked of X beside the stream, through tweepy: rules, search, lookup."""

import contextlib

import requests
import tweepy
import urllib3

from .x_backoff import Ended, XTrouble, read_reset
from .x_client import FIELDS, TIMEOUT, TWEEPY_HOST, HostRewrite
from .x_pages import get_dict, get_dicts
from .x_problem import describe_failure, describe_problem, read_problem, take_out

RULES_ROUTE = "/2/tweets/search/stream/rules"
# More pages of rules than an app can have.
MAX_PAGES = 100
# X takes any number of rules in a request, it seems; a refusal of one of few is cheaper to sort out.
RULES_AT_ONCE = 100
# What tweepy raises itself where a body, or the header of a 429, is not of the shape that it expects.
UNREADABLE = (AttributeError, KeyError, TypeError, ValueError, RecursionError)


class RestClient:
    """Each method asks once and gives X's answer, a dict. Raises XTrouble. For one thread."""

    def __init__(self, token, *, base_url, timeout=TIMEOUT):
        self._secrets = (token,)
        self._client = tweepy.Client(token, return_type=dict)
        self._adapter = HostRewrite(base_url, timeout)
        self._client.session.mount(TWEEPY_HOST, self._adapter)
        self._client.session.max_redirects = 0

    def search(self, query, **params):
        """Posts of the last 7 days, newest first."""
        ask = self._client.search_recent_tweets
        answer = self._ask("the search", ask, query, **params, **FIELDS)
        if not isinstance(answer.get("meta"), dict):  # then it does not say that nothing was found
            raise self._explain("the search")
        return answer

    def look_up(self, ids):
        """Up to 100 posts by their ids."""
        answer = self._ask("the lookup", self._client.get_tweets, ids, **FIELDS)
        if not answer.keys() & {"data", "errors"}:
            raise self._explain("the lookup")
        return answer

    def read_rules(self):
        """All rules of the app, in one list."""
        rules, token = [], None
        for _ in range(MAX_PAGES):
            params = {"pagination_token": token} if token else {}
            answer = self._ask_for_rules("GET", params=params)
            rules += get_dicts(answer, "data")
            token = get_dict(answer, "meta").get("next_token")
            if not token:
                break
        return rules

    def count_rules(self):
        """How many rules the app and its project have, and may have."""
        return self._ask_for_rules("GET", "/counts")

    def add_rules(self, rules, *, dry_run=False):
        """The answer also if X refuses all of them: it says why."""
        params = {"dry_run": "true"} if dry_run else {}
        body = {"add": [{"value": rule.value, "tag": rule.tag} for rule in rules]}
        try:
            answer = self._ask_for_rules("POST", params=params, json=body)
        except XTrouble as trouble:
            if trouble.ended.status not in (400, 422):
                raise
            return trouble.problem
        return take_out(answer, self._secrets)

    def delete_rules(self, ids):
        return self._ask_for_rules("POST", json={"delete": {"ids": ids}})

    def hang_up(self):
        """Ends a request from another thread, while X says nothing more."""
        self._adapter.hang_up()

    def close(self):
        self._client.session.close()

    def _ask_for_rules(self, method, more="", **what):
        def ask():
            return self._client.request(method, RULES_ROUTE + more, **what).json()

        return self._ask("the rules", ask)

    def _ask(self, what, ask, *args, **params):
        self._adapter.response = None
        # `from None`: what was raised may repeat what was sent, with the token.
        try:
            answer = ask(*args, **params)
        except (tweepy.HTTPException, requests.JSONDecodeError):
            raise self._explain(what) from None
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise XTrouble(describe_outage(error)) from None
        except UNREADABLE:
            raise self._explain(what) from None
        if not isinstance(answer, dict):
            raise self._explain(what)
        return answer

    def _explain(self, what):
        """A refusal, or an answer that is none."""
        response = self._adapter.response
        if response is None or response.ok:
            return XTrouble(Ended("status", f"X answered {what} with what can not be read."))
        problem = read_problem(response, self._secrets)
        status = response.status_code
        told = f"X refused {what}, HTTP {status}: {describe_problem(problem)}"
        return XTrouble(Ended("status", told, status, 0.0, read_reset(response.headers)), problem)


def describe_outage(error):
    return Ended("network", f"X can not be reached: {describe_failure(error)}.")


@contextlib.contextmanager
def open_client(token, *, base_url, timeout=TIMEOUT):
    client = RestClient(token, base_url=base_url, timeout=timeout)
    try:
        yield client
    finally:
        client.close()
