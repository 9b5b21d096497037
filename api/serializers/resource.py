"""The resource as it goes out: pushed to browsers and returned by REST, byte for byte the same."""

from datetime import UTC

from rest_framework import serializers

from api.models import TweetKeyword
from wallpush.channels import keyword_channel
from wallpush.message import encode_message

# The rest of a tweet's row is as long again.
_SHOWN_COLUMNS = (
    *("source", "source_id", "version_id", "created_at", "text", "lang", "sensitive", "content"),
    *("changed_at", "hidden_at", "author__source_id", "author__username", "author__name"),
    *("author__avatar", "author__verified"),
)


class ResourceSerializer(serializers.Serializer):
    """Declares the fields for the schema; `to_representation` of each builds the dictionary directly.

    Going through the fields costs ten times as much, and this runs for every tweet published.
    """


class AuthorSerializer(ResourceSerializer):
    id = serializers.CharField(help_text="The id at the source. A string: too long for a number.")
    username = serializers.CharField(help_text="Without @. Empty if the author is not known.")
    name = serializers.CharField()
    avatar = serializers.CharField(help_text="https: or /sample/…, or empty.")
    verified = serializers.ChoiceField(["", "blue", "business", "government"])

    def to_representation(self, author):
        return {
            "id": author.source_id,
            "username": author.username,
            "name": author.name,
            "avatar": author.avatar,
            "verified": author.verified,
        }


class KeywordSerializer(ResourceSerializer):
    term = serializers.CharField()
    channel = serializers.CharField(help_text="The channel that carries this keyword's tweets.")

    def to_representation(self, keyword):
        return {"term": keyword.term, "channel": keyword_channel(keyword.term)}


class EntitySerializer(serializers.Serializer):
    type = serializers.ChoiceField(["hashtag", "cashtag", "mention", "url"])
    start = serializers.IntegerField(help_text="In code points of `text`.")
    end = serializers.IntegerField(help_text="Exclusive.")
    tag = serializers.CharField(required=False, help_text="Of a hashtag or cashtag.")
    username = serializers.CharField(required=False, help_text="Of a mention.")
    id = serializers.CharField(required=False, help_text="Of the account that is mentioned.")
    url = serializers.CharField(required=False, help_text="Of a url: where the link leads.")
    expanded_url = serializers.CharField(required=False)
    display_url = serializers.CharField(required=False, help_text="What the link reads.")
    title = serializers.CharField(required=False)


class MediaSerializer(serializers.Serializer):
    type = serializers.ChoiceField(["photo", "video", "animated_gif"])
    url = serializers.CharField(help_text="Empty for a video that can not be played.")
    preview_url = serializers.CharField(required=False)
    width = serializers.IntegerField()
    height = serializers.IntegerField()
    alt = serializers.CharField()
    duration_ms = serializers.IntegerField(required=False)


class PollOptionSerializer(serializers.Serializer):
    label = serializers.CharField()
    votes = serializers.IntegerField()


class PollSerializer(serializers.Serializer):
    id = serializers.CharField()
    status = serializers.CharField()
    ends_at = serializers.DateTimeField(allow_null=True)
    options = PollOptionSerializer(many=True)


class RepliedAuthorSerializer(serializers.Serializer):
    id = serializers.CharField()
    username = serializers.CharField()


class RepliedTweetSerializer(serializers.Serializer):
    id = serializers.CharField()
    author = RepliedAuthorSerializer()


class ReferencedTweetSerializer(serializers.Serializer):
    """A tweet inside another one. One that is gone is `{"id": …, "missing": true}`."""

    id = serializers.CharField()
    missing = serializers.BooleanField(required=False)
    url = serializers.CharField(allow_null=True, required=False)
    created_at = serializers.DateTimeField(required=False)
    text = serializers.CharField(required=False)
    lang = serializers.CharField(required=False)
    author = AuthorSerializer(required=False)
    entities = EntitySerializer(many=True, required=False)
    media = MediaSerializer(many=True, required=False)
    poll = PollSerializer(allow_null=True, required=False)


class TweetSerializer(ResourceSerializer):
    type = serializers.ChoiceField(["tweet"])
    id = serializers.CharField(help_text="The first id of the edit chain. Never changes.")
    version = serializers.CharField(help_text="The newest id of the edit chain.")
    source = serializers.CharField()
    url = serializers.CharField(allow_null=True)
    created_at = serializers.DateTimeField(help_text="Of the first version, in UTC.")
    text = serializers.CharField(help_text="Plain text, not HTML.")
    lang = serializers.CharField()
    author = AuthorSerializer()
    entities = EntitySerializer(many=True)
    media = MediaSerializer(many=True)
    poll = PollSerializer(allow_null=True)
    reply_to = RepliedTweetSerializer(allow_null=True)
    quote_of = ReferencedTweetSerializer(allow_null=True)
    retweet_of = ReferencedTweetSerializer(allow_null=True)
    sensitive = serializers.BooleanField()
    withheld_in = serializers.ListField(child=serializers.CharField())
    edited = serializers.BooleanField()
    keywords = serializers.ListField(child=serializers.CharField())

    def to_representation(self, tweet):
        content = tweet.content
        return {
            "type": "tweet",
            "id": tweet.source_id,
            "version": tweet.version_id,
            "source": tweet.source,
            "url": content["url"],
            "created_at": format_time(tweet.created_at),
            "text": tweet.text,
            "lang": tweet.lang,
            "author": author_serializer.to_representation(tweet.author),
            "entities": content["entities"],
            "media": content["media"],
            "poll": content["poll"],
            "reply_to": content["reply_to"],
            "quote_of": content["quote_of"],
            "retweet_of": content["retweet_of"],
            "sensitive": tweet.sensitive,
            "withheld_in": content["withheld_in"],
            "edited": content["edited"],
            "keywords": tweet.terms,
        }


class DeletionSerializer(ResourceSerializer):
    """Says that a tweet must go from every screen."""

    type = serializers.ChoiceField(["delete"])
    id = serializers.CharField()

    def to_representation(self, tweet):
        return {"type": "delete", "id": tweet.source_id}


author_serializer = AuthorSerializer()
keyword_serializer = KeywordSerializer()
tweet_serializer = TweetSerializer()
deletion_serializer = DeletionSerializer()


def with_parts(tweets):
    """Tweets with all that the resource shows, but for their terms."""
    return tweets.select_related("author").only(*_SHOWN_COLUMNS)


def fill_terms(tweets):
    """The terms of all of these with one query."""
    terms = {tweet.pk: [] for tweet in tweets}
    links = TweetKeyword.objects.filter(tweet__in=terms)
    for pk, term in links.values_list("tweet_id", "keyword__term"):
        terms[pk].append(term)
    for tweet in tweets:
        tweet.terms = sorted(terms[tweet.pk])


def tweet_resource(tweet):
    """The tweet, or its deletion if it is hidden."""
    serializer = tweet_serializer if tweet.hidden_at is None else deletion_serializer
    return serializer.to_representation(tweet)


def render_tweet(tweet):
    """The bytes that are pushed, and that REST returns."""
    return encode_message(tweet_resource(tweet))


def format_time(moment):
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
