"""Hosts as network namespaces, real processes, and what tests ask of them.

Every name is unique to the test process, everything is removed at the end, and any WARN or ERROR
line of our programs that the test did not announce with Lab.expect_warning fails it.
"""
import atexit
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

BIN = pathlib.Path(os.environ.get("ADIT_BIN", pathlib.Path(__file__).resolve().parents[2] / "build/bin"))
DATAPLANE_UID = 64061
CONTROLPLANE_UID = 64062


class Failure(Exception):
    pass


def check(condition, text):
    if not condition:
        raise Failure(text)


def wait_until(what, predicate, seconds=10.0, interval=0.05):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(Failure, subprocess.SubprocessError, OSError, ValueError):
            if predicate():
                return
        time.sleep(interval)
    raise Failure(f"{what}: not within {seconds} s")


class Process:
    def __init__(self, lab, name, argv, host, log, is_ours, **kwargs):
        self.name, self.log, self.is_ours = name, log, is_ours
        self.argv = [str(a) for a in argv]
        prefix = ["ip", "netns", "exec", host.ns] if host else []
        with open(log, "ab") as out:
            self.popen = subprocess.Popen(prefix + self.argv, stdout=kwargs.pop("stdout", out),
                                          stderr=out, stdin=subprocess.DEVNULL, **kwargs)
        self.pid = self.popen.pid

    def is_running(self):
        return self.popen.poll() is None

    def stop(self, seconds=5.0):
        """SIGTERM; returns the exit status."""
        if self.is_running():
            self.popen.terminate()
        try:
            return self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
            raise Failure(f"{self.name} did not end within {seconds} s of SIGTERM")

    def kill(self):
        self.popen.kill()
        self.popen.wait()

    def text(self):
        return pathlib.Path(self.log).read_text(errors="replace")


class Host:
    def __init__(self, lab, name):
        self.lab, self.name = lab, name
        self.ns = f"{lab.prefix}-{name}"
        subprocess.run(["ip", "netns", "add", self.ns], check=True)
        self.run("ip", "link", "set", "lo", "up")

    def run(self, *argv, check=True, timeout=60, input=None, env=None):
        result = subprocess.run(["ip", "netns", "exec", self.ns, *map(str, argv)],
                                capture_output=True, text=True, timeout=timeout, input=input,
                                env={**os.environ, **env} if env else None)
        if check and result.returncode != 0:
            raise Failure(f"{self.name}: {' '.join(map(str, argv))}: exit {result.returncode}\n"
                          f"{result.stdout}{result.stderr}")
        return result

    def start(self, name, *argv, is_ours=False, **kwargs):
        return self.lab._start(name, argv, self, is_ours, **kwargs)

    def address(self, interface, *addresses):
        for address in addresses:
            nodad = ["nodad"] if ":" in address else []
            self.run("ip", "addr", "add", address, "dev", interface, *nodad)

    def can_ping(self, target, seconds=1):
        return self.run("ping", "-q", "-c", "1", "-W", str(seconds), target,
                        check=False).returncode == 0


