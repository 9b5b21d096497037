"""What a person may write to be watched for, and what is meant by it."""

import re
import unicodedata
from enum import StrEnum
from typing import NamedTuple

from wallpush.channels import keyword_channel, normalize_term
from wallpush.errors import InvalidChannel

MAX_CHARACTERS = 500

_ACCOUNT = re.compile(r"[A-Za-z0-9_]{1,50}|[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})+")
_WORD = re.compile(r"\w+")
_QUOTED = re.compile(r'"([^"]+)"')


class TrackError(ValueError):
    """A sentence that says what is wrong with what was written."""


class Kind(StrEnum):
    WORD = "word"
    HASHTAG = "hashtag"
    MENTION = "mention"
    PHRASE = "phrase"
    ACCOUNT = "account"


class Subject(NamedTuple):
    """`value` is without the sign that tells the kind: no #, @, from: or quotes."""

    kind: Kind
    value: str
    text: str
    term: str


def read_track(text):
    """What is meant by a word, #hashtag, @name, "phrase" or from:account. Raises TrackError."""
    text = unicodedata.normalize("NFC", " ".join(text.split()))
    if len(text) > MAX_CHARACTERS:
        raise TrackError(
            f"{text[:40]!r}… has {len(text)} characters; up to {MAX_CHARACTERS} are taken."
        )
    if quoted := _QUOTED.fullmatch(text):
        text = quoted[1].strip()
    kind, value = _tell_kind(text)
    if kind == Kind.ACCOUNT:
        text = f"from:{value}"
    return Subject(kind, value, text, _find_term(text))


def _tell_kind(text):
    if text.lower().startswith("from:"):
        account = text[len("from:") :].removeprefix("@")
        if not _ACCOUNT.fullmatch(account):
            raise TrackError(
                f"{text!r} names no account: write from: and its name, as in from:ada_l."
            )
        return Kind.ACCOUNT, account
    for kind, sign in ((Kind.HASHTAG, "#"), (Kind.MENTION, "@")):
        if text.startswith(sign) and _names_one(kind, text[1:]):
            return kind, text[1:]
    return (Kind.WORD if _WORD.fullmatch(text) else Kind.PHRASE), text


def _names_one(kind, name):
    return (_ACCOUNT if kind == Kind.MENTION else _WORD).fullmatch(name)


def _find_term(text):
    try:
        keyword_channel(text)
    except InvalidChannel as error:
        raise TrackError(str(error)) from error
    return normalize_term(text)
