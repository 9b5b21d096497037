"""Which of the posts that pass by are asked for. A Jetstream can not be asked for words: it sends every post."""

import re
import unicodedata
from collections import defaultdict
from functools import lru_cache
from typing import NamedTuple

from wallpush.channels import normalize_term

from .bluesky_events import read_dicts
from .tracks import Kind

FACET_LIMIT = 200
FEATURE_LIMIT = 20
TAG_LIMIT = 640  # characters; longer ones can not be the tag of a track

# Scripts that put no space between words: in them a word is found wherever it stands.
_SPACELESS = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3400-\u9fff"
    "\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
)
_JOINERS = "\u200c\u200d"


def _find_marks():
    """Vowel signs and accents, which `\\w` does not count as part of a word."""
    marks = (chr(code) for code in range(0x20000) if unicodedata.category(chr(code))[0] == "M")
    return "".join(marks)


_MARKS = _find_marks()
_LETTER = f"[^\\W{_SPACELESS}]"
_WORD = re.compile(f"{_LETTER}(?:{_LETTER}|[{_MARKS}{_JOINERS}])*")
_TAG = re.compile(f"(?<!{_LETTER})(?<![&/])[#\uff03]([\\w{_MARKS}{_JOINERS}]+)")


def fold(text):
    """The form in which two spellings are the same, as in channels.normalize_term; spaces stay."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


@lru_cache(maxsize=4096)
def fold_tag(tag):
    return normalize_term(tag)


def read_features(record):
    """What the facets of a post mark: (kind, feature), kind being "tag", "mention" or "link"."""
    for facet in read_dicts(record, "facets", FACET_LIMIT):
        for feature in read_dicts(facet, "features", FEATURE_LIMIT):
            name = feature.get("$type")
            if isinstance(name, str) and name.startswith("app.bsky.richtext.facet#"):
                yield name.partition("#")[2], feature


class Matcher:
    """Made once for a set of tracks; `find_terms` then costs no more for a thousand of them than for one.

    `subjects` is what is meant by each track, `dids` the ids of the accounts they name, by lower-case handle;
    an account without an id is not looked for.
    """

    def __init__(self, subjects, dids):
        self._words = defaultdict(set)
        self._phrases = defaultdict(set)
        self._pieces = set()
        self._tags = defaultdict(set)
        self._mentions = defaultdict(set)
        self._accounts = defaultdict(set)
        for subject in subjects:
            self._add(subject, dids)

    def _add(self, subject, dids):
        if subject.kind == Kind.HASHTAG:
            self._tags[fold_tag(subject.value)].add(subject.term)
        elif subject.kind in (Kind.MENTION, Kind.ACCOUNT):
            known = self._mentions if subject.kind == Kind.MENTION else self._accounts
            if did := dids.get(subject.value.lower()):
                known[did].add(subject.term)
        else:
            self._add_words(" ".join(fold(subject.value).split()), subject.term)

    def _add_words(self, phrase, term):
        words = _WORD.findall(phrase)
        if [phrase] == words:
            self._words[phrase].add(term)
        elif words:
            self._phrases[words[0]].add(make_phrase(phrase, term))
        elif phrase:
            self._pieces.add((phrase, term))

    def find_terms(self, did, record):
        """The terms of all tracks that the post of this account answers to, sorted."""
        text = record.get("text")
        text = text if isinstance(text, str) else ""
        found = set(self._accounts.get(did, ()))
        self._match_words(fold(text), found)
        self._match_facets(record, text, found)
        return sorted(found)

    def _match_words(self, text, found):
        words = set(_WORD.findall(text))
        for word in self._words.keys() & words:
            found |= self._words[word]
        spaced = None
        for word in self._phrases.keys() & words:
            spaced = spaced or Spaced(text)
            for phrase in self._phrases[word]:
                if phrase.words <= words and spaced.holds(phrase):
                    found.add(phrase.term)
        if self._pieces:
            text = " ".join(text.split())
            found.update(term for piece, term in self._pieces if piece in text)

    def _match_facets(self, record, text, found):
        if not (self._tags or self._mentions):
            return
        tags = read_tags(record)
        for kind, feature in read_features(record):
            if kind == "mention" and isinstance(feature.get("did"), str):
                found |= self._mentions.get(feature["did"], set())
        # A client that marks no tags at all leaves them to whoever reads the text.
        for tag in tags or _TAG.findall(text):
            found |= self._tags.get(fold_tag(tag), set())


def read_tags(record):
    """The tags that the author's client marked in the text, and those it gave the post beside it."""
    beside = record.get("tags")
    tags = list(beside[:FACET_LIMIT]) if isinstance(beside, list) else []
    tags += [feature.get("tag") for kind, feature in read_features(record) if kind == "tag"]
    return [tag for tag in tags if isinstance(tag, str) and 0 < len(tag) <= TAG_LIMIT]


class Phrase(NamedTuple):
    """`whole_start`, `whole_end`: it begins, ends with a word, of which no part may be missing."""

    text: str
    words: frozenset
    whole_start: bool
    whole_end: bool
    term: str


def make_phrase(text, term):
    spans = [found.span() for found in _WORD.finditer(text)]
    words = frozenset(text[start:end] for start, end in spans)
    return Phrase(text, words, spans[0][0] == 0, spans[-1][1] == len(text), term)


class Spaced:
    """A folded text with single spaces, and where words begin and end in it."""

    def __init__(self, text):
        self._text = " ".join(text.split())
        spans = [found.span() for found in _WORD.finditer(self._text)]
        self._starts = {start for start, _ in spans}
        self._ends = {end for _, end in spans}

    def holds(self, phrase):
        start = self._text.find(phrase.text)
        while start >= 0:
            before = not phrase.whole_start or start in self._starts
            after = not phrase.whole_end or start + len(phrase.text) in self._ends
            if before and after:
                return True
            start = self._text.find(phrase.text, start + 1)
        return False
