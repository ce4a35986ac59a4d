#!/usr/bin/env python3
"""Compares two runs of adit_bench, as of two commits.

    adit_bench --benchmark_out=old.json --benchmark_out_format=json --benchmark_repetitions=5
    compare.py old.json new.json [--threshold 0.05]

One line a benchmark: new time / old time, slowest first; changes over the threshold are marked. The
time is the shortest processor time of a benchmark's repetitions: on a shared machine the neighbours
only ever add to it. Per item where the benchmark counts items. Exits 7 when a benchmark is slower by
more than the threshold, 2 when a file cannot be compared.

    compare.py --smoke PROGRAM      runs each benchmark of a program briefly; exits 7 when one reports
                                    an error
"""
import argparse
import json
import subprocess
import sys

UNITS = {"ns": 1.0, "us": 1e3, "ms": 1e6, "s": 1e9}


class Unusable(Exception):
    """What was given is no result of Google Benchmark, or of benchmarks that failed."""


def times_of(result, source):
    """{benchmark: the shortest ns an item} of Google Benchmark's JSON."""
    times = {}
    try:
        for run in result["benchmarks"]:
            if run.get("run_type", "iteration") != "iteration":
                continue  # means and medians of the repetitions
            name = run.get("run_name", run["name"])
            if run.get("error_occurred"):
                raise Unusable(f"{source}: {name} failed: {run.get('error_message', '')}")
            if "items_per_second" in run:
                time = 1e9 / run["items_per_second"]
            else:
                time = run["cpu_time"] * UNITS[run["time_unit"]]
            times[name] = min(time, times.get(name, time))
    except (KeyError, TypeError, AttributeError, ZeroDivisionError) as error:
        raise Unusable(f"{source}: not Google Benchmark's JSON: {error!r}") from error
    if not times:
        raise Unusable(f"{source}: no benchmark in it")
    return times


def compare(old, new):
    """[(new / old, benchmark, old, new)], the greatest ratio first, of what both have."""
    rows = [(new[name] / old[name], name, old[name], new[name]) for name in old.keys() & new.keys()]
    return sorted(rows, key=lambda row: (-row[0], row[1]))


def report(old, new, threshold, out):
    """Writes the table; True when nothing is slower by more than the threshold."""
    rows = compare(old, new)
    for ratio, name, before, after in rows:
        mark = " "
        if ratio > 1 + threshold:
            mark = "!"
        elif ratio < 1 / (1 + threshold):
            mark = "+"
        out.write(f"{mark} {ratio:6.3f}  {before:12.1f} -> {after:12.1f} ns  {name}\n")
    for name in sorted(old.keys() - new.keys()):
        out.write(f"? only in the old: {name}\n")
    for name in sorted(new.keys() - old.keys()):
        out.write(f"? only in the new: {name}\n")
    slower = sum(1 for row in rows if row[0] > 1 + threshold)
    out.write(f"{len(rows)} compared, {slower} slower by more than {threshold:.0%}\n")
    if not rows:
        raise Unusable("the runs have no benchmark in common")
    return slower == 0


def load(path):
    try:
        with open(path, encoding="utf-8") as file:
            return times_of(json.load(file), path)
    except (OSError, ValueError) as error:
        raise Unusable(f"{path}: {error}") from error


def smoke(program):
    """Each benchmark of the program for as few rounds as there are."""
    done = subprocess.run([program, "--benchmark_min_time=0", "--benchmark_format=json"],
                          check=False, stdout=subprocess.PIPE)
    if done.returncode != 0:
        print(f"{program}: exit code {done.returncode}")
        return False
    runs = json.loads(done.stdout)["benchmarks"]
    failed = [run for run in runs if run.get("error_occurred")]
    for run in failed:
        print(f"{run['name']}: {run.get('error_message', 'failed')}")
    print(f"{len(runs)} benchmarks ran, {len(failed)} failed")
    return bool(runs) and not failed


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", metavar="OLD.json NEW.json")
    parser.add_argument("--threshold", type=float, default=0.05, metavar="0.05",
                        help="relative change that is marked")
    parser.add_argument("--smoke", metavar="PROGRAM")
    options = parser.parse_args(arguments)
    if options.smoke:
        return 0 if smoke(options.smoke) else 7
    if len(options.files) != 2 or options.threshold < 0:
        parser.error("two files, and a threshold of 0 or more")
    try:
        old, new = (load(path) for path in options.files)
        return 0 if report(old, new, options.threshold, sys.stdout) else 7
    except Unusable as error:
        print(f"compare.py: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
