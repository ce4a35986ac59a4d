#!/usr/bin/env python3
"""kill -9 of the control plane under iperf3 at 300 Mbit/s and 1,000 sequence-numbered packets a
second: none lost, and after its restart nothing is torn down. The same run without the kill is
shown beside it."""
import json
import os
import pathlib
import time

from gateway_lab import WIKI, GatewayLab
from lab import check, main, wait_until

PROBE = pathlib.Path(__file__).resolve().parent / "probe.py"
SECONDS = int(os.environ.get("ADIT_KILL_SECONDS", "60"))


def run_traffic(net, name, during):
    record = net.lab.dir / f"{name}.txt"
    receiver = net.wiki.start("receiver", "python3", PROBE, "receive", WIKI, 9000, record)
    server = net.wiki.start("iperf3", "iperf3", "-s", "-1", "-B", WIKI)
    wait_until("the receiver", lambda: net.wiki.run("ss", "-Hlun", "sport", "=", "9000").stdout)
    wait_until("iperf3", lambda: net.wiki.run("ss", "-Hltn", "sport", "=", "5201").stdout)
    iperf = net.clients[0].start("iperf3c", "iperf3", "-c", WIKI, "-b", "300M", "-t", SECONDS, "-J")
    probe = net.clients[0].start("probe", "python3", PROBE, "send", WIKI, 9000, 1000, SECONDS)
    during()
    probe.popen.wait(SECONDS + 30)
    iperf.popen.wait(SECONDS + 30)
    time.sleep(1.5)
    receiver.stop()
    server.stop()
    sent, refused = map(int, probe.text().split()[:2])
    numbers = [int(line.split()[0]) for line in record.read_text().splitlines()]
    end = json.loads(iperf.text())["end"]
    lost = sent - len(set(numbers))
    print(f"{name}: {sent} sent, {lost} lost, {len(numbers) - len(set(numbers))} duplicated, "
          f"{refused} refused locally, iperf3 {end['sum_received']['bits_per_second'] / 1e6:.0f} "
          f"Mbit/s, {end['sum_sent']['retransmits']} retransmits", flush=True)
    return lost


def body(lab):
    net = GatewayLab(lab)
    # wireguard-go is near its limit at this rate, and the programs that start beside it take the
    # processor for a while: the client's own queue is not to be what overflows.
    net.clients[0].run("ip", "link", "set", net.devices[0].interface, "txqueuelen", 10000)
    handshake = net.devices[0].wg("show", net.devices[0].interface, "latest-handshakes").stdout

    def nothing():
        pass

    def kill_and_restart():
        time.sleep(SECONDS * 0.3)
        net.pair.controlplane.kill()
        time.sleep(SECONDS * 0.3)
        net.pair.start_controlplane()

    lost_without = run_traffic(net, "without the kill", nothing)
    lost_with = run_traffic(net, "with the kill", kill_and_restart)
    check(lost_with == 0, f"{lost_with} packets lost ({lost_without} without the kill)")
    wait_until("the gateway's return", lambda: net.pair.node("gw")["state"] == "CONNECTED")
    check(net.clients[0].can_ping(WIKI), "no ping after the restart")
    after = net.devices[0].wg("show", net.devices[0].interface, "latest-handshakes").stdout
    if SECONDS < 50:
        check(handshake == after, "the session was torn down")


main("controlplane-kill", body)
