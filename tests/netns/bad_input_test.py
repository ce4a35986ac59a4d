#!/usr/bin/env python3
"""Both programs and aditctl where they cannot work: each time a clear error that says what to do, and
the exit status that scripts rely on, while the pair that is running goes on forwarding."""
import os
import re
import signal

from gateway_lab import WIKI, GatewayLab
from lab import (BIN, CONTROLPLANE_UID, DATAPLANE_UID, Failure, check, main, refused, wait_until)

DATAPLANE, CONTROLPLANE, CTL = BIN / "adit-dataplane", BIN / "adit-controlplane", BIN / "aditctl"
AS_NOBODY = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
AS_NOBODY_WITH_NET_ADMIN = [*AS_NOBODY, "--inh-caps", "+net_admin", "--ambient-caps", "+net_admin"]


def with_tun(mode):
    """As in a container that is given the device."""
    return ["unshare", "--mount", "sh", "-c", "mount -t tmpfs none /dev/net && chmod 755 /dev/net && "
            f'mknod -m {mode} /dev/net/tun c 10 200 && exec "$@"', "sh"]


AS_DATAPLANE = ["setpriv", "--reuid", DATAPLANE_UID, "--regid", CONTROLPLANE_UID, "--clear-groups",
                "--inh-caps", "+net_admin", "--ambient-caps", "+net_admin"]


def check_flags(lab, host):
    """Unknown flags and keys, bad values: the key, the value and what was expected; exit status 2."""
    file = lab.dir / "config.yaml"

    def with_file(program, text, *texts, words=()):
        file.write_text(text)
        refused(host, [program, "--config", file, *words], 2, f"{file}:", *texts)

    dataplane = [DATAPLANE, "run"]
    refused(host, [*dataplane, "--bogus", "1"], 2, "--bogus", "unknown flag", "--help")
    refused(host, [*dataplane, "--tun-nam", "x"], 2, "--tun-nam", "perhaps --tun-name")
    refused(host, [*dataplane, "--mtu", "12"], 2, "--mtu", '"12"', "576 to 65475")
    refused(host, [*dataplane, "--mtu"], 2, "--mtu", "expected a value")
    refused(host, [*dataplane, "--mtu", "1300", "--mtu", "1400"], 2, "--mtu", "2 times", "once")
    refused(host, dataplane, 2, "ADIT_MTU", '"abc"', "number", env={"ADIT_MTU": "abc"})
    refused(host, dataplane, 2, "ADIT_HOST_SETUP", '"perhaps"', "on", "off",
            env={"ADIT_HOST_SETUP": "perhaps"})
    refused(host, [*dataplane, "--channel", "tcp:hub:1"], 2, "--channel", "tcp:hub:1", "unix:/")
    refused(host, [DATAPLANE, "runn"], 2, "runn", "--help")
    refused(host, [*dataplane, "--config", lab.dir / "none.yaml"], 2, "--config", lab.dir / "none.yaml",
            "No such file")
    refused(host, [*dataplane, "--user", "0"], 2, "--user", "uid 0", "unprivileged")
    refused(host, [*dataplane, "--user", "no-such-user"], 1, "--user no-such-user", "create it")
    refused(host, dataplane, 1, "adit-dataplane", "--user")
    with_file(DATAPLANE, "mtu: 1280\nmtuu: 3\n", ":2:", "mtuu", "unknown key", "perhaps mtu")
    with_file(DATAPLANE, "mtu: 12\n", ":1:", "mtu", '"12"', "576 to 65475")
    with_file(DATAPLANE, "mtu: [1280]\n", "mtu", "expected one value")
    with_file(DATAPLANE, "mtu: {\n", "expected YAML")

    refused(host, [CONTROLPLANE, "--bogus"], 2, "--bogus", "unknown flag", "--help")
    refused(host, [CONTROLPLANE, "--store", "files"], 2, "--store", '"files"', "sqlite:/")
    refused(host, [CONTROLPLANE], 2, "ADIT_STORE", '"files"', "sqlite:/", env={"ADIT_STORE": "files"})
    refused(host, [CONTROLPLANE, "--stats-interval", "soon"], 2, "--stats-interval", '"soon"', "10s")
    with_file(CONTROLPLANE, "stor: sqlite:/x\n", ":1:", "stor", "unknown key", "perhaps store")
    as_hub = ["setpriv", "--reuid", CONTROLPLANE_UID, "--regid", CONTROLPLANE_UID, "--clear-groups",
              CONTROLPLANE]
    refused(host, [*as_hub, "--dataplane-user", "1", "--tunnel-range", "10.0.0.0/8", "--tunnel-range",
                   "11.0.0.0/8"], 2, "--tunnel-range", "11.0.0.0/8", "one range a family")
    refused(host, [*as_hub, "--dataplane-user", "1", "--admin-listen", "unix:/a/b",
                   "--dataplane-listen", "unix:/a/b"], 2, "--admin-listen", "--dataplane-listen")
    refused(host, as_hub, 1, "adit-dataplane", "--dataplane-user")

    refused(host, [CTL], 2, "command", "--help")
    refused(host, [CTL, "pear", "list"], 2, "pear", "peer")
    refused(host, [CTL, "peer", "creat"], 2, "creat", "create")
    refused(host, [CTL, "peer", "create"], 2, "NAME")
    refused(host, [CTL, "status", "--bogus"], 2, "--bogus", "unknown flag")
    refused(host, [CTL, "--timeout", "soon", "status"], 2, "--timeout", '"soon"', "10s")
    refused(host, [CTL, "status"], 2, "ADIT_OUTPUT", '"xml"', "json", env={"ADIT_OUTPUT": "xml"})
    refused(host, [CTL, "--server", "here", "status"], 2, "--server", '"here"', "unix:/")
    refused(host, [CTL, "--server", f"unix:{lab.dir}/none.sock", "status"], 6, f"{lab.dir}/none.sock",
            "adit-controlplane running")


