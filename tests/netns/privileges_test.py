#!/usr/bin/env python3
"""What the two processes may do, read from /proc."""
import pathlib

from gateway_lab import GatewayLab
from lab import BIN, CONTROLPLANE_UID, DATAPLANE_UID, check, main
from proc_status import CAP_NET_ADMIN, expect_caps, expect_ids, expect_not_dumpable

def main_pid(process):
    """`ip netns exec` execs, setpriv execs: the pid is the program's."""
    name = pathlib.Path(f"/proc/{process.pid}/comm").read_text().strip()
    check(name.startswith("adit-"), f"pid {process.pid} is {name}")
    return process.pid


def body(lab):
    net = GatewayLab(lab)
    dataplane, controlplane = main_pid(net.dataplane), main_pid(net.pair.controlplane)
    for pid, uid in ((dataplane, DATAPLANE_UID), (controlplane, CONTROLPLANE_UID)):
        expect_ids(pid, uid, CONTROLPLANE_UID)
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
