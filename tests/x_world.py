"""What X knows whether or not somebody is connected: posts, who wrote them, and which are gone.

    world = World()
    message = world.compose("Hello #wall", author="ada_l", age=60)   # as a stream would send it
    world.file(message)
    world.delete(message["data"]["id"])

Ids that `compose` makes tell the time, as those of X do: a search finds nothing that is older than
seven days by its id, whatever its created_at. No network here: see x_server.py.
"""

import itertools
import re
import threading
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from tests.x_query import Subject, matches
from tests.x_rules import PROBLEMS, find_fault, refuse_parameter

EPOCH = 1288834974657  # milliseconds at which X's ids begin
SEARCH_WINDOW = timedelta(days=7)
MAX_QUERY_CHARACTERS = 512
UNSEARCHABLE = ("sample:", "bio:", "bio_name:", "bio_location:")

# Names of the dialect of August 2026, and what they were called before.
OLD_NAMES = {
    "edit_history_post_ids": "edit_history_tweet_ids",
    "note_post": "note_tweet",
    "referenced_posts": "referenced_tweets",
    "repost_count": "retweet_count",
    "post_count": "tweet_count",
    "most_recent_post_id": "most_recent_tweet_id",
}
NEW_NAMES = {old: new for new, old in OLD_NAMES.items()}

ALWAYS = {
    "tweet": {"id", "text", "edit_history_tweet_ids"},
    "user": {"id", "name", "username"},
    "media": {"media_key", "type"},
    "poll": {"id", "options"},
}


class Charged(NamedTuple):
    """The distinct posts and users of one UTC day that X asks money for."""

    posts: set
    users: set


class Selection(NamedTuple):
    """What a request wants to know. `fields` maps a kind to names; None: all of them."""

    expansions: set
    fields: dict

    @classmethod
    def read(cls, params):
        """Of either dialect; names that are not known are ignored, as X does."""
        expansions = {
            name.replace("referenced_posts", "referenced_tweets.id").replace(".id.id", ".id")
            for name in split(params.get("expansions"))
        }
        fields = {kind: set(split(params.get(f"{kind}.fields"))) for kind in ALWAYS}
        asked = fields["tweet"] | set(split(params.get("post.fields")))
        roots = {name.partition(".")[0] for name in expansions}
        fields["tweet"] = {OLD_NAMES.get(name, name) for name in asked} | roots
        return cls(expansions, {kind: names | ALWAYS[kind] for kind, names in fields.items()})

    def pick(self, kind, thing):
        names = self.fields.get(kind)
        return {name: value for name, value in thing.items() if names is None or name in names}


EVERYTHING = Selection(
    {
        "author_id",
        "attachments.media_keys",
        "attachments.poll_ids",
        "referenced_tweets.id",
        "referenced_tweets.id.author_id",
        "referenced_tweets.id.attachments.media_keys",
    },
    {},
)


def split(value):
    return value.split(",") if value else []


def speak_post_dialect(body):
    """The body with post.* names, as X sends it since August 2026 to who asks with them."""
    if isinstance(body, list):
        return [speak_post_dialect(part) for part in body]
    if not isinstance(body, dict):
        return body
    renamed = {NEW_NAMES.get(name, name): speak_post_dialect(part) for name, part in body.items()}
    if "tweets" in renamed:  # only includes have it
        renamed["posts"] = renamed.pop("tweets")
    if renamed.get("scope") == "tweet":
        renamed["scope"] = "post"
    return renamed


def find_time(post_id):
    """When X made an id."""
    return datetime.fromtimestamp(((int(post_id) >> 22) + EPOCH) / 1000, UTC)


def format_time(moment):
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def find_entities(text):
    """Hashtags and mentions with their places, which are code points."""
    hashtags = [
        {"start": found.start(), "end": found.end(), "tag": found[1]}
        for found in re.finditer(r"(?<!\w)#(\w+)", text)
    ]
    mentions = [
        {"start": found.start(), "end": found.end(), "username": found[1]}
        for found in re.finditer(r"(?<!\w)@(\w+)", text)
    ]
    found = {"hashtags": hashtags, "mentions": mentions}
    return {kind: entities for kind, entities in found.items() if entities}


