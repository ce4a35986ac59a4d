#!/usr/bin/env python3
"""Fails on any #include that .ci/layers.txt does not allow; tests may include what they test."""
import pathlib
import re
import sys

top = pathlib.Path(__file__).resolve().parent.parent
OURS = ("common/", "dataplane/", "controlplane/")
THIRD_PARTY = ("absl", "fmt", "spdlog", "openssl", "CLI", "yaml-cpp", "grpc", "grpcpp", "google",
               "libmnl", "nftables", "nlohmann", "sodium.h", "sqlite3.h", "intel-ipsec-mb.h",
               "qrencode.h", "seccomp.h", "gtest", "gmock", "benchmark")

rules = {}
for line in (top / ".ci/layers.txt").read_text().splitlines():
    if line and not line.startswith("#"):
        folder, _, allowed = line.partition(":")
        rules[folder] = allowed.split()


def folder_of(path):
    """The longest folder of the table that holds the path."""
    parts = path.split("/")
    for end in range(len(parts) - 1, 0, -1):
        if "/".join(parts[:end]) in rules:
            return "/".join(parts[:end])
    return None


def is_allowed(include, own, allowed):
    if include.startswith(OURS):
        target = folder_of(include)
        return (target == own or target in allowed or include in allowed
                or any(a.endswith("/*") and include.startswith(a[:-1]) for a in allowed))
    if include.startswith("adit/"):
        return "proto" in allowed
    first = include.split("/")[0]
    if first in THIRD_PARTY:
        return f"<{first}>" in allowed
    return not include.startswith("tests/")


bad = []
for pattern in ("common/**/*", "dataplane/**/*", "controlplane/**/*"):
    for path in sorted(top.glob(pattern)):
        if path.suffix not in (".cc", ".h"):
            continue
        name = str(path.relative_to(top))
        own = folder_of(name)
        if own is None:
            bad.append(f"{name}: its folder is not in .ci/layers.txt")
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            match = re.match(r'\s*#\s*include\s*[<"]([^>"]+)[>"]', line)
            if match and not is_allowed(match.group(1), own, rules[own]):
                bad.append(f"{name}:{number}: {own} may not include {match.group(1)}")
for path in [*top.glob("**/*.cc"), *top.glob("**/*.h")]:
    name = str(path.relative_to(top))
    if not name.startswith("build") and len(path.read_text().splitlines()) > 600:
        bad.append(f"{name}: longer than 600 lines")
print("\n".join(bad) or "layers: every include is allowed")
sys.exit(1 if bad else 0)
