#!/usr/bin/env python3
"""clang-tidy over common, dataplane and controlplane, with the build directory given as argument.

That build compiles each library as one file (ADIT_UNITY), so that clang reads the headers once a
library and not once a source: most of the time goes there. Libraries that include gRPC get the bugprone
and analyzer checks only, for the same reason. Without a finding it prints nothing.
"""
import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import sys

GRPC_CHECKS = ("-*,bugprone-*,-bugprone-easily-swappable-parameters,-bugprone-narrowing-conversions,"
               "-bugprone-suspicious-include,clang-analyzer-*")
# What clang 14 does not take: g++'s precompiled headers, and a flag it has under another name.
NOT_FOR_CLANG = re.compile(r" -Winvalid-pch -include \S+| -ftrivial-auto-var-init=zero")


def object_of(command):
    return re.search(r" -o (\S+)", command["command"]).group(1)


def includes_grpc(command):
    folder = pathlib.Path(object_of(command).split("/CMakeFiles/")[0])
    return any(re.search(r'#include [<"](grpc|grpcpp|google|adit)/', source.read_text())
               for source in folder.glob("*.[ch]*") if source.is_file())


def tidy(database, command):
    checks = [f"--checks={GRPC_CHECKS}"] if includes_grpc(command) else []
    result = subprocess.run(["clang-tidy-14", "-p", database, "--quiet", *checks, command["file"]],
                            capture_output=True, text=True)
    # Its standard error counts what it suppressed; only a run that failed has more to say there.
    return result.returncode, result.stdout + (result.stderr if result.returncode else "")


def main(build):
    commands = json.loads((build / "compile_commands.json").read_text())
    ours = [{**c, "command": NOT_FOR_CLANG.sub("", c["command"])} for c in commands
            if re.match(r"(common|dataplane|controlplane)/.*\.o$", object_of(c))]
    if not ours:
        sys.exit(f"tidy: {build} holds nothing to look at: configure it first")
    database = build / "tidy"
    database.mkdir(exist_ok=True)
    (database / "compile_commands.json").write_text(json.dumps(ours))
    failed = False
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for code, text in pool.map(lambda command: tidy(database, command), ours):
            failed |= code != 0
            sys.stdout.write(text)
            sys.stdout.flush()
    return 1 if failed else 0


if __name__ == "__main__":
    os.chdir(pathlib.Path(__file__).resolve().parents[1])
    sys.exit(main(pathlib.Path(sys.argv[1])))
