"""Looks for secrets in the memory of another process, and stops a process in its last instant."""
import ctypes
import os
import pathlib
import signal

PTRACE_SEIZE, PTRACE_DETACH, PTRACE_CONT = 0x4206, 17, 7
PTRACE_O_TRACEEXIT, PTRACE_EVENT_EXIT = 0x40, 6
WALL = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]


def writable_memory(pid):
    """The bytes of every writable mapping that can be read."""
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines():
            where, permissions = line.split()[:2]
            if "w" not in permissions or "r" not in permissions:
                continue
            start, end = (int(part, 16) for part in where.split("-"))
            try:
                memory.seek(start)
                data = bytearray()
                while len(data) < end - start:
                    part = memory.read(end - start - len(data))
                    if not part:
                        break
                    data += part
            except (OSError, ValueError, OverflowError):
                continue  # a guard page, [vvar]
            yield line, bytes(data)


def find(pid, secrets):
    """{name: [mapping, …]} of the secrets of which any half is found. secrets: {name: bytes}."""
    found = {}
    for line, data in writable_memory(pid):
        for name, secret in secrets.items():
            halves = [secret[i:i + 16] for i in range(0, len(secret), 16)]
            if any(half in data for half in halves):
                found.setdefault(name, []).append(line)
    return found


def _ptrace(request, pid, address=0, data=0):
    if _libc.ptrace(request, pid, address, data) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"ptrace {request:#x} of {pid}: {os.strerror(error)}")


def at_exit(pid, end, look):
    """Calls end(), stops the process when its main thread is about to exit with its memory still
    there, returns look() of that moment, and lets it go."""
    _ptrace(PTRACE_SEIZE, pid, 0, PTRACE_O_TRACEEXIT)
    end()
    while True:
        _, status = os.waitpid(pid, WALL)
        if not os.WIFSTOPPED(status):
            raise OSError("it ended without stopping at its exit")
        if status >> 8 == (signal.SIGTRAP | (PTRACE_EVENT_EXIT << 8)):
            break
        stopped_by = os.WSTOPSIG(status)
        _ptrace(PTRACE_CONT, pid, 0, 0 if stopped_by == signal.SIGTRAP else stopped_by)
    result = look()
    _ptrace(PTRACE_DETACH, pid)
    return result
