"""What may have been missed while nobody listened: remembered when the stream connects, then searched for."""

import logging
from datetime import timedelta
from typing import NamedTuple

from .fresh import EPOCH, LATEST, SNOWFLAKE_BITS, SNOWFLAKE_EPOCH, is_id, read_snowflake, write_time
from .ledger import Gap
from .notes import make_notes_line
from .x_backoff import Ended, XTrouble
from .x_chores import Chore
from .x_pages import find_main_posts, get_dict, make_line, split_answer

log = logging.getLogger(__name__)

# X delivers out of order: so much before the newest post may still have been on its way.
MARGIN = timedelta(seconds=30)
# How far back a search reaches, a little less: X measures when the question arrives.
REACH = timedelta(days=7) - timedelta(minutes=1)
MAX_QUERY_CHARACTERS = 512
PAGE_SIZES = 10, 100
# A search that X calls wrong so often is wrong.
TRIES = 3


def make_snowflake(moment):
    """The lowest id of a moment."""
    milliseconds = int(moment.timestamp() * 1000) - SNOWFLAKE_EPOCH
    return max(milliseconds, 0) << SNOWFLAKE_BITS


def find_moment(snowflake):
    """When X made an id."""
    milliseconds = min(read_snowflake(snowflake), LATEST)
    return EPOCH + timedelta(milliseconds=milliseconds)


def make_gap(active, position, until):
    """What may be missing of a rule up to a moment, if anything. `position`: its highest stored id, or None."""
    after = make_snowflake(active.track.added_at) - 1
    if position:
        margin = int(MARGIN.total_seconds() * 1000) << SNOWFLAKE_BITS
        after = max(after, position - margin)
    # With the ids of this very millisecond.
    until = make_snowflake(until + timedelta(milliseconds=1))
    gap = Gap(active.track.text, active.term, after, until)
    return gap if gap.after < gap.until else None


class Progress(NamedTuple):
    """How far down a gap was searched: of what is up to `until`, everything from `below` on was found.

    A gap that is widened meanwhile is filled up to here first: otherwise frequent interruptions would start it over.
    """

    until: int
    below: int
    found: int = 0


class GapFiller(Chore):
    """Searches for what open gaps may hide, and hands it on as the stream would."""

    label = "gaps"

    def __init__(self, office, client, *, rules, meter, settle, retweets, tick):
        super().__init__(office, client)
        self._rules = rules
        self._meter = meter
        self._settle = settle
        self._retweets = retweets
        self._tick = tick
        self._filled = {}
        self._progress = {}
        self._wrong = {}

    def step(self):
        if not self._rules.is_synced.is_set() or not self._meter.is_ready:
            return self._tick
        gaps = self.ledger.read_gaps()
        self._forget_all_but({gap.id for gap in gaps})
        waits = [self._tick]
        for gap in filter(None, map(self._find_rest, gaps)):
            wait = self._find_wait(gap)
            if wait > 0:
                waits.append(wait)
            elif self._fill(gap):
                waits.append(0)  # it may have been widened
            else:
                return self._tick
        return min(waits)

    def _find_rest(self, gap):
        """Without what was filled, though the store has not heard of it yet."""
        filled = self._filled.get(gap.id)
        if filled and filled.after > gap.after:
            del self._filled[gap.id]  # it was widened to the past
        elif filled:
            gap = gap._replace(after=max(gap.after, filled.until))
        if gap.after >= gap.until:
            return None
        start = Progress(gap.until, gap.until)
        return gap._replace(until=self._progress.setdefault(gap.id, start).until)

    def _find_wait(self, gap):
        """Seconds until X finds all of it."""
        return (find_moment(gap.until) - self.office.clock()).total_seconds() + self._settle

    def _forget_all_but(self, ids):
        for kept in (self._filled, self._progress, self._wrong):
            for gap_id in kept.keys() - ids:
                del kept[gap_id]

    def _fill(self, gap):
        """False if there is no money, or no time, for all of it."""
        rule = self._rules.book.rules.get(gap.text)
        if rule is None:
            return self._close_gap(gap, "It is not tracked any more.")
        if len(rule.value) > MAX_QUERY_CHARACTERS:
            return self._close_gap(
                gap,
                f"X's search takes {MAX_QUERY_CHARACTERS} characters and this track makes {len(rule.value)}.",
            )
        since = max(gap.after, make_snowflake(self.office.clock() - REACH))
        if since >= gap.until:
            return self._close_gap(
                gap, "It is more than 7 days old; X's search does not reach back so far."
            )
        try:
            return self._search(gap, rule, since)
        except XTrouble as trouble:
            return self._give_up(gap, trouble)

    def _search(self, gap, rule, since):
        progress = self._progress[gap.id]
        page = {"since_id": since, "until_id": progress.below}
        while True:
            size = min(self._meter.find_affordable(), PAGE_SIZES[1])
            if size < PAGE_SIZES[0] or self.ending.is_set():
                return False
            answer = self.client.search(rule.value, max_results=size, **page)
            before = progress
            progress = self._take(answer, gap, rule, progress)
            token = get_dict(answer, "meta").get("next_token")
            if not token:
                return self._close_gap(gap, self._describe(gap, since), progress.found)
            if progress.below == before.below:
                raise XTrouble(Ended("status", "X's search gave a page of nothing before its end."))
            page["next_token"] = token

    def _take(self, answer, gap, rule, progress):
        self._meter.count(answer, aside=True)
        rule_id = self._rules.book.find_id(gap.text)
        matching = [{"id": rule_id, "tag": rule.tag} if rule_id else {"tag": rule.tag}]
        messages = split_answer(answer)
        for message in reversed(messages):
            self.office.deliver(make_line(message | {"matching_rules": matching}))
        ids = [int(post["id"]) for post in find_main_posts(answer) if is_id(post["id"])]
        progress = progress._replace(
            below=min([progress.below, *ids]), found=progress.found + len(messages)
        )
        self._progress[gap.id] = progress
        return progress

    def _give_up(self, gap, trouble):
        """Once X has called a search wrong a few times; any other trouble passes."""
        self._wrong[gap.id] = self._wrong.get(gap.id, 0) + (trouble.ended.status == 400)
        if self._wrong[gap.id] < TRIES:
            raise trouble
        return self._close_gap(gap, str(trouble))

    def _close_gap(self, gap, note, found=0):
        if self.ending.is_set():
            return False
        span = {"after": gap.after, "until": gap.until}
        filled = {"gap": gap.id, **span, "found": found, "note": note}
        self.office.deliver(make_notes_line(filled=filled))
        self._filled[gap.id] = self._filled.get(gap.id, gap)._replace(until=gap.until)
        self._progress.pop(gap.id)
        self._wrong.pop(gap.id, None)
        level = logging.INFO if found else logging.DEBUG
        log.log(level, "A gap of %s is filled, %d found. %s", gap.text, found, note)
        return True

    def _describe(self, gap, since):
        told = []
        if since > gap.after:
            told.append(
                f"X's search reaches back 7 days: what came before {write_time(read_snowflake(since))} is missing."
            )
        if self._retweets:
            told.append("Retweets of that time are missing: X's search does not find them.")
        return " ".join(told)
