"""What the wall asks X for: one rule for each track, told from other people's by the prefix of its tag."""

import re
from functools import partial

from tweepy import StreamRule

from .ledger import ACTIVE, REFUSED, WAITING, Ruling
from .tracks import Kind, TrackError, read_track
from .x_backoff import XTrouble, make_error
from .x_pages import get_dict, get_dicts
from .x_problem import describe_problem
from .x_rest import RULES_AT_ONCE, open_client
from .x_settings import read_base_url, read_tag_prefix, read_token

MAX_RULE_CHARACTERS = 1024
# What X takes for one word; anything else is searched for as a phrase.
PLAIN_WORD = re.compile(r"[#@]?\w+")
ACCOUNT_AT_X = re.compile(r"[A-Za-z0-9_]+")
OPERATORS = ("and", "or", "not")

UNKNOWN_STATES = "X did not say whether it takes this; it is asked again in a few minutes."


def make_rule(text, *, prefix, retweets=True):
    """The rule for what a person wrote. Raises TrackError, a sentence, if X can not have it."""
    subject = read_track(text)
    if subject.kind in (Kind.ACCOUNT, Kind.MENTION) and not ACCOUNT_AT_X.fullmatch(subject.value):
        raise TrackError(
            f"X has no account {subject.value}: names there are letters, digits and _ only."
        )
    value = f"{write_term(subject)} -is:nullcast{'' if retweets else ' -is:retweet'}"
    if len(value) > MAX_RULE_CHARACTERS:
        raise TrackError(
            f"{text[:40]!r}… makes a rule of {len(value)} characters; X takes {MAX_RULE_CHARACTERS}."
        )
    return StreamRule(value=value, tag=prefix + subject.term)


def write_term(subject):
    """In X's grammar: a word, #hashtag, @name, from:name or a phrase, never another operator."""
    text = subject.text
    if subject.kind == Kind.ACCOUNT:
        return text
    if PLAIN_WORD.fullmatch(text) and text.lower() not in OPERATORS:
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def make_rules(texts, make):
    """The rules by text, and the rulings of those that can be none. What X would not tell apart is one rule."""
    rules, refused, by_key = {}, {}, {}
    for text in texts:
        try:
            rule = make(text)
        except TrackError as error:
            refused[text] = Ruling(REFUSED, str(error))
        else:
            rules[text] = by_key.setdefault(find_key(rule.value, rule.tag), rule)
    return rules, refused


def find_key(value, tag):
    return value.casefold(), tag


def check_tracks(texts, *, bearer_token, base_url, tag_prefix, retweets):
    """What X would say of these, by its dry run: nothing changes. Raises SourceError, a sentence."""
    token, base_url = read_token(bearer_token), read_base_url(base_url)
    make = partial(make_rule, prefix=read_tag_prefix(tag_prefix), retweets=retweets)
    rules, rulings = make_rules(texts, make)
    if not rules:
        return rulings
    try:
        with open_client(token, base_url=base_url) as client:
            present = client.read_rules()
            judged = add_rules(client, list(dict.fromkeys(rules.values())), present, dry_run=True)
    except XTrouble as trouble:
        raise make_error(trouble.ended) from None
    return rulings | {text: judged[rule.value]._replace(rule_id="") for text, rule in rules.items()}


def add_rules(client, rules, present, *, dry_run=False):
    """What became of each, a Ruling by value. `present` are the rules that X has."""
    rulings = {}
    for start in range(0, len(rules), RULES_AT_ONCE):
        some = rules[start : start + RULES_AT_ONCE]
        rulings |= add_some(client, some, present, dry_run)
    return rulings


def add_some(client, rules, present, dry_run):
    answer = client.add_rules(rules, dry_run=dry_run)
    tags = {rule.value: rule.tag for rule in rules}
    rulings = {
        value: Ruling(ACTIVE, "", str(rule.get("id", "")))
        for rule in get_dicts(answer, "data")
        if (value := rule.get("value")) in tags
    }
    for problem in get_dicts(answer, "errors"):
        if (value := problem.get("value")) in tags and value not in rulings:
            rulings[value] = judge_refusal(problem, tags[value], present)
    rest = [rule for rule in rules if rule.value not in rulings]
    if rest and len(rest) == len(rules):
        return dict.fromkeys(tags, judge_answer(answer))
    if rest:
        # Nothing says what X does with good rules beside a bad one. Each round has fewer of them.
        rulings |= add_some(client, rest, present, dry_run)
    return rulings


def judge_answer(answer):
    if "title" in answer or "errors" in answer:
        return Ruling(REFUSED, describe_problem(answer))
    return Ruling(WAITING, UNKNOWN_STATES)


def judge_refusal(problem, tag, present):
    if problem.get("title") != "DuplicateRule":
        return Ruling(REFUSED, describe_problem(problem))
    found = next((rule for rule in present if rule.get("id") == problem.get("id")), {})
    if found.get("tag") == tag:
        return Ruling(ACTIVE, "", str(problem.get("id", "")))
    other = f"the tag {found['tag']}" if found.get("tag") else "another tag or none"
    return Ruling(
        REFUSED,
        f"X has this rule already under {other}, so its tweets would not count for this track;"
        " delete it there, or track something else.",
    )


def find_room(client):
    """How many rules X still takes, and how it can be said; None if it does not tell."""
    try:
        counts = get_dict(client.count_rules(), "data")
    except XTrouble as trouble:
        if trouble.ended.status not in (400, 403, 404):
            raise
        return None, ""
    of_app = get_dict(counts, "client_app_rules_count").get("rule_count")
    caps = [
        (counts.get("cap_per_client_app"), of_app, "app"),
        (counts.get("cap_per_project"), counts.get("project_rules_count"), "project"),
    ]
    rooms = [
        (
            max(cap - used, 0),
            f"X takes {cap} rules of your {whose} and has {used}; remove a track for this one.",
        )
        for cap, used, whose in caps
        if isinstance(cap, int) and isinstance(used, int)
    ]
    return min(rooms, default=(None, ""))
