"""Many initiators at once, so that a device holds a session with each of them.

  noise_sessions.py ADDRESS PORT PEER_PUBLIC      private keys, base64, on standard input, one a line
      handshakes with each, sends a keepalive under the new keys, prints how many there are.
"""
import base64
import socket
import sys

from noise_peer import Initiator


def main(address, port, peer_public):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect((address, int(port)))
        sock.settimeout(5)
        count = 0
        for line in sys.stdin:
            peer = Initiator(sock, base64.b64decode(line), base64.b64decode(peer_public), bytes(32))
            peer.handshake()
            peer.send(b"")
            count += 1
        print(count)


main(*sys.argv[1:])
