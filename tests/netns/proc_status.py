"""What a process may do and what it takes, read from /proc."""
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


def cpu_seconds(pid):
    """User and system time of all its threads."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def wake_ups(pid):
    """How often its threads have slept, in all."""
    return sum(int(status_of(f"{pid}/task/{task.name}")["voluntary_ctxt_switches"])
               for task in pathlib.Path(f"/proc/{pid}/task").iterdir())


def rss_anon_kb(pid):
    return int(status_of(pid)["RssAnon"].split()[0])
