"""Keeps a list at X of the people who tweet originals: `manage.py lister`. See docs/lister.md."""

from django.conf import settings
from django.core.management import BaseCommand, CommandError
from django.db import DatabaseError

from api.lister import MAX_MEMBERS, LimitReached, Lister, ListerError, clean, find_people, find_room
from api.sources import SourceError
from api.sources.x_lists import Credentials, ListClient

NAMES = [f"WALLPUSH_X_{name.upper()}" for name in Credentials._fields]
INTERRUPTED = 130


class Command(BaseCommand):
    help = "Keep a list at X of the people who tweet originals. To run it again goes on."

    def add_arguments(self, parser):
        parser.add_argument("--list", help="name or id of the list; default: WALLPUSH_X_LIST")
        parser.add_argument(
            "--public",
            action="store_true",
            help="make the list public if it is created; default: private",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="show who would be added, and change nothing"
        )
        parser.add_argument(
            "--again", action="store_true", help="ask for those again whom X refused before"
        )
        parser.add_argument("--limit", type=int, metavar="N", help="ask for so many people at most")
        parser.add_argument(
            "--no-wait",
            action="store_true",
            help="stop at X's limit (300 in 15 minutes) instead of waiting",
        )

    def handle(self, **options):
        name = " ".join((options["list"] or settings.WALLPUSH_X_LIST).split())
        credentials = read_credentials(name)
        if options["limit"] is not None and options["limit"] < 1:
            raise CommandError("--limit must be a number from 1 on.")
        try:
            with ListClient(credentials, base_url=settings.WALLPUSH_X_BASE_URL) as client:
                self.keep_list(client, name, options)
        except (ListerError, SourceError) as error:
            raise CommandError(str(error)) from None
        except DatabaseError as error:
            raise CommandError(f"The database can not be used: {error}") from error
        except KeyboardInterrupt:
            self.stderr.write("Stopped; run it again to go on.")
            raise SystemExit(INTERRUPTED) from None

    def keep_list(self, client, name, options):
        lister = Lister(client, tell=self.tell, wait=not options["no_wait"])
        try:
            target = lister.find_list(name)
            if options["dry_run"]:
                self.tell_plan(name, target, options)
            else:
                target = target or self.create_list(lister, name, private=not options["public"])
                self.take_in(lister, target, options)
        except LimitReached as limit:
            self.tell(str(limit))

    def create_list(self, lister, name, *, private):
        target = lister.create_list(name, private=private)
        kind = "private" if private else "public"
        self.tell(f"Created the list {name!r}, {kind}, with the id {target.id}.")
        return target

    def take_in(self, lister, target, options):
        people = self.choose(target, options)
        try:
            lister.take_in(target, people)
        finally:
            left = len(people) - lister.added - lister.refused
            self.tell(f"{lister.added} added, {lister.refused} refused, {left} left.")

    def choose(self, target, options):
        """Who is asked for in this run."""
        people = find_people(target.id, again=options["again"])
        room = find_room(target)
        count = people.count()
        if count > room:
            self.tell(f"The list has room for {room} of {count}: X takes {MAX_MEMBERS} members.")
        return list(people[: min(room, options["limit"] or room)])

    def tell_plan(self, name, target, options):
        if target:
            people = self.choose(target, options)
        else:
            kind = "public" if options["public"] else "private"
            self.tell(f"The list {name!r} would be created, {kind}.")
            people = list(find_people("")[: options["limit"] or MAX_MEMBERS])
        for number, author in enumerate(people, 1):
            self.tell(f"{number}/{len(people)} @{clean(author.username)} would be added")
        self.tell(f"{len(people)} would be added. Nothing was changed.")

    def tell(self, line):
        self.stdout.write(line)
        self.stdout.flush()


def read_credentials(name):
    missing = [setting for setting in NAMES if not getattr(settings, setting)]
    if not name:
        missing.append("WALLPUSH_X_LIST")
    if missing:
        raise CommandError(
            f"Set {' and '.join(missing)}: the keys are in X's developer console, the list is a name or an id."
        )
    return Credentials(*(getattr(settings, setting) for setting in NAMES))
