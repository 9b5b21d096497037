"""What the wall watches for: `manage.py track add|remove|list|check`."""

from django.conf import settings
from django.core.management import BaseCommand, CommandError
from django.db import DatabaseError

from api.management.table import align
from api.serializers.sanitize import clean_line
from api.sources import SourceError
from api.sources.ledger import REFUSED
from api.sources.tracks import TrackError
from api.sources.x_rules import check_tracks
from api.tracks import (
    REASON_LIMIT,
    add_track,
    describe_track,
    find_track,
    list_tracks,
    read_subject,
    remove_track,
    tell_known,
    tell_next,
    watching_sources,
)

NO_TOKEN = "X was not asked: WALLPUSH_X_BEARER_TOKEN is not set."  # noqa: S105
HEADS = ("TRACK", "KIND", "CHANNEL", "FROM")


class Command(BaseCommand):
    help = 'Watch for words, #hashtags, @names, "phrases" and accounts (from:name).'

    def add_arguments(self, parser):
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
        for name, sentence in (
            ("add", "watch for these"),
            ("remove", "watch for these no longer"),
            ("check", "ask X whether it would take these, without adding them"),
        ):
            action = actions.add_parser(name, help=sentence)
            action.add_argument("texts", metavar="TEXT", nargs="+")
            if name == "add":
                action.add_argument("--check", action="store_true", help="ask X before adding them")
        actions.add_parser("list", help="all of them, with what each source says")

    def handle(self, *, action, **options):
        self.refused = False
        try:
            getattr(self, f"run_{action}")(options)
        except DatabaseError as error:
            raise CommandError(f"The database can not be used: {error}") from error
        if self.refused:
            raise SystemExit(1)

    def run_add(self, options):
        texts = self.run_check(options) if options["check"] else options["texts"]
        self.attempt_all(self.add_one, texts)

    def add_one(self, text):
        track, is_new = add_track(text)
        if is_new:
            self.stdout.write(f"{track} is watched for.")
        else:
            self.stdout.write(tell_known(track))

    def run_remove(self, options):
        self.attempt_all(self.remove_one, options["texts"])

    def remove_one(self, text):
        track = find_track(text)
        remove_track(track)
        self.stdout.write(f"{track} is watched for no longer.")

    def run_check(self, options):
        """Says of each whether it can be watched for. Returns those that can."""
        subjects = [self.attempt(read_subject, text) for text in options["texts"]]
        texts = list(dict.fromkeys(subject.text for subject in subjects if subject))
        if texts and not settings.WALLPUSH_X_BEARER_TOKEN:
            self.stdout.write(f"{', '.join(texts)}: well written. {NO_TOKEN}")
            return texts
        rulings = ask_x(texts) if texts else {}
        for text in texts:
            self.tell_ruling(text, rulings[text])
        return [text for text in texts if rulings[text].state != REFUSED]

    def run_list(self, options):
        tracks = [describe_track(track) for track in list_tracks()]
        if tracks:
            self.stdout.write("\n".join(describe_tracks(tracks)))
        else:
            self.stdout.write("Nothing is watched for: `manage.py track add TEXT` adds something.")

    def attempt_all(self, act, texts):
        done = [self.attempt(act, text) for text in texts]
        if any(done):
            self.stdout.write(tell_next())

    def attempt(self, act, text):
        """What `act` returns, or True; a refusal is said and makes the exit code 1."""
        try:
            return act(text) or True
        except TrackError as error:
            self.refuse(str(error))
            return None

    def tell_ruling(self, text, ruling):
        reason = clean_line(ruling.reason, REASON_LIMIT)
        if ruling.state == REFUSED:
            self.refuse(f"{text}: X refuses it: {reason}")
        else:
            self.stdout.write(f"{text}: {reason or 'X takes it.'}")

    def refuse(self, sentence):
        self.refused = True
        self.stderr.write(sentence)


def ask_x(texts):
    try:
        return check_tracks(
            texts,
            bearer_token=settings.WALLPUSH_X_BEARER_TOKEN,
            base_url=settings.WALLPUSH_X_BASE_URL,
            tag_prefix=settings.WALLPUSH_X_TAG_PREFIX,
            retweets=settings.WALLPUSH_X_RETWEETS,
        )
    except SourceError as error:
        raise CommandError(str(error)) from error


def describe_tracks(tracks):
    """A table; below it, why some of them are refused."""
    sources = watching_sources()
    rows = [(*HEADS, *(source.upper() for source in sources))]
    for track in tracks:
        states = [ruling["state"] for ruling in track["rulings"]]
        origin = "WALLPUSH_KEYWORDS" if track["origin"] == "settings" else track["added_by"] or "-"
        rows.append((track["text"], track["kind"], track["channel"], origin, *states))
    yield from align(rows)
    for track in tracks:
        for ruling in track["rulings"]:
            if ruling["state"] != "active" and ruling["reason"] and ruling["changed_at"]:
                yield f"\n{track['text']} is {ruling['state']} at {ruling['source']}: {ruling['reason']}"
