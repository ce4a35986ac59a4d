#!/usr/bin/env python3
"""Both programs with 10,000 peers and 40,000 prefixes: a data plane that has nothing holds all of it
within two seconds of its Hello, a change to one peer is acknowledged within five milliseconds, and
while nothing passes it takes next to nothing of a processor."""
import statistics
import time

from lab import BIN, Pair, check, main, wait_until
from proc_status import cpu_seconds

PEERS, RESOURCES, CIDRS = 10_000, 100, 200  # and two addresses a peer: 40,000 prefixes
SNAPSHOT_SECONDS, DELTA_MS, CHANGES = 2.0, 5.0, 500
IDLE_SECONDS, IDLE_SHARE = 10, 0.005


class Network:
    def __init__(self, lab):
        self.lab, self.host = lab, lab.host("gw")
        lab.veth(self.host, lab.host("lan"), "lan0")  # where the resources are
        self.host.address("lan0", "10.0.0.1/8")
        self.pair = Pair(lab, self.host)
        self.pair.start_controlplane()
        self.start_dataplane()
        self.pair.dataplanes["gw"].stop()
        print(f"filled through the API in {self.tool('fill', 'gw', PEERS, RESOURCES, CIDRS).strip()} s")

    def tool(self, *argv):
        return self.host.run(BIN / "adit_many_peers", f"unix:{self.pair.sockets}/admin.sock", *argv,
                             timeout=120).stdout

    def start_dataplane(self, **kwargs):
        return self.pair.start_dataplane(self.host, "gw", advertise="203.0.113.2:51820", **kwargs)

    def wait_settled(self, what, began):
        """Seconds since `began` until the hub has the acknowledgement, and its own measure of it."""
        node = {}

        def is_settled():
            node.update(self.pair.node("gw"))
            return node["state"] == "CONNECTED" and node["appliedRevision"] == node["currentRevision"]
        wait_until(what, is_settled, 30, interval=0.02)
        return time.monotonic() - began, int(node.get("lastUpdateNs", 0)) / 1e9

    def forget(self):
        """The data plane has only its key left."""
        state = self.lab.dir / "state-gw"
        for file in state.iterdir():
            if file.name != "private.key" and file.name != "lock":
                file.unlink()


def body(lab):
    net = Network(lab)
    pair = net.pair

    def expect_snapshot(what, began):
        whole, took = net.wait_settled(what, began)
        print(f"{what}: {took * 1e3:.0f} ms from Hello to acknowledgement, {whole * 1e3:.0f} ms in all")
        check(0 < took < SNAPSHOT_SECONDS, f"{what}: {took:.2f} s")

    net.forget()
    began = time.monotonic()
    net.start_dataplane(wait=False)
    expect_snapshot("snapshot into an empty data plane", began)

    # What either side has is recognised.
    dataplane = pair.dataplanes["gw"]
    dataplane.kill()
    began = time.monotonic()
    net.start_dataplane(wait=False)
    print(f"data plane restarted from disk: settled in {net.wait_settled('a restart', began)[0] * 1e3:.0f} ms")
    pair.controlplane.kill()
    began = time.monotonic()
    pair.start_controlplane()
    print(f"control plane restarted: settled in {net.wait_settled('a restart', began)[0] * 1e3:.0f} ms")

    pid = pair.dataplanes["gw"].pid
    time.sleep(2)  # what the restart brought
    cpu = cpu_seconds(pid)
    time.sleep(IDLE_SECONDS)
    share = (cpu_seconds(pid) - cpu) / IDLE_SECONDS
    print(f"data plane while nothing passes: {share * 100:.2f} % of a core")
    check(share < IDLE_SHARE, f"{share:.4f} of a core")

    lines = net.tool("change", f"p{PEERS // 2}", CHANGES).split("\n")
    for number, (name, bar) in enumerate((("call", None), ("acknowledgement", DELTA_MS))):
        times = sorted(float(line.split()[number]) / 1e3 for line in lines if line)
        check(len(times) == CHANGES, f"{len(times)} changes")
        median, p99 = statistics.median(times), times[int(len(times) * 0.99)]
        print(f"change to one peer, {name}: median {median:.2f} ms, p99 {p99:.2f} ms, greatest {times[-1]:.2f} ms")
        check(bar is None or p99 < bar,
              f"{name}: median {median:.2f} ms, p99 {p99:.2f} ms")

    # A hub that knows nothing of a data plane that holds an older state: all of it, over what is there.
    pair.dataplanes["gw"].stop()
    pair.ctl("--timeout", "30s", "peer", "update", "p1", "--endpoint", "192.0.2.7:7", "--no-wait", check=True)
    pair.controlplane.kill()
    pair.start_controlplane()
    began = time.monotonic()
    net.start_dataplane(wait=False)
    expect_snapshot("snapshot over an older state", began)


main("many-peers", body)
