"""What is stored: tweets with their authors and keywords, what was set aside, and who reads a source."""

import unicodedata

from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils.functional import cached_property

models.CharField.register_lookup(Lower)


def fold_text(text):
    """The form in which texts are compared: upper and lower case, and ways to write a letter, fall together."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


class SearchField(models.TextField):
    """What a tweet says, folded. Written with the tweet, as an auto_now field is.

    SQLite compares without case in ASCII only, so the database can not do this itself.
    """

    def pre_save(self, instance, add):
        original = instance.content.get("retweet_of") or {}
        folded = fold_text(f"{instance.text}\n{original.get('text', '')}")
        setattr(instance, self.attname, folded)
        return folded


class Author(models.Model):
    """The account that wrote a tweet, as the source last described it.

    An author whose account the source did not describe (suspended, deleted) has an id and nothing else.
    """

    source = models.CharField(max_length=20)
    source_id = models.CharField(max_length=190, unique=True)
    username = models.CharField(max_length=100, blank=True)
    name = models.CharField(max_length=400, blank=True)
    avatar = models.CharField(max_length=1000, blank=True)
    verified = models.CharField(max_length=20, blank=True)
    protected = models.BooleanField(default=False)
    first_seen_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        indexes = [models.Index(Lower("username"), name="author_username")]

    def __str__(self):
        return f"@{self.username}" if self.username else f"author {self.source_id}"


class Keyword(models.Model):
    """A term with a channel of its own. Stored as channels.normalize_term gives it."""

    term = models.CharField(max_length=190, unique=True)
    first_seen_at = models.DateTimeField(auto_now_add=True)

    def __str__(self):
        return self.term


class Tweet(models.Model):
    """One card of the wall.

    An edit is the same card: `source_id` is the first id of the edit chain and never changes,
    `version_id` the newest. `published_at` is empty while the present version waits to be published:
    the table is the outbox.
    """

    source = models.CharField(max_length=20)
    source_id = models.CharField(max_length=190, unique=True)
    version_id = models.CharField(max_length=190, db_index=True)
    author = models.ForeignKey(
        Author, on_delete=models.PROTECT, related_name="tweets", db_index=False
    )
    keywords = models.ManyToManyField(Keyword, through="TweetKeyword", related_name="tweets")
    created_at = models.DateTimeField()
    text = models.TextField(blank=True)
    lang = models.CharField(max_length=20, blank=True)
    sensitive = models.BooleanField(default=False)
    has_media = models.BooleanField(default=False)
    retweet_of = models.CharField(max_length=190, blank=True)
    quote_of = models.CharField(max_length=190, blank=True)
    # Who wrote what this one repeats or quotes.
    original_author = models.CharField(max_length=190, blank=True)
    reply_to = models.CharField(max_length=190, blank=True)
    stored_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField()
    hidden_at = models.DateTimeField(null=True, blank=True)
    # Gone for good: what it said is erased, and the row stays for a while to tell the screens.
    removed_at = models.DateTimeField(null=True, blank=True)
    removal = models.CharField(max_length=20, blank=True)
    # When the source was last asked whether it still shows it.
    checked_at = models.DateTimeField(null=True, blank=True)
    published_at = models.DateTimeField(null=True, blank=True)
    claimed_until = models.DateTimeField(null=True, blank=True)
    receivers = models.PositiveIntegerField(default=0)
    # The long columns come last: SQLite reads a row from its start and stops at the last column asked for.
    search = SearchField(blank=True, editable=False)
    # Entities, media, poll, withholding and the referenced tweets as the resource shows them.
    content = models.JSONField(default=dict)
    raw = models.JSONField(default=dict)

    class Meta:
        indexes = [
            models.Index(fields=["-created_at", "-id"], name="tweet_newest"),
            models.Index(fields=["author", "-created_at", "-id"], name="tweet_author_newest"),
            models.Index(fields=["lang", "-created_at", "-id"], name="tweet_lang_newest"),
            models.Index(
                fields=["-created_at", "-id"], name="retweet_newest", condition=~Q(retweet_of="")
            ),
            models.Index(
                fields=["-created_at", "-id"], name="media_newest", condition=Q(has_media=True)
            ),
            models.Index(fields=["changed_at", "id"], name="tweet_changed"),
            models.Index(
                fields=["retweet_of"], name="tweet_retweet_of", condition=~Q(retweet_of="")
            ),
            models.Index(fields=["quote_of"], name="tweet_quote_of", condition=~Q(quote_of="")),
            models.Index(
                fields=["original_author"],
                name="tweet_original_author",
                condition=~Q(original_author=""),
            ),
            models.Index(
                fields=["removed_at"], name="tweet_removed", condition=Q(removed_at__isnull=False)
            ),
            models.Index(
                fields=["id"], name="tweet_outbox", condition=Q(published_at__isnull=True)
            ),
        ]

    def __str__(self):
        return f"tweet {self.source_id}"

    @cached_property
    def terms(self):
        """Its keywords. Who reads many tweets fills this with one query."""
        return sorted(keyword.term for keyword in self.keywords.all())


class TweetKeyword(models.Model):
    """A tweet in a keyword channel, with the tweet's time: the newest of a keyword are found without a sort."""

    tweet = models.ForeignKey(Tweet, on_delete=models.CASCADE, db_index=False)
    keyword = models.ForeignKey(Keyword, on_delete=models.CASCADE, db_index=False)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tweet", "keyword"], name="tweet_keyword_once")
        ]
        indexes = [models.Index(fields=["keyword", "-created_at", "-tweet"], name="keyword_newest")]

    def __str__(self):
        return f"{self.tweet} in {self.keyword}"


