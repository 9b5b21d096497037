"""Keeps X's rules in step with the tracks, while the stream runs."""

import logging
import time
from contextlib import suppress
from functools import partial
from threading import Event
from typing import NamedTuple

from tweepy import StreamRule

from .ledger import ACTIVE, REFUSED, WAITING, LedgerUnavailable, Ruling, Track
from .x_backoff import FINAL_STATUSES, XTrouble, make_error
from .x_chores import Chore
from .x_gaps import make_gap
from .x_rules import add_rules, find_key, find_room, make_rule, make_rules

log = logging.getLogger(__name__)

# Seconds after which X's rules are compared with ours again: others may change them.
RESYNC = 180

ASKED = "X is asked whether it takes this."


class ActiveRule(NamedTuple):
    """A track that X sends tweets for."""

    track: Track
    term: str
    rule: StreamRule
    rule_id: str


class RuleBook(NamedTuple):
    """What was agreed with X: `rules` of the tracks by their text, `active` ones among them, `total` at X."""

    tracks: int = 0
    rules: dict = {}
    active: dict = {}
    total: int = 0
    complaint: str = ""

    def find_id(self, text):
        """X's id of the rule of a track; "" if X has none."""
        return self.active[text].rule_id if text in self.active else ""


class RuleKeeper(Chore):
    """Keeps X's rules as the tracks want them, and the rulings as X judges them."""

    label = "rules"

    def __init__(self, office, client, *, prefix, retweets, tick, resync=RESYNC):
        super().__init__(office, client)
        self.book = RuleBook()
        self.trouble = ""
        self.is_synced = Event()
        self._prefix = prefix
        self._make = partial(make_rule, prefix=prefix, retweets=retweets)
        self._tick = tick
        self._resync = resync
        self._tracks = None
        self._asked = ()
        self._due_at = 0.0
        self._told = {}
        self._fresh = {}
        self._summary = ""

    def distrust(self):
        """X says that there are no rules: nothing is read until that is sorted out."""
        self.is_synced.clear()
        self._due_at = 0.0
        self.wake()

    def step(self):
        tracks = self._asked = self.ledger.read_tracks()
        if tracks != self._tracks or time.monotonic() >= self._due_at:
            self._tell_waiting(ASKED, but=self._told)
            self._due_at = time.monotonic() + self._resync
            try:
                self._sync(tracks)
            except (XTrouble, LedgerUnavailable):
                self._due_at = 0.0
                raise
        self._open_gaps()
        return self._tick

    def explain(self, trouble, pause):
        if trouble.ended.status in FINAL_STATUSES:
            raise make_error(trouble.ended)
        self.trouble = f"{trouble} Trying again in {pause:g} s."
        log.warning("%s", self.trouble)
        self.office.reconsider()
        with suppress(LedgerUnavailable):  # the next step meets it, too
            self._tell_waiting(self.trouble)

    def _sync(self, tracks):
        rules, rulings = make_rules([track.text for track in tracks], self._make)
        present = self.client.read_rules()
        kept, stale = self._compare(present, rules)
        if stale:
            self.client.delete_rules([rule["id"] for rule in stale])
        missing = [
            rule
            for rule in dict.fromkeys(rules.values())
            if find_key(rule.value, rule.tag) not in kept
        ]
        judged = self._add(missing, present, stale)
        for text, rule in rules.items():
            known = kept.get(find_key(rule.value, rule.tag))
            rulings[text] = Ruling(ACTIVE, "", known["id"]) if known else judged[rule.value]
        added = [rule for rule in missing if judged[rule.value].state == ACTIVE]
        # X may have taken a rule though its answer was lost: then it was not active before and is there now.
        before = self.book.active if self._tracks is not None or self.trouble else None
        self._keep(tracks, rules, rulings, len(present) - len(stale) + len(added))
        self._note_fresh(added, before)
        self._log(present, added, stale)
        self._tell(rulings)
        self._told = {text: self._told[text] for text in rulings}

    def _compare(self, present, rules):
        """Those of our rules at X that are wanted, by key, and those that are not. Others are not looked at."""
        wanted = {find_key(rule.value, rule.tag) for rule in rules.values()}
        kept, stale = {}, []
        for rule in present:
            value, tag, rule_id = (rule.get(name) for name in ("value", "tag", "id"))
            if not all(isinstance(each, str) for each in (value, tag, rule_id)):
                continue
            if not tag.startswith(self._prefix):
                continue
            key = find_key(value, tag)
            if key in wanted and key not in kept:
                kept[key] = rule
            else:
                stale.append(rule)
        return kept, stale

    def _add(self, missing, present, stale):
        """Rulings by value. X is asked for its caps only when there is something to add."""
        if not missing:
            return {}
        room, told = find_room(self.client)
        present = [rule for rule in present if rule not in stale]
        fitting = missing if room is None else missing[:room]
        judged = {rule.value: Ruling(REFUSED, told) for rule in missing[len(fitting) :]}
        return judged | add_rules(self.client, fitting, present)

    def _keep(self, tracks, rules, rulings, total):
        active = {
            track.text: ActiveRule(track, rules[track.text].tag.removeprefix(self._prefix),
                                   rules[track.text], rulings[track.text].rule_id)
            for track in tracks
            if rulings[track.text].state == ACTIVE
        }  # fmt: skip
        reasons = [ruling.reason for ruling in rulings.values() if ruling.reason]
        self.book = RuleBook(len(tracks), rules, active, total, next(iter(reasons), ""))
        self._tracks = tracks
        self.trouble = ""
        self.is_synced.set()
        self.office.reconsider()

    def _note_fresh(self, added, before):
        """X begins to match a rule some seconds after it took it; gaps for that are opened in a moment."""
        until = self.office.find_settled_time()
        for text, active in self.book.active.items():
            if active.rule in added or (before is not None and text not in before):
                self._fresh[text] = until

    def _open_gaps(self):
        """Kept until the ledger has them."""
        active = self.book.active
        fresh = {text: until for text, until in self._fresh.items() if text in active}
        if fresh:
            positions = self.ledger.read_positions()
            gaps = [
                make_gap(active[text], self._find_position(active[text], positions), until)
                for text, until in fresh.items()
            ]
            self.ledger.open_gaps([gap for gap in gaps if gap])
            self.office.announce_gaps()
        self._fresh.clear()

    def _find_position(self, active, positions):
        """None if tweets of another track of this term may have moved it."""
        same = [other for other in self.book.active.values() if other.term == active.term]
        return positions.get(active.term) if len(same) == 1 else None

    def _tell_waiting(self, reason, but=()):
        """Of the tracks that X has not judged yet."""
        rulings = {}
        for track in self._asked:
            told = self._told.get(track.text)
            if track.text not in but and (told is None or told.state == WAITING):
                rulings[track.text] = Ruling(WAITING, reason)
        self._tell(rulings)

    def _tell(self, rulings):
        """Only what is new; a refusal also in the log."""
        new = {text: ruling for text, ruling in rulings.items() if self._told.get(text) != ruling}
        if new:
            self.ledger.note_rulings(new)
        for text, ruling in new.items():
            if ruling.state == REFUSED:
                log.error("X refused the track %s: %s", text, ruling.reason)
        self._told |= new

    def _log(self, present, added, stale):
        summary = (
            f"{len(added)} added ({list_values(added)}),"
            f" {len(stale)} removed ({', '.join(rule['value'] for rule in stale) or 'none'})"
        )
        if summary != self._summary:
            log.info("Rules at X: %d there before, %s.", len(present), summary)
        self._summary = summary


def list_values(rules):
    return ", ".join(sorted(rule.value for rule in rules)) or "none"


def explain_silence(book):
    """Why X has no rules, so that it would send nothing."""
    if book.tracks:
        return f"X took none of what is tracked, so it would send nothing: {book.complaint}"
    return "Nothing is tracked: tell it what to show, as in manage.py track add '#mywall'."
