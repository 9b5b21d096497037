"""Whether a post matches a rule or a query of X: as much of its grammar as tests need. No network here."""

import html
import re
import unicodedata
from collections import deque
from typing import NamedTuple

TOKENS = re.compile(r'-?"(?:\\.|[^"\\])*"|[()]|[^\s()]+')
REFERENCES = {"is:retweet": "retweeted", "is:quote": "quoted", "is:reply": "replied_to"}


class Subject(NamedTuple):
    """What of a post is looked at."""

    texts: tuple
    author: str
    references: frozenset
    lang: str


def fold(text, accents=True):
    """Without upper case and, unless `accents` count, without accents."""
    text = unicodedata.normalize("NFC", html.unescape(text)).casefold()
    if accents:
        return text
    letters = unicodedata.normalize("NFD", text)
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


def matches(query, subject, *, accents=True):
    """Raises ValueError for an operator that is not known here."""
    tokens = deque(TOKENS.findall(query))
    return _match_any(tokens, subject, accents)


def _match_any(tokens, subject, accents):
    results = [_match_all(tokens, subject, accents)]
    while tokens and tokens[0] == "OR":
        tokens.popleft()
        results.append(_match_all(tokens, subject, accents))
    return any(results)


def _match_all(tokens, subject, accents):
    results = []
    while tokens and tokens[0] not in ("OR", ")"):
        token = tokens.popleft()
        if token == "(":
            results.append(_match_any(tokens, subject, accents))
            tokens.popleft()
        elif token.startswith("-"):
            results.append(not _match_one(token[1:], subject, accents))
        else:
            results.append(_match_one(token, subject, accents))
    return all(results)


def _match_one(token, subject, accents):
    operator, colon, value = token.partition(":")
    if token.startswith('"'):
        return _holds(re.sub(r"\\(.)", r"\1", token[1:-1]), subject, accents)
    if not colon or token.startswith(("#", "@")):
        return _holds(token, subject, accents)
    if operator == "from":
        return value.casefold() == subject.author.casefold()
    if operator == "lang":
        return value == subject.lang
    if token in REFERENCES:
        return REFERENCES[token] in subject.references
    if token == "is:nullcast":
        return False  # an advertisement that nobody follows; there are none here
    raise ValueError(f"The stand-in does not know the operator {token!r}.")


def _holds(term, subject, accents):
    """The term stands in a text and is not a part of a longer word."""
    words = r"\s+".join(re.escape(word) for word in fold(term, accents).split())
    pattern = re.compile(rf"(?<!\w){words}(?!\w)")
    return any(pattern.search(fold(text, accents)) for text in subject.texts)
