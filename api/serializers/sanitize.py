"""Values from outside, made harmless: no control characters, no half characters, no address but https."""

import re

URL_LIMIT = 2000

_UNWANTED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
# No user part: https://x.com@evil.example would be shown as one host and lead to another.
_HTTPS = re.compile(r"""https://[\w.-]+(?::[0-9]{1,5})?(?:[/?#][^\s"<>\\^`{|}\x00-\x1f\x7f]*)?""")
_SAMPLE = re.compile(r"/sample/(?!.*\.\.)[\w./-]+", re.ASCII)


def clean_text(text):
    """Without control characters; half of a surrogate pair becomes U+FFFD, as no database takes it."""
    if text.isprintable() or not _UNWANTED.search(text):
        return text
    return _UNWANTED.sub(lambda found: "\ufffd" if found[0] >= "\ud800" else "", text)


def clean_line(value, limit):
    """One line of at most `limit` characters; anything but a string is an empty one."""
    if not isinstance(value, str):
        return ""
    return " ".join(clean_text(value[: 4 * limit]).split())[:limit]


def clean_lines(value, limit):
    return clean_text(value[:limit]) if isinstance(value, str) else ""


def clean_count(value, limit):
    """A whole number from 0 to `limit`; anything else is 0."""
    return value if type(value) is int and 0 <= value <= limit else 0


def link_address(value):
    """The https address, or an empty string."""
    usable = isinstance(value, str) and len(value) <= URL_LIMIT and _HTTPS.fullmatch(value)
    return clean_text(value) if usable else ""


def picture_address(value, limit=URL_LIMIT):
    """An https address or a picture of the shipped sample, or an empty string."""
    if not isinstance(value, str) or len(value) > limit:
        return ""
    return value if _SAMPLE.fullmatch(value) else link_address(value)
