"""What a process may do, read from /proc."""
import os
import pathlib

from lab import check

CAP_NET_ADMIN = 1 << 12


def status_of(pid):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)


def expect_ids(pid, uid, gid):
    status = status_of(pid)
    for field, wanted in (("Uid", uid), ("Gid", gid)):
        check(status[field].split() == [str(wanted)] * 4, f"{pid} {field} {status[field]}")


def expect_caps(pid, wanted):
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        status = status_of(f"{pid}/task/{task.name}")
        for field in ("CapPrm", "CapEff"):
            check(int(status[field], 16) == wanted, f"{pid}/{task.name} {field} {status[field]}")
        for field in ("CapInh", "CapAmb"):
            check(int(status[field], 16) & ~wanted == 0, f"{pid} {field} {status[field]}")
        check(int(status["CapBnd"], 16) & ~wanted == 0 or wanted == 0, f"{pid} bounding set {status['CapBnd']}")
        check(status["NoNewPrivs"].strip() == "1", f"{pid} NoNewPrivs")


def expect_not_dumpable(pid):
    # Files of a process that is not dumpable belong to root, whatever its uid.
    check(os.stat(f"/proc/{pid}/environ").st_uid == 0, f"{pid} is dumpable")
