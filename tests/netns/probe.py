"""A sequence-numbered UDP probe: what a lossless path must show.

  probe.py receive ADDRESS PORT FILE       writes "sequence send-time receive-time" (ns) a line
  probe.py send ADDRESS PORT RATE SECONDS [BURST [SIZE...]]
                                           RATE packets a second, BURST (1) to a call, of 256 bytes
                                           or of these sizes in turn; prints how many, and how many
                                           the kernel refused
"""
import signal
import socket
import struct
import sys
import time

SO_RCVBUFFORCE = 33  # unlike SO_RCVBUF, not bounded by the host's limit
UDP_SEGMENT = 103


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def receive(address, port, path):
    sock = socket.socket(family_of(address), socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
    sock.bind((address, port))
    sock.settimeout(1)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # what was written is flushed
    with open(path, "w", buffering=1 << 16) as out:
        while True:
            try:
                data = sock.recv(2048)
            except socket.timeout:
                out.flush()
                continue
            number, sent = struct.unpack_from("<QQ", data)
            out.write(f"{number} {sent} {time.monotonic_ns()}\n")


def send(address, port, rate, seconds, burst=1, *sizes):
    sock = socket.socket(family_of(address), socket.SOCK_DGRAM)
    sock.connect((address, port))
    start = time.monotonic()
    count = int(rate * seconds) // burst * burst
    refused = 0
    sizes = sizes or (256,)
    for first in range(0, count, burst):
        size = sizes[first // burst % len(sizes)]
        delay = start + first / rate - time.monotonic()
        if delay > 0:
            time.sleep(delay)
        now = time.monotonic_ns()
        packets = [struct.pack("<QQ", number, now) + bytes(size - 16)
                   for number in range(first, first + burst)]
        segmented = [(socket.SOL_UDP, UDP_SEGMENT, struct.pack("=H", size))] if burst > 1 else []
        try:
            sock.sendmsg(packets, segmented)
        except OSError:
            refused += burst
    print(count, refused)


if __name__ == "__main__":
    if sys.argv[1] == "receive":
        receive(sys.argv[2], int(sys.argv[3]), sys.argv[4])
    else:
        send(sys.argv[2], int(sys.argv[3]), float(sys.argv[4]), float(sys.argv[5]),
             *(int(number) for number in sys.argv[6:]))