class Lab:
    def __init__(self, test):
        self.prefix = f"at{os.getpid() % 100000}"
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix=f"adit-{test}-"))
        os.chmod(self.dir, 0o755)
        self.hosts, self.processes, self.disks = {}, [], []
        self.expected, self._links = [], 0
        atexit.register(self.close)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: sys.exit(1))

    # --- network
    def host(self, name):
        self.hosts[name] = Host(self, name)
        return self.hosts[name]

    def veth(self, a, b, name_a="eth0", name_b="eth0", mtu=1500):
        """A cable between two hosts."""
        subprocess.run(["ip", "-n", a.ns, "link", "add", name_a, "mtu", str(mtu), "type", "veth",
                        "peer", "name", name_b, "mtu", str(mtu), "netns", b.ns], check=True)
        a.run("ip", "link", "set", name_a, "up")
        b.run("ip", "link", "set", name_b, "up")

    def switch(self, *hosts, mtu=1500, interface="eth0"):
        """One Ethernet segment; returns the host that is the switch."""
        hub = self.host(f"sw{len(self.hosts)}")
        hub.run("ip", "link", "add", "br0", "mtu", mtu, "type", "bridge")
        hub.run("ip", "link", "set", "br0", "up")
        for host in hosts:
            self._links += 1
            port = f"p{self._links}"
            self.veth(hub, host, port, interface, mtu)
            hub.run("ip", "link", "set", port, "master", "br0")
        return hub

    # --- processes
    def _start(self, name, argv, host, is_ours, **kwargs):
        log = self.dir / f"{len(self.processes):02}-{name}.log"
        process = Process(self, name, argv, host, log, is_ours, **kwargs)
        self.processes.append(process)
        return process

    def expect_warning(self, pattern):
        self.expected.append(re.compile(pattern))

    def warnings(self):
        found = []
        for process in self.processes:
            if not process.is_ours:
                continue
            for line in process.text().splitlines():
                if re.search(r"\b(WARN|ERROR)\b|terminate called|Sanitizer", line):
                    if not any(p.search(line) for p in self.expected):
                        found.append(f"{process.name}: {line}")
        return found

    # --- files
    def small_disk(self, name, size, uid, gid):
        """A file system of its own at `name` in the lab's directory, to be filled up."""
        path = self.dir / name
        path.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700,uid={uid},gid={gid}",
                        "none", path], check=True)
        self.disks.append(path)
        return path

    def close(self):
        atexit.unregister(self.close)
        for process in reversed(self.processes):
            if process.is_running():
                process.popen.terminate()
        for process in self.processes:
            try:
                process.popen.wait(3)
            except subprocess.TimeoutExpired:
                process.kill()
        for host in self.hosts.values():
            subprocess.run(["ip", "netns", "del", host.ns], check=False)
        for path in self.disks:
            subprocess.run(["umount", "--lazy", path], check=False)
        if not os.environ.get("ADIT_KEEP_LOGS"):
            shutil.rmtree(self.dir, ignore_errors=True)


class WireGuardDevice:
    """A userspace device on a host, driven by `wg`: ours or wireguard-go."""

    def __init__(self, host, interface, kind, *flags, env=None):
        self.host, self.interface, self.kind = host, interface, kind
        self.name = f"{kind}-{host.name}"
        if kind == "adit":
            argv = [BIN / "adit-wireguard", "--foreground", *flags, interface]
        else:
            argv = ["env", "LOG_LEVEL=error", "wireguard-go", "-f", interface]
        self.process = host.start(self.name, *argv, is_ours=kind == "adit", env=env)
        self.socket = pathlib.Path(f"/var/run/wireguard/{interface}.sock")
        wait_until(f"{self.name}'s socket", lambda: self.wg("show", interface).returncode == 0)
        self.private_key = subprocess.run(["wg", "genkey"], capture_output=True, text=True,
                                          check=True).stdout.strip()
        self.public_key = subprocess.run(["wg", "pubkey"], input=self.private_key,
                                         capture_output=True, text=True, check=True).stdout.strip()

    def wg(self, *argv, input=None, check=False):
        return self.host.run("wg", *argv, check=check, input=input)

    def configure(self, listen_port, addresses, mtu):
        self.wg("set", self.interface, "private-key", "/dev/stdin", "listen-port", str(listen_port),
                input=self.private_key, check=True)
        self.host.address(self.interface, *addresses)
        self.host.run("ip", "link", "set", self.interface, "mtu", mtu, "up")

    def add_peer(self, public_key, allowed_ips, endpoint=None, psk=None, keepalive=None):
        argv = ["set", self.interface, "peer", public_key, "allowed-ips", allowed_ips]
        if endpoint:
            argv += ["endpoint", endpoint]
        if keepalive:
            argv += ["persistent-keepalive", str(keepalive)]
        if psk:
            argv += ["preshared-key", "/dev/stdin"]
        self.wg(*argv, input=psk, check=True)


