"""What the comparisons share: ways that take turns on a real push node, and how the result is told."""

import os
import platform
import re
import socket
import statistics
import subprocess
import sys

from bench._result import keep_result


def free_ports():
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("", 0)) as two:
        return one.getsockname()[1], two.getsockname()[1]


def take_turns(node, ways, measure, *, rounds):
    """The rates of each way, by round. Each round has a fresh push node and begins with another way."""
    rates = [measure_round(node, ways, measure, number, rounds) for number in range(rounds)]
    return {way: [rate[way] for rate in rates] for way in ways}


def measure_round(node, ways, measure, number, rounds):
    print(f"round {number + 1} of {rounds}", file=sys.stderr, flush=True)
    shift = number % len(ways)
    node.start()
    try:
        return {way: measure(node, way) for way in ways[shift:] + ways[:shift]}
    finally:
        node.stop()


def report(bench, node, title, rates, *, ours, other):
    """A table with the machine, and as the last line the result as JSON.

    A ratio is the median of the rounds' own ratios: what else the machine does slows a whole round.
    """
    print(f"{os.cpu_count()} CPUs, Python {platform.python_version()}, nginx {nginx_version(node)}")
    print(f"{title:<52}{'median':>8}{'ratio':>8}")
    ratios = {way: find_ratio(rates[way], rates[other]) for way in rates}
    medians = {way: statistics.median(rates[way]) for way in rates}
    for way in rates:
        print(f"{way:<52}{medians[way]:>8.0f}{ratios[way]:>8.2f}")
    keep_result(
        {
            "bench": bench,
            "ours": round(medians[ours]),
            "other": round(medians[other]),
            "ratio": round(ratios[ours], 2),
            "title": title,
            "rates": {way: round(median) for way, median in medians.items()},
        }
    )


def find_ratio(rates, others):
    return statistics.median(rate / other for rate, other in zip(rates, others, strict=True))


def nginx_version(node):
    shown = subprocess.run([node.binary.nginx, "-v"], capture_output=True, text=True, check=True)
    return re.search(r"nginx/(\S+)", shown.stderr)[1]
