"""What the comparisons share: ways that take turns on a real push node, and how the result is told."""

import json
import os
import platform
import re
import socket
import statistics
import subprocess
import sys


def free_ports():
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("", 0)) as two:
        return one.getsockname()[1], two.getsockname()[1]


def take_turns(node, ways, measure, *, rounds):
    """The median rate of each way. Each round has a fresh push node and begins with another way."""
    rates = [measure_round(node, ways, measure, number, rounds) for number in range(rounds)]
    return {way: statistics.median(rate[way] for rate in rates) for way in ways}


def measure_round(node, ways, measure, number, rounds):
    print(f"round {number + 1} of {rounds}", file=sys.stderr, flush=True)
    shift = number % len(ways)
    node.start()
    try:
        return {way: measure(node, way) for way in ways[shift:] + ways[:shift]}
    finally:
        node.stop()


def report(bench, node, title, rates, *, ours, other):
    """A table with the machine, and as the last line the ratio as JSON."""
    print(f"{os.cpu_count()} CPUs, Python {platform.python_version()}, nginx {nginx_version(node)}")
    print(f"{title:<52}{'median':>8}{'ratio':>8}")
    for way, rate in rates.items():
        print(f"{way:<52}{rate:>8.0f}{rate / rates[other]:>8.2f}")
    result = {"bench": bench, "ours": round(rates[ours]), "other": round(rates[other])}
    print(json.dumps(result | {"ratio": round(rates[ours] / rates[other], 2)}))


def nginx_version(node):
    shown = subprocess.run([node.binary.nginx, "-v"], capture_output=True, text=True, check=True)
    return re.search(r"nginx/(\S+)", shown.stderr)[1]
