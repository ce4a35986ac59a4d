#!/usr/bin/env python3
"""Medians and ratios of the rows that bench.py wrote.

    summary.py FILE.csv [--json FILE.json] [--baseline PEER]

Ratios are medians over medians of the same file: on a shared machine throughput swings with the
neighbours, and only what was measured interleaved compares. CPU seconds per GB of both ends
together swing least. The spread is (largest - smallest) / median: where it is wide, or there is but
one round, the median says little. sender-bound: the path carries at least that.
"""
import argparse
import csv
import json
import statistics
from collections import defaultdict

def median_of(rows, column):
    values = [float(r[column]) for r in rows if r[column] not in ("", None)]
    return statistics.median(values) if values else None


def spread_of(rows):
    values = [float(r["value"]) for r in rows]
    middle = statistics.median(values)
    return (max(values) - min(values)) / middle if len(values) > 1 and middle else None


def summarize(rows, baseline):
    """{offload: {test: {peer: {value, spread, unit, rounds, note, cpu_s_per_gb, rss_anon_kb, ratio,
    cpu_ratio}}}}"""
    groups = defaultdict(list)
    for row in rows:
        groups[row["offload"], row["test"], row["peer"]].append(row)
    result = {}
    for (offload, test, peer), group in groups.items():
        result.setdefault(offload, {}).setdefault(test, {})[peer] = {
            "value": median_of(group, "value"), "unit": group[0]["unit"], "rounds": len(group),
            "spread": spread_of(group), "note": next((r["note"] for r in group if r["note"]), ""),
            "cpu_s_per_gb": median_of(group, "cpu_s_per_gb"),
            "rss_anon_kb": max((int(r["rss_anon_kb"]) for r in group if r["rss_anon_kb"]), default=None),
        }
    for tests in result.values():
        for peers in tests.values():
            base = peers.get(baseline)
            for entry in peers.values():
                entry["ratio"] = ratio(entry["value"], base and base["value"])
                entry["cpu_ratio"] = ratio(entry["cpu_s_per_gb"], base and base["cpu_s_per_gb"])
    return result


def ratio(value, base):
    return None if value is None or not base else value / base


def text(value, digits):
    return "" if value is None else f"{value:.{digits}f}"


def percent(value):
    return "" if value is None else f"{value * 100:.0f} %"


def table(summary, baseline):
    """A Markdown table, one line a peer."""
    lines = [f"| offload | test | peer | median | unit | spread | / {baseline} | CPU s/GB | / {baseline} | RssAnon MB | note |",
             "|---|---|---|---:|---|---:|---:|---:|---:|---:|---|"]
    for offload, tests in summary.items():
        for test, peers in tests.items():
            for peer, e in peers.items():
                digits = 0 if e["unit"] == "1/s" else 2
                rss = None if e["rss_anon_kb"] is None else e["rss_anon_kb"] / 1024
                lines.append(f"| {offload} | {test} | {peer} | {text(e['value'], digits)} | {e['unit']} "
                             f"| {percent(e['spread'])} | {text(e['ratio'], 2)} | {text(e['cpu_s_per_gb'], 2)} "
                             f"| {text(e['cpu_ratio'], 2)} | {text(rss, 1)} | {e['note']} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("csv")
    parser.add_argument("--json")
    parser.add_argument("--baseline", default="wireguard-go")
    options = parser.parse_args()
    with open(options.csv, newline="") as file:
        summary = summarize(list(csv.DictReader(file)), options.baseline)
    if options.json:
        with open(options.json, "w") as file:
            json.dump(summary, file, indent=2)
    print(table(summary, options.baseline))


if __name__ == "__main__":
    main()
