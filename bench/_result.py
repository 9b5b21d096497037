"""What a measurement leaves behind: the machine, and a line of JSON that `bench.charts` draws."""

import json
import os
import platform
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from nginx.binary import PROJECT, find_binary

RESULTS = PROJECT / "var" / "bench" / "results"


def describe_machine():
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {os.cpu_count()} CPUs ({find_model()}), load before {load};"
        f" Linux {platform.release()}, Python {platform.python_version()}, nginx {nginx_version()}"
    )


def find_model():
    models = re.findall(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return models[0] if models else platform.machine()


def nginx_version():
    shown = subprocess.run([find_binary().nginx, "-v"], capture_output=True, text=True, check=True)
    return re.search(r"nginx/(\S+)", shown.stderr)[1]


def keep_result(result):
    """Prints it as the last line, and keeps it for the charts."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    kept = result | {"machine": describe_machine()}
    (RESULTS / f"{result['bench']}.json").write_text(json.dumps(kept, indent=1) + "\n")
    print(json.dumps(result))
