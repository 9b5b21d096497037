"""The settings of the X source, checked: each error is a sentence that names the setting."""

import re
from urllib.parse import urlsplit

from .source import SourceError


def read_token(value):
    if not value:
        raise SourceError("WALLPUSH_X_BEARER_TOKEN must hold the bearer token of your app at X.")
    if not re.fullmatch(r"[!-~]+", value):
        raise SourceError(
            "WALLPUSH_X_BEARER_TOKEN must hold the token alone, without blanks, line ends or the word Bearer."
        )
    return value


def read_base_url(value):
    try:
        parts = urlsplit(value)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable or re.search(r"[\s?#@]", value):
        raise SourceError(
            "WALLPUSH_X_BASE_URL must be an address like https://api.x.com, without user or query."
        )
    return value.rstrip("/")


def read_tag_prefix(value):
    """Without one, the rules of others could not be told from ours."""
    if not re.fullmatch(r"\S{1,50}", value):
        raise SourceError(
            "WALLPUSH_X_TAG_PREFIX must hold up to 50 characters without blanks, as wallpush: does."
        )
    return value
