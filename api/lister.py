"""The people who tweet originals, as members of a list at X.

Whom X took in, and whom it refused, is noted person by person: a run that ended anywhere is gone on with by the next.
"""

import math
import time
from datetime import UTC, datetime

from django.db.models import Exists, OuterRef

from .models import Author, ListMember, Tweet
from .serializers.sanitize import clean_line
from .sources.x_backoff import LIMIT_STATUSES, LONGEST_ADVICE, PAUSES, Backoff, XTrouble

MAX_MEMBERS = 5000
MAX_NAME_CHARACTERS = 25
REASON_LIMIT = 300
# So many troubles in a row, and it is for a person to look.
MAX_TRIES = 5
# X refuses one person or another, but hardly so many in a row for the same reason.
SUSPICIOUS = 5
DESCRIPTION = "People who tweet originals, kept by wallpush."

FINAL_STATUSES = {
    401: "X does not accept the four keys; copy WALLPUSH_X_CONSUMER_KEY, WALLPUSH_X_CONSUMER_SECRET, "
    "WALLPUSH_X_ACCESS_TOKEN and WALLPUSH_X_ACCESS_TOKEN_SECRET again from your app at X.",
    402: "Your account at X has no credits left; buy some in X's developer console.",
    403: "X does not let your app write lists; give it read and write permission in X's developer console "
    "and make WALLPUSH_X_ACCESS_TOKEN anew.",
}


class ListerError(Exception):
    """A sentence that tells a person what to do."""


class LimitReached(ListerError):
    """X takes nobody for now, and nobody wants to wait."""


def find_people(list_id, *, again=False):
    """Authors of originals that the wall shows who are to be asked into the list, first seen first.

    Whom X refused is asked for only `again`.
    """
    originals = Tweet.objects.filter(author=OuterRef("pk"), retweet_of="", hidden_at=None)
    asked = ListMember.objects.filter(list_id=list_id, author=OuterRef("pk"))
    if again:
        asked = asked.filter(state=ListMember.State.ADDED)
    authors = Author.objects.filter(Exists(originals), ~Exists(asked), source="x")
    return authors.exclude(username="").order_by("pk")


def is_list_id(name):
    return name.isascii() and name.isdigit()


class Lister:
    """`tell` is given what a person wants to read, a line at a time."""

    def __init__(self, client, *, tell, wait=True):
        self.added = self.refused = 0
        self._client = client
        self._tell = tell
        self._wait = wait
        self._backoff = Backoff(PAUSES)
        self._tries = 0
        self._last_refusals = []

    def find_list(self, name):
        """The account's list of this name or id; None if there is none of this name."""
        account_id, username = self._ask(self._client.read_account)
        lists = self._ask(self._client.read_lists, account_id)
        if is_list_id(name):
            found = [each for each in lists if each.id == name]
            if not found:
                raise ListerError(f"The account @{clean(username)} at X owns no list {name}.")
        else:
            found = [each for each in lists if each.name.casefold() == name.casefold()]
        if len(found) > 1:
            ids = " or ".join(each.id for each in found)
            raise ListerError(f"There are several lists named {name!r}: name one by its id, {ids}.")
        return found[0] if found else None

    def create_list(self, name, *, private):
        if len(name) > MAX_NAME_CHARACTERS:
            raise ListerError(
                f"{name!r} has {len(name)} characters; X takes {MAX_NAME_CHARACTERS} for the name of a list."
            )
        try:
            return self._client.create_list(name, description=DESCRIPTION, private=private)
        except XTrouble as trouble:
            # Not tried again: X may have made it, and the next run finds it.
            raise ListerError(explain(trouble.ended)) from trouble

    def take_in(self, target, people):
        """Asks X to take these authors into the list."""
        for number, author in enumerate(people, 1):
            reason = clean(self._ask(self._client.add_member, target.id, author.source_id))
            note_answer(target, author, reason)
            self.added += not reason
            self.refused += bool(reason)
            outcome = f"refused: {reason}" if reason else "added"
            self._tell(f"{number}/{len(people)} @{clean(author.username)} {outcome}")
            self._watch_refusals(target, author, reason)

    def _watch_refusals(self, target, author, reason):
        if self._last_refusals and self._last_refusals[-1][1] != reason:
            self._last_refusals = []
        if reason:
            self._last_refusals.append((author, reason))
        if len(self._last_refusals) == SUSPICIOUS:
            refused = [author for author, _ in self._last_refusals]
            ListMember.objects.filter(list_id=target.id, author__in=refused).delete()
            self.refused -= SUSPICIOUS
            raise ListerError(
                f"X refused {SUSPICIOUS} people in a row, so it is hardly because of them, and the next run asks again: {reason}"
            )

    def _ask(self, ask, *args):
        """What X says, however long it takes until it says something."""
        while True:
            try:
                answer = ask(*args)
            except XTrouble as trouble:
                self._wait_out(trouble.ended)
            else:
                self._tries = 0
                self._backoff.forget()
                return answer

    def _wait_out(self, ended):
        is_limit = ended.status in LIMIT_STATUSES
        self._tries += not is_limit
        if not is_limit and (not self._wait or self._tries == MAX_TRIES or not may_pass(ended)):
            raise ListerError(explain(ended))
        pause = self._find_pause(ended, is_limit)
        until = datetime.fromtimestamp(time.time() + pause, UTC).astimezone()
        if not self._wait:
            raise LimitReached(
                f"X's limit is reached until {until:%H:%M:%S %Z}; run it again then to go on."
            )
        told = "X's limit is reached." if is_limit else clean(ended.reason)
        self._tell(f"{told} Waiting until {until:%H:%M:%S %Z}.")
        time.sleep(pause)

    def _find_pause(self, ended, is_limit):
        # A second later than X says: its clock is not ours.
        left = math.ceil(ended.reset - time.time()) + 1
        if is_limit and left > 0:
            return min(left, LONGEST_ADVICE)
        return self._backoff.find_pause(ended)


def clean(text):
    return clean_line(text, REASON_LIMIT)


def may_pass(ended):
    """Whether to ask again may help."""
    return ended.cause == "network" or ended.status >= 500


def explain(ended):
    advice = FINAL_STATUSES.get(ended.status, "The list is not done; run it again to go on.")
    return f"{advice} {clean(ended.reason)}"


def note_answer(target, author, reason):
    state = ListMember.State.REFUSED if reason else ListMember.State.ADDED
    ListMember.objects.update_or_create(
        list_id=target.id, author=author, defaults={"state": state, "reason": reason}
    )


def find_room(target):
    """How many more the list may take."""
    members = target.members
    if members is None:
        members = ListMember.objects.filter(list_id=target.id, state=ListMember.State.ADDED).count()
    return max(0, MAX_MEMBERS - members)
