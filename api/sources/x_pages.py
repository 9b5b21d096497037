"""Answers of X with many posts: what is in them, and one message for each, as the stream would send it.

Both of X's dialects are read, tweet.* and post.*. Nothing is taken for granted: what lacks a part is less, no error.
"""

import json

REFERENCES = ("referenced_tweets", "referenced_posts")
HISTORIES = ("edit_history_tweet_ids", "edit_history_post_ids")
INCLUDED_POSTS = ("tweets", "posts")


def get_dict(container, name):
    value = container.get(name)
    return value if isinstance(value, dict) else {}


def get_dicts(container, *names):
    """The objects in the lists under these names."""
    lists = [container.get(name) for name in names]
    return [
        item
        for found in lists
        if isinstance(found, list)
        for item in found
        if isinstance(item, dict)
    ]


def get_ids(container, *names):
    """The strings in the lists under these names."""
    lists = [container.get(name) for name in names]
    return [
        value
        for found in lists
        if isinstance(found, list)
        for value in found
        if isinstance(value, str)
    ]


def read_message(line):
    """The object in a line, or None."""
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return message if isinstance(message, dict) else None


def make_line(message):
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()


def find_main_posts(answer):
    """The posts that were asked for: one in a message, many in a page."""
    data = answer.get("data")
    posts = [data] if isinstance(data, dict) else get_dicts(answer, "data")
    return [post for post in posts if isinstance(post.get("id"), str)]


def find_post_ids(answer):
    """Of every post in an answer, also those that others refer to."""
    included = get_dicts(get_dict(answer, "includes"), *INCLUDED_POSTS)
    return get_strings([*find_main_posts(answer), *included], "id")


def find_user_ids(answer):
    return get_strings(get_dicts(get_dict(answer, "includes"), "users"), "id")


def get_strings(items, name):
    return {item[name] for item in items if isinstance(item.get(name), str)}


def find_author(post, answer):
    """The author of a post as the answer describes them; empty if it does not."""
    users = get_dicts(get_dict(answer, "includes"), "users")
    author_id = post.get("author_id")
    return next((user for user in users if author_id and user.get("id") == author_id), {})


def find_newest_version(post):
    """The id of the newest version of a post; its own if it was not edited since."""
    versions = [each for each in get_ids(post, *HISTORIES) if each.isdigit() and each.isascii()]
    return max([*versions, post["id"]], key=lambda each: (len(each), each))


def split_answer(answer):
    """One message for each post, with what it refers to and nothing else."""
    return [split_off(post, answer) for post in find_main_posts(answer)]


def split_off(post, answer):
    includes = get_dict(answer, "includes")
    referenced = get_strings(get_dicts(post, *REFERENCES), "id")
    posts = {name: pick(includes, name, "id", referenced) for name in INCLUDED_POSTS}
    described = [post, *posts["tweets"], *posts["posts"]]
    attachments = [get_dict(each, "attachments") for each in described]
    media = {key for each in attachments for key in get_ids(each, "media_keys")}
    polls = {key for each in attachments for key in get_ids(each, "poll_ids")}
    picked = {
        "users": pick(includes, "users", "id", get_strings(described, "author_id")),
        **posts,
        "media": pick(includes, "media", "media_key", media),
        "polls": pick(includes, "polls", "id", polls),
    }
    picked = {name: items for name, items in picked.items() if items}
    errors = pick(answer, "errors", "resource_id", referenced)
    message = {"data": post}
    if picked:
        message["includes"] = picked
    return message | ({"errors": errors} if errors else {})


def pick(container, name, key, wanted):
    items = get_dicts(container, name)
    return [item for item in items if isinstance(item.get(key), str) and item[key] in wanted]