def describe_loss(post_id, loss, parameter):
    if loss == "protected":
        problem = {
            "title": "Authorization Error",
            "section": "data",
            "detail": f"Sorry, you are not authorized to see the Tweet with {parameter}: [{post_id}].",
            "type": f"{PROBLEMS}/not-authorized-for-resource",
        }
    else:
        problem = {
            "title": "Not Found Error",
            "detail": f"Could not find tweet with {parameter}: [{post_id}].",
            "type": f"{PROBLEMS}/resource-not-found",
        }
    where = {"resource_type": "tweet", "parameter": parameter, "resource_id": post_id}
    return {"value": post_id, **where, **problem}


class World:
    """The posts of X. `announce` is called with each message that an edit makes.

    `now` is the clock; posts younger than `index_lag` seconds are not found by a search yet.
    """

    def __init__(self, announce=lambda message: None):
        self.now = lambda: datetime.now(UTC)
        self.index_lag = 0.0
        self.users = {}
        self.posts = {}
        self._media = {}
        self._polls = {}
        self._deleted = set()
        self._lost_authors = {}
        self._announce = announce
        self._ids = itertools.count(1)
        self._lock = threading.RLock()

    # What tests do.

    def make_id(self, age=0.0):
        """A new id of so many seconds ago; of one moment, the later one is the higher."""
        moment = self.now() - timedelta(seconds=age)
        return str((int(moment.timestamp() * 1000) - EPOCH << 22) + next(self._ids))

    def add_user(self, username, **user):
        with self._lock:
            for known in self.users.values():
                if known["username"] == username:
                    known.update(user)
                    return known
            user_id = user.pop("id", None) or str(101 + len(self.users))
            avatar = f"https://pbs.twimg.com/profile_images/{user_id}/a_normal.jpg"
            self.users[user_id] = {
                "id": user_id,
                "name": username.partition("_")[0].title(),
                "username": username,
                "profile_image_url": avatar,
                "verified": False,
                "verified_type": "none",
                "protected": False,
            } | user
            return self.users[user_id]

    def compose(
        self,
        text,
        *,
        author="ada_l",
        age=0.0,
        quote="",
        retweet="",
        reply_to="",
        includes=(),
        **data,
    ):
        """A message as the stream sends it, without the rules that it matches. It is not filed.

        `quote`, `retweet` and `reply_to` are ids of posts.
        """
        post_id = data.pop("id", None) or self.make_id(age)
        user = self.add_user(author)
        original = self.posts.get(retweet)
        if original:
            text = f"RT @{self.users[original['author_id']]['username']}: {original['text']}"
        kinds = {"quoted": quote, "retweeted": retweet, "replied_to": reply_to}
        references = [{"type": kind, "id": id} for kind, id in kinds.items() if id]
        post = {
            "id": post_id,
            "text": text,
            "author_id": user["id"],
            "created_at": format_time(find_time(post_id)),
            "edit_history_tweet_ids": [post_id],
            "conversation_id": post_id,
            "lang": "en",
            "possibly_sensitive": False,
        }
        if entities := find_entities(text):
            post["entities"] = entities
        if references:
            post["referenced_tweets"] = references
        message = {"data": post | data, "includes": {"users": [user]} | dict(includes)}
        with self._lock:
            self._add(message["includes"])
            return self.describe([message["data"]], EVERYTHING, one=True)

    def file(self, message):
        """Keeps the post of a message and everything that it includes."""
        with self._lock:
            self._add(message.get("includes") or {})
            self.posts[message["data"]["id"]] = dict(message["data"])

    def delete(self, post_id):
        with self._lock:
            self._deleted.add(post_id)

    def protect(self, author_id):
        with self._lock:
            self._lost_authors[author_id] = "protected"

    def suspend(self, author_id):
        with self._lock:
            self._lost_authors[author_id] = "suspended"

    def withhold(self, post_id, countries):
        with self._lock:
            withheld = {"copyright": False, "country_codes": list(countries)}
            self.posts[post_id]["withheld"] = withheld

    def edit(self, post_id, text):
        """The id of the new version. The older ones can still be looked up, but not be found."""
        with self._lock:
            old = self.posts[post_id]
            new_id = self.make_id()
            chain = [*old["edit_history_tweet_ids"], new_id]
            new = {**old, "id": new_id, "text": text, "edit_history_tweet_ids": chain}
            new.pop("note_tweet", None)
            new["entities"] = find_entities(text)
            self.posts[new_id] = new
            for version in chain[:-1]:
                self.posts[version]["edit_history_tweet_ids"] = chain
            message = self.describe([new], EVERYTHING, one=True)
        self._announce(message)
        return new_id

    # What the server asks.

    def find_loss(self, post_id):
        """Why X does not show a post, or ""."""
        with self._lock:
            post = self.posts.get(post_id)
            if not post or post_id in self._deleted:
                return "deleted"
            return self._lost_authors.get(post.get("author_id"), "")

    def is_user(self, user_id):
        """Protected accounts are there; suspended ones are not."""
        with self._lock:
            return user_id in self.users and self._lost_authors.get(user_id) != "suspended"

    def find_matching_rules(self, message, rules):
        """Rules look at the text that is quoted, too."""
        subject = self._make_subject(message["data"], quoted=True)
        return [
            {"id": rule["id"], "tag": rule.get("tag", "")}
            for rule in rules
            if matches(rule["value"], subject)
        ]

    def look_up(self, params):
        """Status and body of GET /2/tweets."""
        ids = list(dict.fromkeys(split(params.get("ids"))))
        if not 1 <= len(ids) <= 100:
            detail = f"The number of values in the `ids` query parameter list [{len(ids)}] is not between 1 and 100"
            return refuse_parameter("ids", params.get("ids", ""), detail)
        for post_id in ids:
            if not re.fullmatch(r"\d{1,19}", post_id):
                detail = f"The `ids` query parameter value [{post_id}] is not valid"
                return refuse_parameter("ids", post_id, detail)
        with self._lock:
            losses = {post_id: self.find_loss(post_id) for post_id in ids}
            shown = [self.posts[post_id] for post_id, loss in losses.items() if not loss]
            body = self.describe(shown, Selection.read(params))
            errors = [describe_loss(id, loss, "ids") for id, loss in losses.items() if loss]
            errors += body.pop("errors", [])
            return 200, body | ({"errors": errors} if errors else {})

    def search(self, params):
        """Status and body of GET /2/tweets/search/recent."""
        refusal = self._refuse_search(params)
        if refusal:
            return refusal
        size = int(params.get("max_results", 10))
        with self._lock:
            found = [post for post in self.posts.values() if self._is_found(post, params)]
            found.sort(key=lambda post: int(post["id"]), reverse=True)
            page = found[:size]
            body = self.describe(page, Selection.read(params))
        meta = {"result_count": len(page)}
        if page:
            meta = {"newest_id": page[0]["id"], "oldest_id": page[-1]["id"]} | meta
        if len(found) > size:
            meta["next_token"] = f"b26v89c19zqg8o3f{int(page[-1]['id']):x}"
        return 200, body | {"meta": meta}

    def describe(self, posts, selection, one=False):
        """The posts with what was asked for about them."""
        with self._lock:
            data = [selection.pick("tweet", post) for post in posts]
            includes, errors = self._expand(posts, selection)
        body = {"data": data[0] if one else data} if data else {}
        if includes:
            body["includes"] = includes
        if errors:
            body["errors"] = errors
        return body

    def _add(self, includes):
        for user in includes.get("users", []):
            self.users.setdefault(user["id"], {}).update(user)
        for post in includes.get("tweets", []):
            self.posts.setdefault(post["id"], dict(post))
        self._media |= {media["media_key"]: media for media in includes.get("media", [])}
        self._polls |= {poll["id"]: poll for poll in includes.get("polls", [])}

    def _expand(self, posts, selection):
        wanted = selection.expansions
        referenced, errors = {}, []
        for post_id in {
            ref["id"]: 0 for post in posts for ref in post.get("referenced_tweets", [])
        }:
            if loss := self.find_loss(post_id):
                errors.append(describe_loss(post_id, loss, "referenced_tweets.id"))
            else:
                referenced[post_id] = self.posts[post_id]
        if "referenced_tweets.id" not in wanted:
            referenced, errors = {}, []
        described = {"": posts, "referenced_tweets.id.": referenced.values()}
        authors, media, polls = {}, {}, {}
        for prefix, described_posts in described.items():
            for post in described_posts:
                attachments = post.get("attachments", {})
                if f"{prefix}author_id" in wanted:
                    authors[post.get("author_id")] = None
                if f"{prefix}attachments.media_keys" in wanted:
                    media |= dict.fromkeys(attachments.get("media_keys", []))
                if f"{prefix}attachments.poll_ids" in wanted:
                    polls |= dict.fromkeys(attachments.get("poll_ids", []))
        found = {
            "users": [selection.pick("user", self.users[id]) for id in authors if id in self.users],
            "tweets": [selection.pick("tweet", post) for post in referenced.values()],
            "media": [selection.pick("media", self._media[k]) for k in media if k in self._media],
            "polls": [selection.pick("poll", self._polls[id]) for id in polls if id in self._polls],
        }
        return {kind: things for kind, things in found.items() if things}, errors

    def _make_subject(self, post, *, quoted):
        references = post.get("referenced_tweets", [])
        texts = [post.get("note_tweet", {}).get("text", post["text"])]
        for reference in references:
            original = self.posts.get(reference["id"])
            if original and quoted and reference["type"] != "replied_to":
                texts.append(original.get("note_tweet", {}).get("text", original["text"]))
        author = self.users.get(post.get("author_id"), {}).get("username", "")
        kinds = frozenset(reference["type"] for reference in references)
        return Subject(tuple(texts), author, kinds, post.get("lang", ""))

    def _is_found(self, post, params):
        post_id, now = int(post["id"]), self.now()
        until = [int(params[name]) for name in ("until_id",) if name in params]
        if "next_token" in params:
            until.append(int(params["next_token"][16:], 16))
        subject = self._make_subject(post, quoted=False)
        age = now - find_time(post_id)
        return (
            not self.find_loss(post["id"])
            and post["edit_history_tweet_ids"][-1] == post["id"]
            and "retweeted" not in subject.references
            and age <= SEARCH_WINDOW
            and (not self.index_lag or age >= timedelta(seconds=self.index_lag))
            and post_id > int(params.get("since_id", 0))
            and all(post_id < id for id in until)
            and matches(params["query"], subject, accents=False)
        )

    def _refuse_search(self, params):
        query = params.get("query", "")
        if not query or len(query) > MAX_QUERY_CHARACTERS:
            detail = f"The `query` query parameter length [{len(query)}] is not between 1 and {MAX_QUERY_CHARACTERS}"
            return refuse_parameter("query", query, detail)
        fault = find_fault(query)
        for operator in UNSEARCHABLE:
            if re.search(rf"(?<!\S)-?{operator}", query):
                fault = f"Reference to invalid operator '{operator[:-1]}'. Operator is not available in current product or product packaging."
        if fault:
            return refuse_parameter("query", query, fault)
        size = params.get("max_results", "10")
        if not size.isdecimal() or not 10 <= int(size) <= 100:
            detail = f"The `max_results` query parameter value [{size}] is not between 10 and 100"
            return refuse_parameter("max_results", size, detail)
        return self._refuse_ids(params)

    def _refuse_ids(self, params):
        for name in ("since_id", "until_id"):
            if name in params and not re.fullmatch(r"\d{1,19}", params[name]):
                detail = f"The `{name}` query parameter value [{params[name]}] is not valid"
                return refuse_parameter(name, params[name], detail)
        if "next_token" in params and not re.fullmatch(
            r"\w{16}[0-9a-f]{1,16}", params["next_token"]
        ):
            detail = f"The `next_token` query parameter value [{params['next_token']}] is not valid"
            return refuse_parameter("next_token", params["next_token"], detail)
        first = self.now() - SEARCH_WINDOW
        if "since_id" in params and find_time(params["since_id"]) < first:
            lowest = (int(first.timestamp() * 1000) - EPOCH) << 22
            detail = (
                f"'since_id' must be a tweet id created after [{first:%Y-%m-%dT%H:%MZ}]. "
                f"Please use a 'since_id' that is larger than {lowest}"
            )
            return refuse_parameter("since_id", params["since_id"], detail)
        return None


class Meter:
    """What X asks money for: each post and user once on a UTC day, however often it is read."""

    def __init__(self, world):
        self._days = defaultdict(lambda: Charged(set(), set()))
        self._world = world

    def read(self):
        return {day: Charged(*map(set, charged)) for day, charged in self._days.items()}

    def charge(self, body):
        """Whatever is no post and no user costs nothing."""
        charged = self._days[self._world.now().astimezone(UTC).date()]
        data, includes = body.get("data"), body.get("includes") or {}
        posts = data if isinstance(data, list) else [data]
        posts = [*posts, *includes.get("tweets", []), *includes.get("posts", [])]
        charged.posts.update(find_ids(posts))
        charged.users.update(find_ids(includes.get("users", [])))


def find_ids(things):
    return {str(thing["id"]) for thing in things if isinstance(thing, dict) and "id" in thing}
