#!/usr/bin/env python3
"""Measures tunnels between two namespaces, interleaved; run.sh builds what it needs and calls it.

    host A ── cable (veth) ── host B          a tunnel's device at each end

For each peer of the comparison a driver (drivers/*.sh up|down) makes the tunnel. It is given, in its
environment: HOST_A HOST_B (namespaces), CABLE (the interface of both), UNDERLAY_A UNDERLAY_B TUNNEL_A
TUNNEL_B (addresses), TUNNEL_IF_A TUNNEL_IF_B, MTU and WORK (a directory). It writes the devices' pids
to $WORK/pids and the address to measure towards to $WORK/target.

Rounds are outermost, so that the neighbours of a shared machine disturb all peers alike.
"""
import argparse
import csv
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

import summary

HERE = pathlib.Path(__file__).resolve().parent
BIN = pathlib.Path(os.environ.get("ADIT_BIN", HERE.parents[1] / "build/bin"))
CABLE = "cable"
UNDERLAY = {"A": "10.55.0.1", "B": "10.55.0.2"}
TUNNEL = {"A": "10.56.0.1", "B": "10.56.0.2"}
COLUMNS = ["round", "offload", "mtu", "peer", "test", "value", "unit", "gbytes", "cpu_s",
           "cpu_s_per_gb", "machine_cpu_s", "rss_anon_kb", "note"]
TICK = os.sysconf("SC_CLK_TCK")
# name: driver and its environment
PEERS = {
    "raw": ("raw", {}),
    "wireguard-go": ("wireguard", {"DEVICE": "wireguard-go -f"}),
    "adit": ("wireguard", {"DEVICE": f"{BIN}/adit-wireguard --foreground"}),
}


