#!/usr/bin/env python3
"""What the two processes may do, read from /proc."""
import os
import pathlib

from gateway_lab import GatewayLab
from lab import BIN, CONTROLPLANE_UID, DATAPLANE_UID, check, main

CAP_NET_ADMIN = 1 << 12


def status_of(pid):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)


def main_pid(process):
    """`ip netns exec` execs, setpriv execs: the pid is the program's."""
    name = pathlib.Path(f"/proc/{process.pid}/comm").read_text().strip()
    check(name.startswith("adit-"), f"pid {process.pid} is {name}")
    return process.pid


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


def body(lab):
    net = GatewayLab(lab)
    dataplane, controlplane = main_pid(net.dataplane), main_pid(net.pair.controlplane)
    for pid, uid in ((dataplane, DATAPLANE_UID), (controlplane, CONTROLPLANE_UID)):
        uids = status_of(pid)["Uid"].split()
        check(uids == [str(uid)] * 4, f"{pid} runs as {uids}")
        expect_not_dumpable(pid)
        limits = pathlib.Path(f"/proc/{pid}/limits").read_text()
        core = next(line for line in limits.splitlines() if "core file" in line)
        check(core.split()[4] == "0", core)
    expect_caps(dataplane, CAP_NET_ADMIN)
    expect_caps(controlplane, 0)
    print("data plane: its own uid, CAP_NET_ADMIN only, no_new_privs, not dumpable, no core")
    print("control plane: its own uid, no capability, no_new_privs, not dumpable, no core")

    common = ["--store", f"sqlite:{lab.dir}/x.db", "--admin-listen", f"unix:{lab.dir}/a.sock",
              "--dataplane-listen", f"unix:{lab.dir}/d.sock", "--dataplane-user", DATAPLANE_UID]
    refused = net.hub.run(BIN / "adit-controlplane", *common, check=False)
    check(refused.returncode != 0 and "--allow-root" in refused.stderr, f"uid 0: {refused.stderr}")
    caps = net.hub.run("setpriv", "--reuid", CONTROLPLANE_UID, "--regid", CONTROLPLANE_UID,
                       "--clear-groups", "--inh-caps", "+net_admin", "--ambient-caps", "+net_admin",
                       BIN / "adit-controlplane", *common, check=False)
    check(caps.returncode != 0 and "capabilit" in caps.stderr, f"with a capability: {caps.stderr}")
    root = net.gateway.run(BIN / "adit-dataplane", "run", "--user", "0", "--state-dir", lab.dir / "s",
                           "--channel", "unix:/nonexistent", "--controlplane-user", "1", check=False)
    check(root.returncode != 0 and "--user" in root.stderr, f"--user 0: {root.stderr}")
    print("refused: a control plane as uid 0 or with a capability; a data plane with --user 0")


main("privileges", body)
