"""Where tweets come from. A source reads messages and hands each to `deliver` as bytes."""

from .bluesky import BlueskySource
from .ledger import Ledger, LedgerUnavailable
from .replay import ReplaySource
from .source import Source, SourceError
from .x import XSource

SOURCES = ("replay", "x", "bluesky")

__all__ = ["SOURCES", "Ledger", "LedgerUnavailable", "Source", "SourceError", "make_source"]


def make_source(name, options, ledger=None):
    """The source of this name. Raises SourceError, a sentence for a person, if an option is wrong.

    Options, by source, all optional but `replay_file` and `x_bearer_token`: replay_file, replay_speed, replay_loop;
    x_bearer_token, x_base_url, x_tag_prefix, x_retweets, x_post_price, x_user_price, x_recheck_minutes,
    x_recheck_reads; bluesky_urls, bluesky_api_url.
    """
    makers = {"replay": ReplaySource, "x": XSource, "bluesky": BlueskySource}
    if name not in makers:
        raise SourceError(f"WALLPUSH_SOURCE must be one of {', '.join(SOURCES)}, not {name!r}.")
    start = f"{name}_"
    own = {
        key.removeprefix(start): value for key, value in options.items() if key.startswith(start)
    }
    return makers[name](**own, ledger=ledger)