class Track(models.Model):
    """What to watch for: a word, #hashtag, "phrase", @name or from:account, as a person wrote it.

    `term` is the keyword in whose channel its tweets appear. Those of WALLPUSH_KEYWORDS are here too.
    """

    class Origin(models.TextChoices):
        SETTINGS = "settings", "WALLPUSH_KEYWORDS"
        ADDED = "added", "added"

    text = models.CharField(max_length=1024, unique=True)
    term = models.CharField(max_length=190)
    origin = models.CharField(max_length=10, choices=Origin.choices, default=Origin.ADDED)
    added_by = models.CharField(max_length=150, blank=True)
    added_at = models.DateTimeField(auto_now_add=True)

    def __str__(self):
        return self.text


class Ruling(models.Model):
    """What a source says of a track: whether it sends its tweets, or why not."""

    class State(models.TextChoices):
        ACTIVE = "active", "active"
        REFUSED = "refused", "refused"
        WAITING = "waiting", "waiting"

    track = models.ForeignKey(Track, on_delete=models.CASCADE, related_name="rulings")
    source = models.CharField(max_length=20)
    state = models.CharField(max_length=10, choices=State.choices)
    reason = models.TextField(blank=True)
    rule_id = models.CharField(max_length=40, blank=True)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["track", "source"], name="ruling_once")]

    def __str__(self):
        return f"{self.track} at {self.source}: {self.state}"


class Position(models.Model):
    """How far a source was stored: the highest id of a term, or a cursor under the term ""."""

    source = models.CharField(max_length=20)
    term = models.CharField(max_length=190, blank=True)
    value = models.BigIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["source", "term"], name="position_once")]

    def __str__(self):
        return f"{self.source} {self.term}: {self.value}"


class Gap(models.Model):
    """A time in which tweets of a track may have been missed: ids above `after`, up to `until`."""

    source = models.CharField(max_length=20)
    text = models.CharField(max_length=1024)
    term = models.CharField(max_length=190)
    after = models.BigIntegerField()
    until = models.BigIntegerField()
    found = models.PositiveIntegerField(default=0)
    note = models.TextField(blank=True)
    opened_at = models.DateTimeField(auto_now_add=True)
    filled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["source", "text"], name="gap_open_once", condition=Q(filled_at__isnull=True)
            )
        ]
        indexes = [models.Index(fields=["filled_at"], name="gap_filled")]

    def __str__(self):
        return f"gap of {self.text} at {self.source}"


class Read(models.Model):
    """A post or a user that a source was charged for on a UTC day: once a day, however often it was read."""

    class Kind(models.TextChoices):
        POST = "post", "post"
        USER = "user", "user"

    day = models.DateField()
    source = models.CharField(max_length=20)
    kind = models.CharField(max_length=4, choices=Kind.choices)
    resource_id = models.CharField(max_length=40)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["day", "source", "kind", "resource_id"], name="read_once"
            )
        ]

    def __str__(self):
        return f"{self.day} {self.source} {self.kind} {self.resource_id}"


class ReadDay(models.Model):
    """How many posts and users a source was charged for on a UTC day."""

    day = models.DateField()
    source = models.CharField(max_length=20)
    posts = models.PositiveIntegerField(default=0)
    users = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["day", "source"], name="read_day_once")]

    def __str__(self):
        return f"{self.day} {self.source}: {self.posts} posts, {self.users} users"