def check_second_dataplane(net):
    pair, gateway = net.pair, net.gateway
    argv = pair.dataplane_argv
    refused(gateway, argv("other"), 1, "adit0", "running process", "another name")
    refused(gateway, argv("gw", "--listen-port", "0", tun="adit9"), 1, pair.lab.dir / "state-gw",
            "in use", "--state-dir")

    refused(gateway, argv("other", tun="adit9"), 1, "UDP port 51820", "--listen-port", "0 for any")
    v6 = gateway.start("holder", "python3", "-c",
                       "import socket,time; s=socket.socket(socket.AF_INET6,socket.SOCK_DGRAM);"
                       "s.setsockopt(socket.IPPROTO_IPV6,socket.IPV6_V6ONLY,1);"
                       "s.bind(('::',40008)); time.sleep(60)")
    wait_until("the port to be busy", lambda: ":40008" in gateway.run("ss", "-Hlun6").stdout)
    refused(gateway, argv("other", "--listen-port", "40008", tun="adit9"), 1, "IPv6 UDP port 40008",
            "--listen-port", "0 for any")
    v6.kill()
    check("adit9" not in gateway.run("ip", "-br", "link").stdout, "a refused start leaves its interface")
    # As the message says.
    other = pair.start_dataplane(gateway, "other", "--listen-port", "0", tun="adit9")
    check(other.stop() == 0, "the second data plane's end")


def check_permissions(net):
    lab, pair, gateway = net.lab, net.pair, net.gateway
    argv = lambda *extra, **kw: pair.dataplane_argv("other", "--listen-port", "0", *extra, tun="adit9", **kw)
    refused(gateway, ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /dev/net && exec "$@"', "sh",
                      *argv()], 1, "/dev/net/tun", "modprobe tun", "--device /dev/net/tun")
    refused(gateway, [*AS_NOBODY, *argv(user="65534")], 1, "CAP_NET_ADMIN", "start it as root",
            "AmbientCapabilities=CAP_NET_ADMIN")
    refused(gateway, [*with_tun(600), *AS_NOBODY_WITH_NET_ADMIN, *argv(user="65534")], 1, "/dev/net/tun",
            "start as root", "chmod 0666")
    refused(gateway, ["setpriv", "--bounding-set", "-net_admin", *argv()], 1, "CAP_NET_ADMIN")

    state = lab.dir / "state-other"
    for owner, mode, *texts in ((0, 0o700, "belongs to uid 0", f"chown -R {DATAPLANE_UID}"),
                                (DATAPLANE_UID, 0o755, "0755", "chmod 0700")):
        os.chown(state, owner, CONTROLPLANE_UID)
        state.chmod(mode)
        refused(gateway, argv(), 1, state, *texts)
    state.chmod(0o700)
    key = state / "private.key"
    key.chmod(0o644)
    refused(gateway, argv(), 1, key, "0644", "chmod 0600")
    key.chmod(0o600)
    closed = lab.dir / "closed"
    closed.mkdir(mode=0o700)
    refused(gateway, [*with_tun(666), *AS_DATAPLANE, DATAPLANE, "run", "--tun-name", "adit9", "--listen-port",
                      "0", "--controlplane-user", CONTROLPLANE_UID, "--state-dir", closed / "state"], 1,
            closed / "state", "Permission denied", "data plane's user")
    check("adit9" not in gateway.run("ip", "-br", "link").stdout, "a refused start leaves its interface")

    # The socket is a matter of the channel: it goes on trying, and works once it may.
    lab.expect_warning("dataplane.sock: no permission: run with the group")
    shut_out = pair.start_dataplane(gateway, "other", "--listen-port", "0", tun="adit9", wait=False,
                                    user=str(DATAPLANE_UID))
    wait_until("the refusal", lambda: "run with the group that owns" in shut_out.text())
    check(shut_out.is_running(), "it ends for want of a control plane")
    pair.sockets.chmod(0o751)
    (pair.sockets / "dataplane.sock").chmod(0o666)
    wait_until("node other", lambda: pair.node("other")["state"] == "CONNECTED", 15)
    pair.sockets.chmod(0o750)
    (pair.sockets / "dataplane.sock").chmod(0o660)
    check(shut_out.stop() == 0, "its end")
    pair.ctl("node", "delete", "other", check=True)