def cpu_of(pid):
    """User and system seconds of a process."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def machine_cpu():
    """Seconds all processors were busy: user, nice, system, irq, softirq."""
    fields = pathlib.Path("/proc/stat").read_text().split("\n")[0].split()
    return sum(int(fields[i]) for i in (1, 2, 3, 6, 7)) / TICK


def rss_anon_of(pid):
    match = re.search(r"RssAnon:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())
    return int(match.group(1)) if match else 0


class Cable:
    """The two hosts; gone with the object."""

    def __init__(self, offload):
        self.hosts = {side: f"adb{os.getpid() % 100000}{side.lower()}" for side in "AB"}
        try:
            self.lay(offload)
        except BaseException:
            self.close()
            raise

    def lay(self, offload):
        for host in self.hosts.values():
            run("ip", "netns", "add", host)
        run("ip", "-n", self.hosts["A"], "link", "add", CABLE, "type", "veth", "peer", "name", CABLE,
            "netns", self.hosts["B"])
        for side, host in self.hosts.items():
            run("ip", "-n", host, "link", "set", "lo", "up")
            run("ip", "-n", host, "addr", "add", f"{UNDERLAY[side]}/24", "dev", CABLE)
            run("ip", "-n", host, "link", "set", CABLE, "up")
            if offload == "off":
                # The kernel cuts every train into wire packets, as for a card without segmentation.
                self.exec(side, "ethtool", "-K", CABLE, "tx-udp-segmentation", "off", "tso", "off",
                          "gso", "off", "gro", "off")

    def exec(self, side, *argv, check=True, timeout=120):
        return run("ip", "netns", "exec", self.hosts[side], *argv, check=check, timeout=timeout)

    def start(self, side, *argv):
        return subprocess.Popen(["ip", "netns", "exec", self.hosts[side], *map(str, argv)],
                                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL)

    def close(self):
        for host in self.hosts.values():
            run("ip", "netns", "del", host, check=False)


def run(*argv, check=True, timeout=120, env=None):
    result = subprocess.run([str(a) for a in argv], capture_output=True, text=True, timeout=timeout,
                            env=env)
    if check and result.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, argv))}: exit {result.returncode}\n"
                           f"{result.stdout}{result.stderr}")
    return result


class Tunnel:
    """One peer of the comparison on a cable of its own; a context."""

    def __init__(self, peer, offload, options):
        self.options = options
        self.driver, extra = PEERS[peer]
        self.cable = Cable(offload)
        self.work = tempfile.TemporaryDirectory(prefix="adit-bench-")
        tag = os.getpid() % 10000
        self.env = {**os.environ, **extra, "CABLE": CABLE, "MTU": str(options.mtu),
                    "WORK": self.work.name, "TUNNEL_IF_A": f"adb{tag}a", "TUNNEL_IF_B": f"adb{tag}b"}
        for side in "AB":
            self.env[f"HOST_{side}"] = self.cable.hosts[side]
            self.env[f"UNDERLAY_{side}"] = UNDERLAY[side]
            self.env[f"TUNNEL_{side}"] = TUNNEL[side]

    def __enter__(self):
        try:
            self.drive("up")
            work = pathlib.Path(self.work.name)
            self.pids = [int(p) for p in (work / "pids").read_text().split()]
            self.target = (work / "target").read_text().strip()
            self.wait_until_it_carries()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        try:
            self.drive("down")
        finally:
            self.cable.close()
            self.work.cleanup()

    def drive(self, verb):
        # To a file: a device that stays holds its standard output, and a pipe would never end.
        log = pathlib.Path(self.work.name) / "driver.log"
        with open(log, "w") as out:
            code = subprocess.run([HERE / f"drivers/{self.driver}.sh", verb], env=self.env, stdout=out,
                                  stderr=out, stdin=subprocess.DEVNULL, timeout=60).returncode
        if code != 0 and verb == "up":
            raise RuntimeError(f"drivers/{self.driver}.sh up: {log.read_text()}")

    def wait_until_it_carries(self):
        for _ in range(50):
            if self.cable.exec("A", "ping", "-q", "-c1", "-W1", self.target,
                               check=False).returncode == 0:
                return
        raise RuntimeError("nothing passes through the tunnel")

    # --- tests: each returns (value, unit, gigabytes)
    def tcp(self, flows):
        with self.iperf_server():
            result = self.cable.exec("A", "iperf3", "-c", self.target, "-t", self.options.seconds,
                                     "-P", flows, "-J", timeout=self.options.seconds + 30)
        received = json.loads(result.stdout)["end"]["sum_received"]
        return received["bits_per_second"] / 1e9, "Gbit/s", received["bytes"] / 1e9

    def udp(self, size):
        result = run(BIN / "adit_udp_pps", self.cable.hosts["A"], self.cable.hosts["B"], self.target,
                     size, self.options.udp_seconds)
        rate, _, limit = result.stdout.split()
        # The sender, not the path, was the limit: a floor of what the path carries.
        self.note = "sender-bound" if limit == "sender" else ""
        return float(rate), "1/s", None

    def ping(self, under_load):
        seconds = self.options.seconds
        if not under_load:
            return self.ping_average(seconds), "ms", None
        with self.iperf_server():
            client = self.cable.start("A", "iperf3", "-c", self.target, "-t", seconds + 2)
            time.sleep(1)
            average = self.ping_average(seconds)
            client.wait(30)
        return average, "ms", None

    def ping_average(self, seconds):
        out = self.cable.exec("A", "ping", "-q", "-i", "0.02", "-w", seconds, self.target).stdout
        return float(re.search(r"= [\d.]+/([\d.]+)/", out).group(1))

    def iperf_server(self):
        return IperfServer(self.cable, self.target)


class IperfServer:
    """Serves one client; a context."""

    def __init__(self, cable, address):
        self.cable, self.address = cable, address

    def __enter__(self):
        self.process = self.cable.start("B", "iperf3", "-s", "-1", "-B", self.address)
        listening = f"{self.address}:5201"
        for _ in range(200):
            if listening in self.cable.exec("B", "ss", "-Hltn").stdout:
                return self
            time.sleep(0.02)
        raise RuntimeError("iperf3 -s does not listen")

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(10)


TESTS = {
    "tcp1": lambda t: t.tcp(1),
    "tcp4": lambda t: t.tcp(4),
    "udp1200": lambda t: t.udp(1200),
    "udp64": lambda t: t.udp(64),
    "ping": lambda t: t.ping(False),
    "ping-load": lambda t: t.ping(True),
}


def measure(tunnel, test):
    """A row without its labels."""
    cpu, machine = sum(map(cpu_of, tunnel.pids)), machine_cpu()
    tunnel.note = ""
    value, unit, gbytes = TESTS[test](tunnel)
    cpu, machine = sum(map(cpu_of, tunnel.pids)) - cpu, machine_cpu() - machine
    return {"value": round(value, 4), "unit": unit, "gbytes": gbytes and round(gbytes, 4),
            "cpu_s": round(cpu, 2), "machine_cpu_s": round(machine, 2),
            "cpu_s_per_gb": round(cpu / gbytes, 3) if gbytes and tunnel.pids else None,
            "rss_anon_kb": max(map(rss_anon_of, tunnel.pids), default=None), "note": tunnel.note}


def describe(row):
    text = f"{row['value']:.0f} {row['unit']}" if row["unit"] == "1/s" else f"{row['value']:.3f} {row['unit']}"
    if row["cpu_s_per_gb"] is not None:
        text += f", {row['cpu_s_per_gb']:.2f} CPU s/GB"
    if row["rss_anon_kb"] is not None:
        text += f", RssAnon {row['rss_anon_kb'] / 1024:.1f} MB"
    return f"{text}, {row['note']}" if row["note"] else text


def rounds(options, write):
    for number in range(1, options.rounds + 1):
        for offload in options.offload:
            for peer in options.peers:
                label = f"round {number}/{options.rounds}, offload {offload}, {peer}"
                with Tunnel(peer, offload, options) as tunnel:
                    for test in options.tests:
                        row = measure(tunnel, test)
                        print(f"{label}, {test}: {describe(row)}", flush=True)
                        write({"round": number, "offload": offload, "mtu": options.mtu, "peer": peer,
                               "test": test, **row})


def words(known):
    def parse(text):
        chosen = text.split(",")
        unknown = [w for w in chosen if w not in known]
        if unknown:
            raise argparse.ArgumentTypeError(f"{unknown[0]}: expected some of {','.join(known)}")
        return chosen
    return parse


def device(text):
    name, separator, command = text.partition("=")
    if not (name and separator and command):
        raise argparse.ArgumentTypeError(f"{text}: expected NAME=COMMAND")
    return name, command


def main():
    parser = argparse.ArgumentParser(prog="tests/bench/run.sh", description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=5, help="of each TCP and ping test")
    parser.add_argument("--udp-seconds", type=float, default=1, help="of each trial of a packet rate")
    parser.add_argument("--mtu", type=int, default=1420)
    parser.add_argument("--device", type=device, action="append", default=[], metavar="NAME=COMMAND",
                        help="one more peer: a command that takes the interface's name, stays in the "
                             "foreground and is configured by wg, as 'current=/opt/wireguard-go -f'")
    parser.add_argument("--peers", help="some of them, comma-separated (all)")
    parser.add_argument("--baseline", default="wireguard-go", help="the peer that ratios are to")
    parser.add_argument("--tests", type=words(list(TESTS)), default=list(TESTS))
    parser.add_argument("--offload", type=words(["on", "off"]), default=["on", "off"],
                        help="segmentation offload of the cable")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("bench.csv"),
                        help="rows; the medians go beside it as .json")
    options = parser.parse_args()
    PEERS.update({name: ("wireguard", {"DEVICE": command}) for name, command in options.device})
    try:
        options.peers = words(list(PEERS))(options.peers or ",".join(PEERS))
    except argparse.ArgumentTypeError as error:
        parser.error(f"--peers: {error}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # through the contexts, which tidy up
    print(f"load of this machine before: {os.getloadavg()[0]:.2f} on {os.cpu_count()} processors")
    rows = []
    with open(options.out, "w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()

        def write(row):
            writer.writerow(row)
            file.flush()
            rows.append({k: "" if v is None else v for k, v in row.items()})
        rounds(options, write)
    medians = summary.summarize(rows, options.baseline)
    options.out.with_suffix(".json").write_text(json.dumps(medians, indent=2) + "\n")
    print(f"\n{summary.table(medians, options.baseline)}\n\nrows in {options.out}, medians in {options.out.with_suffix('.json')}")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
    except (RuntimeError, OSError, subprocess.SubprocessError) as error:
        sys.exit(f"bench: {error}")
