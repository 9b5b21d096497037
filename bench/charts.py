"""Draws the results of the last measurements for docs/benchmarks.md: `python -m bench.charts`.

Each measurement leaves its last result below var/. What was not measured here keeps the chart that it has.
"""

import json
import os
import sys

from bench._result import RESULTS
from bench.peers.venv import VENV, ensure_venv
from nginx.binary import PROJECT

DOCS = PROJECT / "docs"
OURS, OTHERS = "#0f766e", "#94a3b8"
COLORS = {"ws": "#0f766e", "ev": "#d97706", "lp": "#64748b"}
ENGINES = {"SQLite": "#0f766e", "PostgreSQL": "#d97706"}
GROWTH_COLORS = ("#2563eb", "#7c3aed", "#64748b", "#ca8a04", "#be185d", "#b91c1c")
TRANSPORTS = {"ws": "WebSocket", "ev": "EventSource", "lp": "long-polling"}


def draw_latency(axes, found):
    rates = [rate for rate in found["results"] if rate.isdigit()]
    width = 0.25
    for place, (transport, color) in enumerate(COLORS.items()):
        times = [found["results"][rate][transport] for rate in rates]
        left = [number + (place - 1) * width for number in range(len(rates))]
        axes.bar(
            left, [one["p50"] for one in times], width, color=color, label=TRANSPORTS[transport]
        )
        axes.scatter(
            left, [one["p99"] for one in times], color="black", marker="_", s=120, zorder=3
        )
    axes.scatter([], [], color="black", marker="_", label="p99")
    axes.axhline(
        60, color="#b91c1c", linewidth=1, linestyle=":", label="target of the median at 20/s"
    )
    axes.set_xticks(range(len(rates)), [f"{rate} tweets/s" for rate in rates])
    axes.set_ylabel("ms from X's stream to the subscriber")
    axes.legend(frameon=False, fontsize=8)


def draw_fanout(axes, found):
    results = [one for one in found["results"] if one["subscribers"] == 1000 and "rate" in one]
    results.sort(key=lambda one: one["rate"])
    names = [f"{one['name']}, {TRANSPORTS[one['transport']]}" for one in results]
    colors = [OURS if one["name"].startswith("wallpush") else OTHERS for one in results]
    bars = axes.barh(names, [one["rate"] for one in results], color=colors)
    axes.bar_label(bars, [f"{one['rate']:,}" for one in results], padding=4, fontsize=8)
    axes.set_xlim(0, max(one["rate"] for one in results) * 1.18)
    axes.set_xlabel("messages/s delivered to 1000 subscribers, two CPUs for all")


def draw_memory(axes, found):
    bars = [
        (
            f"{way}: {part}",
            max(one["per_subscriber"], 0) / 1000,
            OURS if way == "wallpush" else OTHERS,
        )
        for way, parts in found["results"].items()
        for part, one in parts.items()
    ][::-1]
    drawn = axes.barh(
        [name for name, _, _ in bars],
        [size for _, size, _ in bars],
        color=[color for _, _, color in bars],
    )
    axes.bar_label(drawn, [f"{size:.1f}" for _, size, _ in bars], padding=4, fontsize=8)
    axes.set_xlim(0, max(size for _, size, _ in bars) * 1.15)
    axes.set_xlabel("kB for each idle WebSocket")


def draw_storm(axes, found):
    names = {"django": "each wall asks Django", "front": "the front shares its answers"}
    results = [found["results"][way] for way in names]
    # Without the front, Django is asked every question.
    asked = [
        one["questions"] if way == "django" else one["reached_django"]
        for way, one in zip(names, results, strict=True)
    ]
    bars = axes.barh(list(names.values()), asked, color=[OTHERS, OURS])
    labels = [
        f"{number:,} requests; after {one['seconds']:.0f} s {one['late'] or 'no'} walls still wait"
        for number, one in zip(asked, results, strict=True)
    ]
    axes.bar_label(bars, labels, padding=4, fontsize=8)
    axes.set_xlim(0, max(asked) * 2.4)
    walls = found["results"]["front"]["walls"]
    axes.set_xlabel(f"requests for Django when {walls:,} walls come back")


def draw_rates(axes, found):
    ways = list(found["rates"])[::-1]
    colors = [OURS if way.startswith(("wallpush", "Publisher")) else OTHERS for way in ways]
    bars = axes.barh(ways, [found["rates"][way] for way in ways], color=colors)
    axes.bar_label(bars, [f"{found['rates'][way]:,}" for way in ways], padding=4, fontsize=8)
    axes.set_xlim(0, max(found["rates"].values()) * 1.15)
    axes.set_xlabel(found["title"])


def draw_rest(axes, found):
    names = list(found["milliseconds"]["SQLite"])[::-1]
    for shift, (engine, color) in zip((0.2, -0.2), ENGINES.items(), strict=True):
        times = [found["milliseconds"][engine][name] for name in names]
        places = [number + shift for number in range(len(names))]
        axes.barh(places, times, 0.38, color=color, label=engine)
    axes.set_yticks(range(len(names)), names)
    axes.set_xscale("log")
    axes.set_xlabel("ms for a page of 50 out of 1 000 000 tweets (logarithmic)")
    axes.legend(frameon=False, fontsize=8, loc="center right")


def draw_growth(axes, found):
    sizes = list(found["sizes"]["SQLite"])
    lines = zip(found["sizes"]["SQLite"][sizes[0]], ("#0f766e", *GROWTH_COLORS), strict=False)
    for name, color in lines:
        for engine, style in (("SQLite", "-"), ("PostgreSQL", "--")):
            rows = found["sizes"][engine]
            ratios = [rows[size][name] / rows[sizes[0]][name] for size in sizes]
            label = name if engine == "SQLite" else None
            axes.plot(ratios, style, color=color, marker="o", markersize=3, label=label)
    axes.set_xticks(range(len(sizes)), [f"{int(size):,} tweets" for size in sizes])
    axes.set_yscale("log")
    axes.set_ylabel("ratio to the smallest wall")
    axes.set_title("whole lines: SQLite, dashed: PostgreSQL", fontsize=8)
    axes.legend(frameon=False, fontsize=7, loc="upper left")


# The measurement → what draws it, and its size in inches.
CHARTS = {
    "publish_many": (draw_rates, (7, 1.9)),
    "ingest": (draw_rates, (7, 1.6)),
    "rest": (draw_rest, (8, 5)),
    "growth": (draw_growth, (7, 3.6)),
    "latency": (draw_latency, (7, 3.2)),
    "fanout": (draw_fanout, (8, 4.2)),
    "memory": (draw_memory, (7, 2.4)),
    "storm": (draw_storm, (7.5, 1.7)),
}


def draw(name):
    import matplotlib.pyplot as plt

    plt.rcParams |= {"svg.fonttype": "none", "svg.hashsalt": "wallpush", "font.size": 9}
    function, size = CHARTS[name]
    figure, axes = plt.subplots(figsize=size, layout="constrained")
    axes.spines[["top", "right"]].set_visible(False)
    function(axes, json.loads((RESULTS / f"{name}.json").read_text()))
    path = DOCS / f"benchmark-{name}.svg"
    figure.patch.set_facecolor("white")
    figure.savefig(path, metadata={"Date": None})
    print(path)


def main():
    if sys.prefix != str(VENV):  # where the plotting library is
        os.execv(ensure_venv(), [str(ensure_venv()), "-m", "bench.charts"])  # noqa: S606
    for name in CHARTS:
        if (RESULTS / f"{name}.json").is_file():
            draw(name)


if __name__ == "__main__":
    main()