class Pair:
    """A control plane and data planes, as an operator would run them."""

    def __init__(self, lab, hub):
        self.lab, self.hub = lab, hub
        self.sockets = lab.dir / "sock"
        self.store = lab.dir / "store"
        for path, mode in ((self.sockets, 0o750), (self.store, 0o700)):
            if not path.exists():
                path.mkdir(mode=mode)
                os.chown(path, CONTROLPLANE_UID, CONTROLPLANE_UID)
        self.controlplane = None
        self.dataplanes = {}

    def controlplane_argv(self, *extra, store=None):
        return ["setpriv", "--reuid", CONTROLPLANE_UID, "--regid", CONTROLPLANE_UID, "--clear-groups",
                BIN / "adit-controlplane", "--store", f"sqlite:{store or self.store / 'adit.db'}",
                "--admin-listen", f"unix:{self.sockets}/admin.sock",
                "--dataplane-listen", f"unix:{self.sockets}/dataplane.sock",
                "--dataplane-user", DATAPLANE_UID, "--admin-user", "0", *extra]

    def start_controlplane(self, *extra):
        self.controlplane = self.hub.start("controlplane", *self.controlplane_argv(*extra),
                                           is_ours=True)
        wait_until("the control plane", lambda: self.ctl("version").returncode == 0 and
                   (self.sockets / "dataplane.sock").exists())
        return self.controlplane

    def dataplane_argv(self, node, *extra, tun="adit0", user=f"{DATAPLANE_UID}:{CONTROLPLANE_UID}"):
        return [BIN / "adit-dataplane", "run",
                "--channel", f"unix:{self.sockets}/dataplane.sock", "--tun-name", tun,
                "--node-name", node, "--state-dir", self.lab.dir / f"state-{node}",
                "--user", user, "--controlplane-user", str(CONTROLPLANE_UID), *extra]

    def start_dataplane(self, host, node, *extra, wait=True, advertise=None, env=None, prefix=(),
                        **kwargs):
        state = self.lab.dir / f"state-{node}"
        if not state.exists():
            state.mkdir(mode=0o700)
            os.chown(state, DATAPLANE_UID, CONTROLPLANE_UID)
        argv = [*prefix, *self.dataplane_argv(node, *extra, **kwargs)]
        if advertise:
            argv += ["--advertise", advertise]
        process = host.start(f"dataplane-{node}", *argv, is_ours=True, env=env)
        self.dataplanes[node] = process
        if wait:
            wait_until(f"node {node}", lambda: self.node(node)["state"] == "CONNECTED")
        return process

    def ctl(self, *argv, check=False, timeout=30):
        return self.hub.run(BIN / "aditctl", "--server", f"unix:{self.sockets}/admin.sock", *argv,
                            check=check, timeout=timeout)

    def json(self, *argv):
        return json.loads(self.ctl("-o", "json", *argv, check=True).stdout)

    def node(self, name):
        return self.json("node", "get", name)

    def create_peer(self, name, *extra):
        """Returns the parsed wg-quick file."""
        path = self.lab.dir / f"{name}.conf"
        self.ctl("peer", "create", name, "--out", path, *extra, check=True)
        return read_wg_quick(path)


def read_wg_quick(path):
    values = {}
    for line in pathlib.Path(path).read_text().splitlines():
        match = re.match(r"\s*(\w+)\s*=\s*(.+?)\s*$", line)
        if match:
            values[match.group(1)] = match.group(2)
    return values


def split_list(text):
    return [part.strip() for part in text.split(",") if part.strip()]


def bring_up_client(device, config, listen_port=0):
    """What wg-quick does with an exported file."""
    device.private_key = config["PrivateKey"]
    device.configure(listen_port, split_list(config["Address"]), config.get("MTU", "1280"))
    device.add_peer(config["PublicKey"], config["AllowedIPs"].replace(" ", ""), config["Endpoint"],
                    config.get("PresharedKey"), config.get("PersistentKeepalive"))
    for prefix in split_list(config["AllowedIPs"]):
        device.host.run("ip", "route", "replace", prefix, "dev", device.interface)


def refused(host, argv, status, *texts, env=None):
    """It ends with the status, says all the texts on standard error, and nothing on the other."""
    result = host.run(*argv, check=False, env=env)
    command = " ".join(map(str, argv))
    check(result.returncode == status, f"{command}: exit {result.returncode}, not {status}\n{result.stderr}")
    for text in texts:
        check(str(text) in result.stderr, f"{command}: '{text}' is not in: {result.stderr}")
    check(result.stdout == "", f"{command}: stdout: {result.stdout}")
    return result.stderr


def main(test, body):
    """Runs body(lab); prints what it says and exits 0, or prints why not and the logs."""
    began = time.monotonic()
    lab = Lab(test)
    try:
        body(lab)
        found = lab.warnings()
        check(not found, "lines that would wake somebody:\n" + "\n".join(found))
    except (Failure, subprocess.SubprocessError, OSError, KeyError) as error:
        print(f"FAILED: {type(error).__name__}: {error}", flush=True)
        for process in lab.processes:
            tail = process.text().splitlines()[-25:] if pathlib.Path(process.log).exists() else []
            if tail:
                print(f"--- {process.name}: {' '.join(process.argv)}\n" + "\n".join(tail))
        lab.close()
        sys.exit(1)
    lab.close()
    print(f"passed: {test} in {time.monotonic() - began:.1f} s")
