#!/usr/bin/env python3
"""The images and deploy/compose.yaml, run by podman and runc until a resource answers.

    client ── 203.0.113.0/24 ── host ── 10.77.1.0/24 ── wiki
                                 └ bridge ── container dataplane ══ container controlplane

The host is a namespace: podman's bridge and its firewall are in there, and go with it.
"""
import json
import os
import pathlib

from compose import Compose
from images import Podman
from lab import (CONTROLPLANE_UID, DATAPLANE_UID, WireGuardDevice, bring_up_client, check, main,
                 read_wg_quick, wait_until)
from proc_status import (CAP_NET_ADMIN, expect_caps, expect_ids, expect_not_dumpable, status_of)

WIKI = "10.77.1.10"
ADVERTISED = "203.0.113.2:51820"
NO_NEW_PRIVILEGES = ("--security-opt", "no-new-privileges")


class Deployment:
    def __init__(self, lab):
        self.lab = lab
        self.compose = Compose(lab.prefix, {"ADIT_ADVERTISE": ADVERTISED})
        self.podman = Podman(lab, self.compose)
        self.host, self.client, self.wiki = lab.host("host"), lab.host("client"), lab.host("wiki")
        lab.switch(self.host, self.client)
        self.host.address("eth0", "203.0.113.2/24")
        self.client.address("eth0", "203.0.113.3/24")
        lab.veth(self.host, self.wiki, "lan0", "eth0")
        self.host.address("lan0", "10.77.1.1/24")
        self.wiki.address("eth0", f"{WIKI}/24")

    def set_up(self):
        self.podman("network", "create", "--disable-dns", self.compose.project, host=self.host)
        for arguments in self.compose.create_volume_arguments():
            self.podman("volume", "create", *arguments)

    def container(self, service):
        return f"{self.compose.project}-{service}"

    def start(self, service, engine="docker", extra=(), without=()):
        """What `podman run` says of compose.yaml's service, by an engine's rules."""
        return self.podman.start(
            self.host, f"{service}-{engine}", "--runtime", engine, "run", "--rm",
            "--name", self.container(service), *extra,
            *self.compose.run_arguments(service, without))

    def pid(self, service):
        return self.podman.pid(self.container(service))

    def ctl(self, *argv, check=True):
        return self.podman("exec", self.container("controlplane"), "aditctl", *argv, check=check)

    def is_connected(self):
        return json.loads(self.ctl("-o", "json", "node", "get", "gateway").stdout)["state"] == "CONNECTED"


def expect_contained(pid, capabilities):
    expect_caps(pid, capabilities)
    expect_not_dumpable(pid)
    bounding = int(status_of(pid)["CapBnd"], 16)
    check(bounding == capabilities, f"{pid}'s bounding set: {bounding:x}")
    mounts = [line.split() for line in pathlib.Path(f"/proc/{pid}/mountinfo").read_text().splitlines()]
    root = next(mount for mount in mounts if mount[4] == "/")
    check("ro" in root[5].split(","), f"{pid}'s root: {root}")


def expect_dataplane(pid):
    expect_ids(pid, DATAPLANE_UID, CONTROLPLANE_UID)
    expect_contained(pid, CAP_NET_ADMIN)


def expect_controlplane(pid):
    expect_ids(pid, CONTROLPLANE_UID, CONTROLPLANE_UID)
    expect_contained(pid, 0)
    interfaces = pathlib.Path(f"/proc/{pid}/net/dev").read_text().splitlines()[2:]
    check([line.split(":")[0].strip() for line in interfaces] == ["lo"], f"networks: {interfaces}")


def is_refused(client):
    """The tunnel is there, and the gateway says no."""
    ping = client.run("ping", "-c", "1", "-W", "2", WIKI, check=False)
    return ping.returncode != 0 and "Packet filtered" in ping.stdout


def expect_refusals(net):
    """Whatever keeps the capability away is said; nothing of it is half there."""
    for engine, extra, without, said in (
            ("podman", (), ("cap_add",), "--cap-add NET_ADMIN"),
            ("docker", NO_NEW_PRIVILEGES, (), "start it without no-new-privileges"),
            ("podman", (), ("devices",), "--device /dev/net/tun")):
        process = net.start("dataplane", engine, extra, without)
        process.popen.wait(20)
        check(process.popen.returncode == 1 and said in process.text(),
              f"without {without}, {extra}: exit {process.popen.returncode}, {process.text()}")
        print(f"refused by {engine} {' '.join(extra)} without {without}: {process.text().strip()}")


def body(lab):
    net = Deployment(lab)
    try:
        run(lab, net)
    finally:
        left = net.podman.clean()
    check(not left, f"left behind:\n{left}")


def run(lab, net):
    net.podman.build()
    net.set_up()
    controlplane = net.start("controlplane")
    wait_until("the control plane", lambda: net.ctl("version").returncode == 0, 20)
    dataplane = net.start("dataplane")
    wait_until("the gateway's registration", net.is_connected, 20)
    expect_dataplane(net.pid("dataplane"))
    expect_controlplane(net.pid("controlplane"))
    print("the data plane: own uid, CAP_NET_ADMIN, root read-only; the control plane: nothing, no network")

    net.ctl("resource", "create", "wiki", "--cidr", f"{WIKI}/32", "--node", "gateway", "--allow", "icmp")
    exported = lab.dir / "alice.conf"
    exported.write_text(net.ctl("peer", "create", "alice", "--out", "-").stdout)
    device = WireGuardDevice(net.client, f"ic{os.getpid() % 10000}", "wireguard-go")
    bring_up_client(device, read_wg_quick(exported))
    wait_until("the gateway's refusal", lambda: is_refused(net.client))
    net.ctl("policy", "create", "readers", "--peer", "alice", "--resource", "wiki")
    wait_until("the wiki's answer", lambda: net.client.can_ping(WIKI))
    net.ctl("policy", "disable", "readers")
    check(is_refused(net.client), "no refusal after the policy was disabled")
    net.ctl("policy", "enable", "readers")
    check(net.client.can_ping(WIKI), "the wiki does not answer after the policy was enabled")
    print("refused, allowed, revoked, allowed")

    net.podman("healthcheck", "run", net.container("controlplane"))
    status = net.ctl("status").stdout
    check("sysctl" not in status, f"the container's settings are not enough:\n{status}")

    # A container of another engine takes over, with the volume: same key, same client.
    for engine in ("kubernetes", "podman"):
        check(dataplane.stop(20) == 0, f"the data plane's exit: {dataplane.popen.returncode}")
        dataplane = net.start("dataplane", engine, NO_NEW_PRIVILEGES)
        wait_until("the wiki's answer", lambda: net.client.can_ping(WIKI), 20)
        wait_until("the gateway", net.is_connected)
        expect_dataplane(net.pid("dataplane"))
        print(f"replaced by one with {engine}'s capabilities and no-new-privileges: the wiki answers")

    check(dataplane.stop(20) == 0, f"the data plane's exit: {dataplane.popen.returncode}")
    check(controlplane.stop(20) == 0, f"the control plane's exit: {controlplane.popen.returncode}")
    expect_refusals(net)


main("containers", body)
