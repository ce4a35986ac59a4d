#!/usr/bin/env python3
"""The TUN's queue runs over: the device stands still for half a second under traffic; its uplink is choked
to a third of what is offered. Every packet that is missing is one that the kernel counts as dropped in
front of the device, or one that the device counts, and what comes is in order. Then the device has more to
do than it can: a packet waits at most 20 ms (p99), since the queue in front is no longer than that."""
import json
import os
import signal
import time

from lab import check, main, wait_until
from underlay_test import MILLISECOND, Probe, choke, connect, statistics, tunnel_address

QUEUE = 1000  # what a device sets; the lab's devices have a longer one, for other tests


def dropped_in_front(host, device):
    link = json.loads(host.run("ip", "-s", "-j", "link", "show", device.interface).stdout)[0]
    return link["stats64"]["tx"]["dropped"]


def account(what, near, ours, theirs, probes):
    """Ends the devices. Every missing packet is counted once, and there are some."""
    for probe in probes:
        probe.finish()
    lost = sum(probe.lost for probe in probes)
    in_front = dropped_in_front(near, ours)
    drops, drops_there = statistics(ours)[1], statistics(theirs)[1]
    counted = in_front + sum(drops.values()) + sum(drops_there.values())
    print(f"{what}: of {sum(probe.sent for probe in probes)} packets {lost} lost; {in_front} dropped in front of the "
          f"device, {drops} by it, {drops_there} by the peer's", flush=True)
    check(in_front > 0, "nothing ran over: the test shows nothing")
    check(lost == counted, f"{lost} packets are missing, {counted} are counted")
    for probe in probes:
        check(probe.reordered == probe.duplicated == 0,
              f"{probe.reordered} packets out of order, {probe.duplicated} twice")


def fresh(lab, name):
    near = lab.host(name)
    ours, far, theirs = connect(lab, near, (4,))
    near.run("ip", "link", "set", ours.interface, "txqueuelen", QUEUE)
    return near, ours, far[4], theirs[4], tunnel_address(4, 2)


def stands_still(lab):
    near, ours, peer, theirs, address = fresh(lab, "still")
    probe = Probe(lab, near, peer, address, 10000, 3)
    for device in (ours, theirs):  # the peer's socket holds what comes meanwhile
        time.sleep(0.7)
        os.kill(device.process.pid, signal.SIGSTOP)
        time.sleep(0.5)
        os.kill(device.process.pid, signal.SIGCONT)
    probe.wait(15)
    wait_until("the queues to drain", lambda: near.can_ping(address), 10)
    account("still for half a second", near, ours, theirs, [probe])


def choked(lab):
    near, ours, peer, theirs, address = fresh(lab, "slow")
    choke(near, "link4", "20mbit")
    probe = Probe(lab, near, peer, address, 6000, 3, 1, 1200, 64, 700, 1300, 1390)
    probe.wait(15)
    # No ping before: it would be one more packet to be dropped.
    wait_until("the queues to drain", lambda: json.loads(near.run(
        "tc", "-s", "-j", "qdisc", "show", "dev", "link4").stdout)[0]["backlog"] == 0, 30)
    wait_until("what is behind them", lambda: near.can_ping(address), 10)
    qdisc = json.loads(near.run("tc", "-s", "-j", "qdisc", "show", "dev", "link4").stdout)[0]
    check(qdisc["drops"] == 0, f"{qdisc['drops']} drops behind the device: the test shows nothing")
    account("choked to a third", near, ours, theirs, [probe])


def saturated(lab):
    near, ours, peer, theirs, address = fresh(lab, "busy")
    probe = Probe(lab, near, peer, address, 500, 4)
    server = peer.start("iperf3", "iperf3", "-s", "-B", address)
    wait_until("iperf3", lambda: peer.run("ss", "-Hltn", "sport", "=", "5201").stdout)
    flood = near.start("flood", "iperf3", "-c", address, "-u", "-b", "0", "-l", "1200", "-t", "5")
    probe.wait(15)
    flood.popen.wait(15)
    server.stop()
    wait_until("the queues to drain", lambda: near.can_ping(address), 10)
    in_front = dropped_in_front(near, ours)
    probe.finish()
    waits = sorted(received - sent for _, sent, received in probe.received)
    p50, p99 = (waits[len(waits) * share // 100] / MILLISECOND for share in (50, 99))
    print(f"more than it can do: {in_front} packets dropped in front of the device; half of the probe's packets came "
          f"within {p50:.1f} ms, 99 % within {p99:.1f} ms, {probe.lost} of {probe.sent} not", flush=True)
    check(in_front > 1000, "it was not saturated: the test shows nothing")
    check(probe.reordered == probe.duplicated == 0, "out of order, or twice")
    check(p99 < 20, f"packets wait for {p99:.1f} ms")


def body(lab):
    stands_still(lab)
    choked(lab)
    saturated(lab)


main("tun-overflow", body)
