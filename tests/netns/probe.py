"""A sequence-numbered UDP probe: what a lossless path must show.

  probe.py receive ADDRESS PORT FILE          writes "sequence send-time receive-time" (ns) a line
  probe.py send ADDRESS PORT RATE SECONDS     RATE packets a second of 256 bytes; prints the count
"""
import socket
import struct
import sys
import time


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def receive(address, port, path):
    sock = socket.socket(family_of(address), socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
    sock.bind((address, port))
    sock.settimeout(1)
    with open(path, "w", buffering=1 << 16) as out:
        while True:
            try:
                data = sock.recv(2048)
            except socket.timeout:
                out.flush()
                continue
            number, sent = struct.unpack_from("<QQ", data)
            out.write(f"{number} {sent} {time.monotonic_ns()}\n")


def send(address, port, rate, seconds):
    sock = socket.socket(family_of(address), socket.SOCK_DGRAM)
    sock.connect((address, port))
    start = time.monotonic()
    count = int(rate * seconds)
    refused = 0
    for number in range(count):
        due = start + number / rate
        delay = due - time.monotonic()
        if delay > 0:
            time.sleep(delay)
        try:
            sock.send(struct.pack("<QQ", number, time.monotonic_ns()) + bytes(240))
        except OSError:
            refused += 1
    print(count, refused)


if __name__ == "__main__":
    if sys.argv[1] == "receive":
        receive(sys.argv[2], int(sys.argv[3]), sys.argv[4])
    else:
        send(sys.argv[2], int(sys.argv[3]), float(sys.argv[4]), float(sys.argv[5]))
