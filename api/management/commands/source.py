"""How the sources are, and what a person wants of them: `manage.py source status`."""

import json
import re
from decimal import ROUND_UP, Decimal

from django.conf import settings
from django.core.management import BaseCommand, CommandError
from django.db import DatabaseError
from django.utils.dateparse import parse_datetime

from api.controls import CHARGING, NO_LIMIT, set_budget, start_source, stop_source
from api.health import FAILED, read_health
from api.management.table import align
from api.sources import SOURCES

AMOUNT = re.compile(r"[0-9]{1,6}(\.[0-9]{1,2})?")


class Command(BaseCommand):
    help = "Show how the sources are, stop and start them, and say what they may cost a day."

    def add_arguments(self, parser):
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
        status = actions.add_parser("status", help="how each is; exit code 1 if a person is needed")
        status.add_argument(
            "--json", action="store_true", help="as /api/health/ answers, and who reads"
        )
        for name, sentence in (
            ("stop", "read it no longer, until it is started again"),
            ("start", "read it again, also after it stopped by itself"),
        ):
            actions.add_parser(name, help=sentence).add_argument("name", metavar="NAME")
        budget = actions.add_parser("budget", help="what it may cost a day before it pauses")
        budget.add_argument("name", metavar="NAME")
        budget.add_argument("amount", metavar="AMOUNT", help="US dollars; or none; or default")

    def handle(self, *, action, **options):
        try:
            getattr(self, f"run_{action}")(options)
        except DatabaseError as error:
            raise CommandError(f"The database can not be used: {error}") from error

    def run_status(self, options):
        health = read_health(name_readers=True)
        if options["json"]:
            self.stdout.write(json.dumps(health, indent=2, ensure_ascii=False))
        else:
            self.stdout.write("\n".join(describe_health(health)))
        if health["status"] == FAILED:
            raise SystemExit(1)

    def run_stop(self, options):
        name = check_name(options["name"])
        stop_source(name)
        self.stdout.write(f"{name} is stopped within seconds, until `source start {name}`.")

    def run_start(self, options):
        name = check_name(options["name"])
        start_source(name)
        self.stdout.write(f"{name} is started within seconds, if a worker runs that reads it.")
        self.warn_if_unread(name)

    def run_budget(self, options):
        name = check_name(options["name"])
        if name not in CHARGING:
            raise CommandError(f"{name} costs nothing, so it needs no budget.")
        dollars = read_dollars(options["amount"])
        set_budget(name, dollars)
        self.stdout.write(f"{describe_budget(name, dollars)} It takes effect within seconds.")
        self.warn_if_unread(name)

    def warn_if_unread(self, name):
        if name not in settings.WALLPUSH_SOURCE:
            self.stderr.write(f"{name} is not in WALLPUSH_SOURCE, so no worker reads it.")


def check_name(name):
    if name not in SOURCES:
        raise CommandError(f"There is no source {name!r}. There are {', '.join(SOURCES)}.")
    return name


def read_dollars(amount):
    if amount in ("none", "default"):
        return NO_LIMIT if amount == "none" else None
    if not AMOUNT.fullmatch(amount):
        raise CommandError(
            f"A budget is an amount of US dollars such as 10 or 2.50, none or default, not {amount!r}."
        )
    return Decimal(amount)


def describe_budget(name, dollars):
    if dollars == NO_LIMIT:
        return f"{name} may cost what it does."
    if dollars is not None:
        return f"{name} pauses before it has cost {dollars:.2f} US dollars on a day (UTC)."
    default = settings.WALLPUSH_X_DAILY_BUDGET
    told = "no limit" if default is None else f"{default:.2f} US dollars a day"
    return f"{name} has the budget of WALLPUSH_X_DAILY_BUDGET again: {told}."


def describe_health(health):
    """The lines of `source status`."""
    yield f"{health['status']} at {show_time(health['checked_at'])}"
    for problem in health["problems"]:
        yield f"  ! {problem}"
    for source in health["sources"]:
        yield ""
        yield f"{source['source']}: {source['status']}"
        for line in align(list(describe_source(source))):
            yield f"  {line}"
    if health["push_nodes"]:
        yield ""
        yield from align([describe_push_node(node) for node in health["push_nodes"]])


def describe_push_node(node):
    proof = f"delivered {show_time(node['last_proof_at'])}"
    time = "" if node["round_trip"] is None else f"{node['round_trip']} ms"
    missed = f"{node['missed']} messages wait for it" if node["missed"] else ""
    return f"{node['name']}: {node['status']}", proof, time, missed


def describe_source(source):
    yield "state", describe_state(source)
    yield "reader", source["reader"] or "none"
    yield "last message", show_time(source["last_message_at"])
    yield "last sign of life", show_time(source["last_activity_at"])
    yield "lag", "-" if source["lag"] is None else f"{source['lag']} s"
    yield "tweets per minute", f"{source['tweets_per_minute']}"
    gaps = source["gaps"]
    yield "gaps", f"{gaps['open']} open, {gaps['filled']} filled, {gaps['found']} tweets found"
    for note in gaps["notes"]:
        yield "", note
    yield "rejected in 24 h", str(source["rejected"]["count"])
    for item in source["rejected"]["reasons"]:
        yield "", f"{item['count']}x {item['reason']}"
    if source["source"] in CHARGING:
        yield "read today", describe_reads(source["reads"])


def describe_state(source):
    if not source["reading"]:
        return "not read"
    is_told = any(source["reason"] in problem for problem in source["problems"])
    reason = "" if is_told or not source["reason"] else f" ({source['reason']})"
    since = f" since {show_time(source['since'])}" if source["since"] else ""
    return f"{source['state']}{since}{reason}"


def describe_reads(reads):
    limit = ", no limit" if reads["budget"] is None else f" of {reads['budget']:.2f}"
    spent = Decimal(str(reads["dollars"])).quantize(Decimal("0.01"), ROUND_UP)
    return f"{reads['posts']} posts and {reads['users']} users, US dollars: {spent}{limit}"


def show_time(text):
    return f"{parse_datetime(text):%Y-%m-%d %H:%M:%S} UTC" if text else "-"