class SourceState(models.Model):
    """How a source is, as its reader last told, and what people want of it."""

    source = models.CharField(max_length=20, unique=True)
    # Written by the reader.
    state = models.CharField(max_length=20, blank=True)
    reason = models.TextField(blank=True)
    since = models.DateTimeField(null=True, blank=True)
    last_activity_at = models.DateTimeField(null=True, blank=True)
    last_message_at = models.DateTimeField(null=True, blank=True)
    lag = models.FloatField(null=True, blank=True)
    # Written by people.
    wanted = models.BooleanField(default=True)
    start_asked_at = models.DateTimeField(null=True, blank=True)
    budget = models.DecimalField(null=True, blank=True, max_digits=10, decimal_places=2)

    def __str__(self):
        return f"{self.source}: {self.state}"


class ListMember(models.Model):
    """An author in a list at X, or why X does not take them in."""

    class State(models.TextChoices):
        ADDED = "added", "added"
        REFUSED = "refused", "refused"

    list_id = models.CharField(max_length=40)
    author = models.ForeignKey(Author, on_delete=models.CASCADE, related_name="list_memberships")
    state = models.CharField(max_length=10, choices=State.choices)
    reason = models.TextField(blank=True)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["list_id", "author"], name="member_once")]

    def __str__(self):
        return f"{self.author} in list {self.list_id}: {self.state}"


class Missed(models.Model):
    """A change of a tweet that a push node did not get while others did. It gets them in this order.

    A tweet that changes again is missed again: no row is ever used for a second change.
    """

    node = models.CharField(max_length=1000)
    tweet = models.ForeignKey(Tweet, on_delete=models.CASCADE, related_name="missed")
    since = models.DateTimeField()

    class Meta:
        verbose_name_plural = "missed"
        indexes = [models.Index(fields=["node", "id"], name="missed_node")]

    def __str__(self):
        return f"{self.tweet} at {self.node}"


class PushNodeState(models.Model):
    """How a push node is, as the canaries of the workers last found it, and who sends it what it missed."""

    node = models.CharField(max_length=1000, unique=True)
    # The last time that a message reached a subscriber of each of its nginx workers, and how long that took.
    proved_at = models.DateTimeField(null=True, blank=True)
    round_trip = models.FloatField(null=True, blank=True)
    workers = models.PositiveIntegerField(default=0)
    # The last time that this was tried, since when it fails, and what was wrong.
    tried_at = models.DateTimeField(null=True, blank=True)
    failing_since = models.DateTimeField(null=True, blank=True)
    problem = models.TextField(blank=True)
    claimed_until = models.DateTimeField(null=True, blank=True)

    def __str__(self):
        return self.node


class SetAside(models.Model):
    """A message of a source that was not stored, with the reason: nothing is dropped unseen."""

    class Kind(models.TextChoices):
        REJECTED = "rejected", "rejected"  # meant to be a tweet, but not a valid one
        PROBLEM = "problem", "problem"  # the source reported a problem
        UNKNOWN = "unknown", "unknown"  # a message of a kind that is not known

    source = models.CharField(max_length=20)
    kind = models.CharField(max_length=20, choices=Kind.choices)
    reason = models.TextField()
    message = models.TextField(blank=True)
    received_at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        verbose_name_plural = "set aside"

    def __str__(self):
        return f"{self.kind}: {self.reason}"


class Tally(models.Model):
    """How many messages of a source had which outcome on a UTC day."""

    day = models.DateField()
    source = models.CharField(max_length=20)
    outcome = models.CharField(max_length=20)
    count = models.PositiveBigIntegerField(default=0)

    class Meta:
        verbose_name_plural = "tallies"
        constraints = [
            models.UniqueConstraint(fields=["day", "source", "outcome"], name="tally_once")
        ]

    def __str__(self):
        return f"{self.day} {self.source} {self.outcome}: {self.count}"


class Lease(models.Model):
    """The worker that reads a source. Free when the heartbeat is old."""

    source = models.CharField(max_length=20, unique=True)
    holder = models.CharField(max_length=200)
    acquired_at = models.DateTimeField()
    heartbeat_at = models.DateTimeField()
    last_message_at = models.DateTimeField(null=True, blank=True)

    def __str__(self):
        return f"{self.source} read by {self.holder}"
