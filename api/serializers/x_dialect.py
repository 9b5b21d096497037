"""X's two dialects brought to one: since August 2026 a stream may answer with post.* or tweet.* names."""

_DATA_NAMES = {
    "edit_history_post_ids": "edit_history_tweet_ids",
    "note_post": "note_tweet",
    "referenced_posts": "referenced_tweets",
}


def _speak_tweet(post):
    """The post with tweet.* names, and without what is null: null and absent mean the same."""
    if not isinstance(post, dict):
        return post
    return {_DATA_NAMES.get(name, name): value for name, value in post.items() if value is not None}


def normalise_dialect(message):
    """The message with tweet.* names throughout. What it is given stays as it is: that is kept as `raw`."""
    message = {name: value for name, value in message.items() if value is not None}
    if "data" in message:
        message["data"] = _speak_tweet(message["data"])
    includes = message.get("includes")
    if isinstance(includes, dict):
        message["includes"] = {**includes, "tweets": _included_tweets(includes)}
    return message


def _included_tweets(includes):
    lists = (includes.get("tweets"), includes.get("posts"))
    return [_speak_tweet(tweet) for tweets in lists if isinstance(tweets, list) for tweet in tweets]