def check_controlplane(net):
    pair, hub = net.pair, net.hub
    refused(hub, pair.controlplane_argv()[6:], 1, "uid 0", "--allow-root")
    refused(hub, pair.controlplane_argv(), 1, pair.store / "adit.db", "another process has it open",
            "--store")
    other = pair.store / "other.db"
    refused(hub, pair.controlplane_argv(store=other), 1, pair.sockets / "admin.sock",
            "another process serves", "another path")
    roots = net.lab.dir / "adit.db"
    refused(hub, pair.controlplane_argv(store=roots), 1, roots, "Permission denied", "control plane's user")
    pair.sockets.chmod(0o777)
    refused(hub, pair.controlplane_argv(store=other), 1, pair.sockets, "0777", f"chmod 0750 {pair.sockets}")
    pair.sockets.chmod(0o750)

    ctl = [CTL, "--server", f"unix:{pair.sockets}/admin.sock", "status"]
    refused(hub, [*AS_NOBODY, *ctl], 4, "admin.sock", "no permission")
    # The group opens the directory; who may use the socket is another question.
    refused(hub, [*AS_DATAPLANE[:6], *ctl], 4, "admin.sock", "--admin-user")
    check(net.pair.ctl("status").returncode == 0, "the control plane that runs")

    # A killed one's sockets are replaced.
    pair.controlplane.kill()
    check((pair.sockets / "admin.sock").exists(), "a killed process leaves its socket")
    pair.start_controlplane()
    wait_until("node gw", lambda: pair.node("gw")["state"] == "CONNECTED")


def check_read_only_sysctl(net):
    """The status names each setting and the command; the command cures."""
    lab, pair, gateway, client = net.lab, net.pair, net.gateway, net.clients[0]
    check(net.dataplane.stop() == 0, "the gateway's end")
    lab.expect_warning(r"forwarding keeps traffic from passing: .*Read-only file system.*sysctl -w ")
    net.start_gateway(prefix=["unshare", "--mount", "sh", "-c",
                              'mount -o bind,ro /proc/sys /proc/sys && exec "$@"', "sh"])
    problems = lambda: pair.node("gw").get("hostProblems", [])
    wait_until("the problems in status", lambda: len(problems()) > 0)
    status = pair.ctl("status").stdout
    commands = set(re.findall(r"`(sysctl -w [^`]+)`", status))
    check(any("net.ipv4.conf.adit0.forwarding=1" in c for c in commands), f"status: {status}")
    check(not client.can_ping(WIKI), "traffic passes without forwarding")
    for command in commands:
        gateway.run(*command.split())
    wait_until("the first ping", lambda: client.can_ping(WIKI))
    wait_until("the end of the problems", lambda: not problems())
    check("adit0" not in "".join(problems()) and pair.ctl("status").returncode == 0, "status")


def loss(process):
    """Of a ping that is now ended."""
    os.kill(process.pid, signal.SIGINT)
    process.popen.wait(5)
    found = re.search(r"(\d+) packets transmitted, (\d+) received", process.text())
    if not found:
        raise Failure(f"no summary: {process.text()}")
    return int(found.group(1)) - int(found.group(2))


def body(lab):
    net = GatewayLab(lab)
    ping = net.clients[0].start("ping", "ping", "-i", "0.05", WIKI)
    check_flags(lab, net.gateway)
    check_second_dataplane(net)
    check_permissions(net)
    check_controlplane(net)
    lost = loss(ping)
    check(lost <= 1, f"the running pair lost {lost} packets")  # one may be under way
    check_read_only_sysctl(net)
    print("refused with reason; the pair went on forwarding")


main("bad-input", body)
