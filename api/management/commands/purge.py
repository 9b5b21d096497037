"""Removes tweets or an author for good, from the store and at once from every screen: `manage.py purge`."""

import re

from django.core.management import BaseCommand, CommandError
from django.db.models import Q

from api.models import Author, Tweet
from api.publish import SENT, publish_tweets
from api.removal import find_by_any_id, purge_authors, purge_tweets

X_ADDRESS = re.compile(r"https://(?:www\.|mobile\.)?(?:x|twitter)\.com/\w+/status/([0-9]+)\S*")
BLUESKY_ADDRESS = re.compile(r"https://bsky\.app/profile/(did:[^/\s]+)/post/(\w+)")


class Command(BaseCommand):
    help = "Remove tweets, or all that an author wrote, for good: here and from every screen."

    def add_arguments(self, parser):
        kinds = parser.add_subparsers(dest="kind", required=True)
        tweet = kinds.add_parser("tweet", help="tweets, by id or address")
        tweet.add_argument("ids", nargs="+", metavar="ID", help="an id, or the address of a tweet")
        author = kinds.add_parser("author", help="an author and all their tweets")
        author.add_argument("authors", nargs="+", metavar="AUTHOR", help="@username or id")

    def handle(self, *, kind, **options):
        if kind == "tweet":
            pks = purge_tweets(find_tweets([read_id(text) for text in options["ids"]]))
        else:
            found = [author for name in options["authors"] for author in find_authors(name)]
            pks = purge_authors([author.source_id for author in found])
        self.stdout.write(f"{count(pks)} changed or removed in the store.")
        self.publish(pks)

    def publish(self, pks):
        sent = publish_tweets(pks)[SENT]
        if sent == len(pks):
            self.stdout.write(self.style.SUCCESS("Every screen that is connected was told."))
        else:
            self.stdout.write(
                self.style.WARNING(
                    f"{len(pks) - sent} still wait to be published: a running worker tells the screens."
                )
            )


def read_id(text):
    if found := X_ADDRESS.fullmatch(text):
        return found[1]
    if found := BLUESKY_ADDRESS.fullmatch(text):
        return f"{found[1]}~{found[2]}"
    return text


def find_tweets(ids):
    """The ids, if each is that of a tweet here, or of one that a tweet here shows."""
    stored = Tweet.objects.filter(find_by_any_id(ids) | Q(retweet_of__in=ids) | Q(quote_of__in=ids))
    rows = stored.values_list("source_id", "version_id", "retweet_of", "quote_of")
    if missing := set(ids).difference(*rows):
        names = ", ".join(sorted(missing))
        raise CommandError(f"No tweet here has the id {names}. Nothing was removed.")
    return ids


def find_authors(name):
    """One, or more where accounts of several sources have the same name."""
    condition = Q(username__lower=name.removeprefix("@").lower())
    if not name.startswith("@"):
        condition |= Q(source_id=name)
    authors = list(Author.objects.filter(condition))
    if not authors:
        raise CommandError(f"No author here is {name}. Nothing was removed.")
    return authors


def count(pks):
    return "1 tweet was" if len(pks) == 1 else f"{len(pks)} tweets were"
