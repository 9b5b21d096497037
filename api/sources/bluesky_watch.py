"""What is looked for on Bluesky at the moment, and what is said of each track."""

import logging
import time

from .bluesky_directory import GROUP, Unavailable
from .bluesky_matching import Matcher
from .ledger import ACTIVE, REFUSED, WAITING, Ruling
from .tracks import Kind, TrackError, read_track

log = logging.getLogger(__name__)

# Seconds until a handle is looked up again: one that is known, one that nobody has, one that could not be asked for.
KNOWN_AGE, ABSENT_AGE, RETRY = 3600.0, 600.0, 20.0
ACCOUNTS = (Kind.MENTION, Kind.ACCOUNT)


class Watch:
    """`matcher` follows the tracks, which are read again every few seconds."""

    def __init__(self, ledger, directory, *, every=2.0, retry=RETRY):
        self._ledger = ledger
        self._directory = directory
        self._every, self._retry = every, retry
        self._due = 0.0
        self._tracks = None
        self._dids = {}
        self._look_up_at = {}
        self._told = {}
        self.matcher = Matcher((), {})

    @property
    def ready(self):
        """Whether the tracks were ever read."""
        return self._tracks is not None

    def refresh(self):
        """Does nothing until it is due. Raises LedgerUnavailable."""
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + self._every
        tracks = tuple(self._ledger.read_tracks())
        subjects, rulings = read_subjects(tracks)
        handles = {subject.value.lower() for subject in subjects.values() if is_account(subject)}
        looked_up = self._look_up(handles)
        if tracks != self._tracks or looked_up:
            self.matcher = Matcher(subjects.values(), self._dids)
            self._tracks = tracks
        rulings |= {text: self._judge(subject) for text, subject in subjects.items()}
        self._tell(rulings)

    def note_identity(self, did, handle):
        """The account has another handle now, so what is known of both is looked up again."""
        for known, owner in self._dids.items():
            if owner == did or known == handle:
                self._look_up_at[known] = 0.0

    def _tell(self, rulings):
        news = {text: ruling for text, ruling in rulings.items() if self._told.get(text) != ruling}
        if news:
            self._ledger.note_rulings(news)
        self._told = rulings

    def _look_up(self, handles):
        """True if something changed by it."""
        before = dict(self._dids)
        for handle in self._look_up_at.keys() - handles:
            del self._look_up_at[handle]
            self._dids.pop(handle, None)
        now = time.monotonic()
        due = sorted(handle for handle in handles if self._look_up_at.get(handle, 0.0) <= now)
        for group in (due[at : at + GROUP] for at in range(0, len(due), GROUP)):
            if not self._look_up_group(group):
                break
        return self._dids != before

    def _look_up_group(self, group):
        now = time.monotonic()
        try:
            found = self._directory.resolve(group)
        except Unavailable as error:
            log.warning("%s Accounts are looked up again in %g s.", error, self._retry)
            self._look_up_at |= dict.fromkeys(group, now + self._retry)
            return False
        for handle in group:
            self._dids[handle] = found.get(handle, "")
            self._look_up_at[handle] = now + (KNOWN_AGE if self._dids[handle] else ABSENT_AGE)
        return True

    def _judge(self, subject):
        if not is_account(subject):
            return Ruling(ACTIVE)
        match self._dids.get(subject.value.lower()):
            case None:
                return Ruling(WAITING, "Bluesky can not be asked now who this is.")
            case "":
                return Ruling(REFUSED, f"Nobody on Bluesky has the name {subject.value} now.")
        return Ruling(ACTIVE)


def is_account(subject):
    return subject.kind in ACCOUNTS


def read_subjects(tracks):
    """What is meant by each track, by its text, and the rulings of those that can not be looked for."""
    subjects, rulings = {}, {}
    for track in tracks:
        try:
            subject = read_track(track.text)
        except TrackError as error:
            rulings[track.text] = Ruling(REFUSED, str(error))
            continue
        if is_account(subject) and "." not in subject.value:
            sentence = f"A name on Bluesky has a dot, as in ada.bsky.social, which {subject.value} has not."
            rulings[track.text] = Ruling(REFUSED, sentence)
        else:
            subjects[track.text] = subject._replace(term=track.term)
    return subjects, rulings
