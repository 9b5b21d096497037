"""The shell's way to push nodes: publish, subscribe, stats, delete."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from .channels import check_channel
from .errors import WallpushError
from .message import Message, encode_message
from .outcomes import Outcome
from .publisher import Publisher
from .subscription import subscribe

DEFAULT_PUBLISH_URLS = "http://127.0.0.1:8001"
DEFAULT_EVENTS_URL = "http://127.0.0.1:8000"
STDIN = 0
READ_BYTES = 256 * 1024


class WrongUse(Exception):
    """What was asked for makes no sense; `str()` says how to ask."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit status: 0 done, 1 failed, 2 wrong use."""
    options = make_parser().parse_args(arguments)
    try:
        status: int = options.command(options)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:
        # The reader left. Python would flush once more on its way out and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except WrongUse as error:
        return complain(error, 2)
    except WallpushError as error:
        return complain(error, 2 if isinstance(error, ValueError) else 1)
    return status


def complain(error: Exception, status: int) -> int:
    print(f"wallpush: {error}", file=sys.stderr)
    return status


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="wallpush", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    add_publish(commands)
    add_subscribe(commands)
    add_stats(commands)
    add_delete(commands)
    return parser


def add_publish(commands: Any) -> None:
    parser = commands.add_parser("publish", help="publish one message, or each line of stdin")
    parser.add_argument("channels", metavar="CHANNEL[,CHANNEL]")
    parser.add_argument(
        "message", metavar="MESSAGE", nargs="?", default="-", help="JSON; - is stdin"
    )
    parser.add_argument("--event-id", help="for subscribers that resume; with MESSAGE only")
    add_url(parser)
    parser.set_defaults(command=run_publish)


def add_subscribe(commands: Any) -> None:
    parser = commands.add_parser("subscribe", help="print each message of channels, one a line")
    parser.add_argument("channels", metavar="CHANNEL", nargs="+")
    parser.add_argument(
        "--events-url",
        default=os.environ.get("WALLPUSH_EVENTS_URL") or DEFAULT_EVENTS_URL,
        help="where /events/sub/ is (WALLPUSH_EVENTS_URL, %(default)s)",
    )
    parser.set_defaults(command=run_subscribe)


def add_stats(commands: Any) -> None:
    parser = commands.add_parser("stats", help="print the counters of push nodes or of a channel")
    parser.add_argument("channel", metavar="CHANNEL", nargs="?")
    add_url(parser)
    parser.set_defaults(command=run_stats)


def add_delete(commands: Any) -> None:
    parser = commands.add_parser("delete", help="remove a channel and its stored messages")
    parser.add_argument("channel", metavar="CHANNEL")
    add_url(parser)
    parser.set_defaults(command=run_delete)


def add_url(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--url",
        default=os.environ.get("WALLPUSH_PUBLISH_URLS") or DEFAULT_PUBLISH_URLS,
        help="push nodes, between commas (WALLPUSH_PUBLISH_URLS)",
    )


def run_publish(options: argparse.Namespace) -> int:
    channels = tuple(map(check_channel, options.channels.split(",")))
    with Publisher(options.url) as publisher:
        if options.message == "-":
            return publish_lines(publisher, channels, options.event_id)
        body = read_json(options.message, "MESSAGE")
        receipt = publisher.publish(channels, body, event_id=options.event_id)
    print(f"published to {count(receipt.subscribers, 'subscriber')}")
    return 0


def publish_lines(publisher: Publisher, channels: tuple[str, ...], event_id: str | None) -> int:
    """Whatever has arrived at stdin is one batch: a pipe that drips is published drop by drop."""
    if event_id is not None:
        raise WrongUse("--event-id names one message: give MESSAGE.")
    published = failed = first = 0
    for lines in read_batches():
        outcomes = publisher.publish_many(Message(channels, read_line(line)) for line in lines)
        errors = list(errors_of(outcomes, first + 1))
        for error in errors:
            print(f"wallpush: {error}", file=sys.stderr)
        failed += len(errors)
        published += len(lines) - len(errors)
        first += len(lines)
    print(f"published {count(published, 'message')}, failed {failed}")
    return 1 if failed else 0


def read_batches() -> Iterator[list[bytes]]:
    """The lines of stdin as they arrive."""
    rest = b""
    while data := read_stdin():
        *lines, rest = (rest + data).split(b"\n")
        yield lines
    if rest:
        yield [rest]


def read_stdin() -> bytes:
    try:
        return os.read(STDIN, READ_BYTES)
    except OSError as exc:
        raise WrongUse(f"stdin can not be read: {exc.strerror}. Give MESSAGE.") from exc


def read_line(line: bytes) -> Any:
    """What the line says; the line itself if it is no JSON, for the publisher to refuse."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return line


def errors_of(outcomes: Sequence[Outcome], first_line: int) -> Iterator[str]:
    for number, outcome in enumerate(outcomes, first_line):
        if outcome.error:
            yield f"line {number}: {outcome.error}"


def read_json(text: str, name: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as exc:
        raise WrongUse(f"{name} is no JSON: {exc}. Text stands in quotes: '\"text\"'.") from exc


def run_subscribe(options: argparse.Namespace) -> int:
    for envelope in subscribe(options.events_url, options.channels):
        sys.stdout.buffer.write(encode_message(envelope["text"]) + b"\n")
        sys.stdout.buffer.flush()
    return 0


def run_stats(options: argparse.Namespace) -> int:
    with Publisher(options.url) as publisher:
        if options.channel is None:
            for statistics in publisher.statistics():
                print(json.dumps(asdict(statistics)))
            return 0
        info = publisher.channel_info(options.channel)
    if info is None:
        return tell_absence(options.channel)
    print(json.dumps(asdict(info)))
    return 0


def run_delete(options: argparse.Namespace) -> int:
    with Publisher(options.url) as publisher:
        if not publisher.delete_channel(options.channel):
            return tell_absence(options.channel)
    print(f"deleted {options.channel}")
    return 0


def tell_absence(channel: str) -> int:
    print(f"wallpush: no push node knows the channel {channel} now.", file=sys.stderr)
    return 1


def count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


if __name__ == "__main__":
    sys.exit(main())
