"""Asks X again for tweets that were shown: what X does not show any more has to go here, too."""

import time

from .fresh import is_id
from .notes import NAME, make_notes_line
from .x_chores import Chore
from .x_pages import find_author, find_newest_version, get_dicts, make_line, split_answer

AT_ONCE = 100
# Where no new post may be read any more, so many due ones are looked through for those that are free.
LOOKED_THROUGH = 1000

DELETED, PROTECTED, SUSPENDED, WITHHELD, GONE = (
    *("deleted", "protected", "suspended", "withheld", "gone"),
)
# The last part of a problem's type. No other problem removes a tweet: it may pass.
REASONS = {
    "resource-not-found": DELETED,
    "not-authorized-for-resource": PROTECTED,
    "resource-unavailable": GONE,
    "disallowed-resource": GONE,
}
POSTS = ("tweet", "post", None)


class Recheck(Chore):
    """Looks up due tweets in batches and says what became of them."""

    label = "recheck"

    def __init__(self, office, client, *, meter, minutes, reads, tick):
        super().__init__(office, client)
        self._meter = meter
        self._seconds = minutes * 60
        self._reads = reads
        self._tick = tick
        self._day = None
        self._used = 0
        self._asked = {}

    def step(self):
        if self._meter.is_ready:
            while not self.ending.is_set() and (ids := self._choose()):
                self._ask(ids)
        return self._tick

    def _choose(self):
        """Due tweets that may be asked for now: those that X has charged for today are free."""
        allowed = min(self._find_allowed(), self._meter.find_affordable())
        self._forget_asked()
        limit = AT_ONCE + len(self._asked) if allowed >= AT_ONCE else LOOKED_THROUGH
        due = self.ledger.read_due_tweets(min(limit, LOOKED_THROUGH))
        chosen = []
        for tweet_id in filter(is_id, due):
            is_free = self._meter.is_charged(tweet_id)
            if tweet_id not in self._asked and len(chosen) < AT_ONCE and (is_free or allowed > 0):
                chosen.append(tweet_id)
                allowed -= not is_free
        return chosen

    def _find_allowed(self):
        today = self.office.clock().date()
        if today != self._day:
            self._day, self._used = today, 0
        return self._reads - self._used

    def _forget_asked(self):
        """The store hears of an answer a little later; until then a tweet is due and was asked for."""
        past = time.monotonic() - 0.9 * self._seconds
        self._asked = {each: asked for each, asked in self._asked.items() if asked > past}

    def _ask(self, ids):
        new = {each for each in ids if not self._meter.is_charged(each)}
        answer = self._look_up(ids)
        self._used += sum(self._meter.is_charged(each) for each in new)
        removed = find_removed(answer, ids)
        edited = []
        for message in split_answer(answer):
            post = message["data"]
            if find_author(post, message).get("protected") is True:
                removed[post["id"]] = PROTECTED
                continue
            self.office.deliver(make_line(message | {NAME: {"recheck": True}}))
            if find_newest_version(post) != post["id"]:
                edited.append(find_newest_version(post))
        notes = [{"id": each, "reason": reason} for each, reason in removed.items()]
        self.office.deliver(make_notes_line(**({"removed": notes} if notes else {}), checked=ids))
        self._asked |= dict.fromkeys(ids, time.monotonic())
        self._deliver_edited(edited[: self._meter.find_affordable()])

    def _look_up(self, ids):
        answer = self.client.look_up(ids)
        self._meter.count(answer, aside=True)
        return answer

    def _deliver_edited(self, ids):
        """The newest versions: X sends an edit on the stream only if it still matches."""
        for message in split_answer(self._look_up(ids)) if ids else ():
            self.office.deliver(make_line(message))


def find_removed(answer, asked):
    """Why X does not show posts that it was asked for, by id."""
    shown = {message["data"]["id"] for message in split_answer(answer)}
    hidden = set(asked) - shown
    problems = get_dicts(answer, "errors")
    return {
        problem["resource_id"]: reason
        for problem in problems
        if problem.get("resource_type") in POSTS
        and problem.get("resource_id") in hidden
        and (reason := find_reason(problem))
    }


def find_reason(problem):
    """Why a post is not shown, or None if the problem says nothing of the kind."""
    kind = problem.get("type")
    reason = REASONS.get(kind.rstrip("/").rpartition("/")[2]) if isinstance(kind, str) else None
    if reason is None:
        return None
    told = f"{problem.get('title')} {problem.get('detail')}".lower()
    return next((word for word in (SUSPENDED, WITHHELD) if word in told), reason)
