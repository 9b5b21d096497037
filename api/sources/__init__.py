"""Where tweets come from. A source reads X stream messages and hands each to `deliver` as bytes."""

from .replay import ReplaySource
from .source import Source, SourceError
from .x import XSource

__all__ = ["Source", "SourceError", "make_source"]


def make_source(name, options):
    """The source of this name. Raises SourceError, a sentence for a person, if an option is wrong.

    Options: replay_file, replay_speed, replay_loop; x_base_url, x_bearer_token, keywords.
    """
    if name == "replay":
        return ReplaySource(
            options["replay_file"],
            speed=options.get("replay_speed", 1),
            loop=options.get("replay_loop", True),
        )
    if name == "x":
        return XSource(
            options.get("x_bearer_token", ""),
            base_url=options.get("x_base_url", "https://api.x.com"),
            keywords=options.get("keywords", ()),
        )
    raise SourceError(f"WALLPUSH_SOURCE must be replay or x, not {name!r}.")
