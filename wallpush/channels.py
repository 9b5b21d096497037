"""Names of channels: the only place in Python that knows their grammar.

A name is 1 to 190 characters of `A-Z a-z 0-9 _ ~ -`. The module would take more, but cuts names
at `.b5`, decodes `%` twice, splits at `/` and writes quotes unescaped into its JSON
(push_stream.md §5), so nothing else is let through.

`global` carries every message, `user-<author id>` those of one author, `keyword-<term>` those of
one term; each byte of them that may not stand in a name is written `~HH`. Any other name is free,
except the module's `ALL` and the control channel `_ctl`.
The JavaScript of the wall follows the same table of cases: tests/channels.json.
"""

from __future__ import annotations

import re
import unicodedata

from .errors import InvalidChannel

__all__ = [
    "CHANNEL_PATTERN",
    "GLOBAL",
    "check_channel",
    "decode_term",
    "encode_term",
    "keyword_channel",
    "normalize_term",
    "user_channel",
]

GLOBAL = "global"
CHANNEL_PATTERN = "[A-Za-z0-9_~-]{1,190}"
RESERVED_NAMES = frozenset({"ALL", "_ctl"})

KEYWORD_PREFIX = "keyword-"
USER_PREFIX = "user-"
SAFE_BYTES = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789_-")
# An author's id is no word: upper and lower case are different ids.
SAFE_ID_BYTES = SAFE_BYTES | frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ")

_is_channel = re.compile(CHANNEL_PATTERN).fullmatch
_is_encoded_term = re.compile("(?:[a-z0-9_-]|~[0-9A-F]{2})+").fullmatch


def _encode_bytes(safe: frozenset[int]) -> tuple[str, ...]:
    """Each byte as it stands in a name."""
    return tuple(chr(byte) if byte in safe else f"~{byte:02X}" for byte in range(256))


_ENCODED = _encode_bytes(SAFE_BYTES)
_ENCODED_ID = _encode_bytes(SAFE_ID_BYTES)


def check_channel(name: str) -> str:
    """The name itself. Raises InvalidChannel if it is none."""
    if not isinstance(name, str):
        raise InvalidChannel(repr(name), "a name is a string.")
    if not _is_channel(name):
        raise InvalidChannel(name, "a name is 1 to 190 characters of A-Z a-z 0-9 _ ~ -.")
    if name in RESERVED_NAMES:
        raise InvalidChannel(name, "this name is reserved.")
    return name


def user_channel(author_id: str | int) -> str:
    """The channel of one author: `42` gives `user-42`, `did:plc:abc` gives `user-did~3Aplc~3Aabc`.

    Raises InvalidChannel if the id does not fit into a name.
    """
    if author_id == "":
        raise InvalidChannel(USER_PREFIX, "the author's id is empty.")
    try:
        encoded = "".join(map(_ENCODED_ID.__getitem__, str(author_id).encode()))
    except UnicodeEncodeError as exc:
        raise InvalidChannel(repr(author_id), "this id is no valid Unicode.") from exc
    return check_channel(USER_PREFIX + encoded)


def keyword_channel(term: str) -> str:
    """The channel of a term as a person writes it: `#Café` gives `keyword-caf~C3~A9`.

    Raises InvalidChannel if nothing is left of the term, or more than fits into a name.
    """
    normalized = normalize_term(term)
    if not normalized:
        raise InvalidChannel(term, "nothing is left of this term.")
    name = KEYWORD_PREFIX + encode_term(normalized)
    if not _is_channel(name):
        raise InvalidChannel(term, "this term is too long.")
    return name


def normalize_term(term: str) -> str:
    """The form in which two spellings of a term are the same.

    Leading `#` and outer white space go, inner white space becomes one space, then NFC and
    casefold. All leading `#` go, so that a normalised term stays as it is.
    """
    words = " ".join(term.split()).lstrip("# ")
    folded = unicodedata.normalize("NFC", words).casefold()
    return unicodedata.normalize("NFC", folded)


def encode_term(term: str) -> str:
    """The term in the safe alphabet: each other byte of its UTF-8 as `~HH`. Not normalised."""
    try:
        return "".join(map(_ENCODED.__getitem__, term.encode()))
    except UnicodeEncodeError as exc:
        raise InvalidChannel(repr(term), "this term is no valid Unicode.") from exc


def decode_term(encoded: str) -> str:
    """The reverse of `encode_term`. Raises InvalidChannel for anything it never returns."""
    reason = "this is no encoded term."
    if not _is_encoded_term(encoded):
        raise InvalidChannel(encoded, reason)
    plain = re.sub("~(..)", lambda match: chr(int(match[1], 16)), encoded)
    try:
        term = plain.encode("latin-1").decode()
    except UnicodeDecodeError as exc:
        raise InvalidChannel(encoded, reason) from exc
    if encode_term(term) != encoded:
        raise InvalidChannel(encoded, reason)
    return term
