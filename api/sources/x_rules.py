"""What the wall asks X for: one rule for each keyword, told from other people's by its tag."""

import logging
import re
import unicodedata

import tweepy
from tweepy import StreamRule

from wallpush.channels import keyword_channel, normalize_term
from wallpush.errors import InvalidChannel

from .source import SourceError
from .x_problem import describe_problem, read_problem

log = logging.getLogger(__name__)

TAG_PREFIX = "wallpush:"
MAX_RULE_CHARACTERS = 1024
# What X takes for one word; anything else is searched for as a phrase.
PLAIN_WORD = re.compile(r"[#@]?\w+")
OPERATORS = ("and", "or", "not")


def make_rule(keyword):
    """The rule for a keyword: a word, a #hashtag, a @name or a phrase, never an operator of X."""
    text = unicodedata.normalize("NFC", " ".join(keyword.split()))
    try:
        keyword_channel(text)
    except InvalidChannel as error:
        raise SourceError(f"WALLPUSH_KEYWORDS: {error}") from error
    value = f"{quote_term(text)} -is:nullcast"
    if len(value) > MAX_RULE_CHARACTERS:
        raise SourceError(
            f"WALLPUSH_KEYWORDS: {text[:40]!r}… makes a rule of {len(value)} characters; X takes {MAX_RULE_CHARACTERS}."
        )
    return StreamRule(value=value, tag=TAG_PREFIX + normalize_term(text))


def quote_term(text):
    if PLAIN_WORD.fullmatch(text) and text.lower() not in OPERATORS:
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def ensure_rules(client, rules):
    """Adds those of our rules that X does not have, and leaves all others as they are.

    `client` returns plain dicts. Raises SourceError if X has no rule then: it would send nothing.
    """
    present = client.get_rules().get("data") or []
    known = {(rule.get("value"), rule.get("tag")) for rule in present}
    missing = [rule for rule in rules if (rule.value, rule.tag) not in known]
    added, refused = add_rules(client, missing) if missing else (set(), {})
    for value, reason in refused.items():
        log.error("X refused the rule %s: %s", value, reason)
    if not present and not added:
        raise SourceError(explain_silence(refused))
    log.info(
        "Rules at X: %d there before, %d added (%s), none removed.",
        len(present),
        len(added),
        ", ".join(sorted(added)) or "none",
    )


def explain_silence(refused):
    if not refused:
        return "X has no rules, so it would send nothing: name what to show in WALLPUSH_KEYWORDS."
    reason = next(iter(refused.values()))
    return f"X refused every rule made from WALLPUSH_KEYWORDS, so it would send nothing: {reason}"


def add_rules(client, rules):
    """The values that X took, and those that it refused with its reasons."""
    answer = post_rules(client, rules)
    added = {rule["value"] for rule in answer.get("data") or []}
    refused = {
        problem["value"]: describe_refusal(problem)
        for problem in answer.get("errors") or []
        if "value" in problem
    }
    rest = [rule for rule in rules if rule.value not in added | refused.keys()]
    if rest and len(rest) == len(rules):
        return added, dict.fromkeys((rule.value for rule in rest), describe_problem(answer))
    if rest:
        # Nothing says what X does with good rules beside a bad one. Each round has fewer of them.
        more_added, more_refused = add_rules(client, rest)
        return added | more_added, refused | more_refused
    return added, refused


def post_rules(client, rules):
    try:
        return client.add_rules(rules)
    except tweepy.HTTPException as error:
        if error.response.status_code not in (400, 422):
            raise
        return read_problem(error.response)


def describe_refusal(problem):
    if problem.get("title") == "DuplicateRule":
        return "it is there already under another tag, so its tweets do not count for our keyword."
    return describe_problem(problem)
