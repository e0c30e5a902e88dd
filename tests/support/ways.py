#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A plaintext server that does one thing with each connection: ways.py PORT WAY. For PORT "inherited" it
listens on descriptor 3. What it notes goes to its standard output.

No way of it knows of TLS; what each must look like to a client stands in tests/plaintext/test_descriptors.py.
"""

import array
import ctypes
import os
import resource
import select
import signal
import socket
import subprocess
import sys
import threading
import time

if "libasan" in open("/proc/self/maps", encoding="utf-8").read():
    import ssl  # noqa: F401  AddressSanitizer's runtime lets nobody open a library as the shim does: it has to be there

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.fdopen.restype = ctypes.c_void_p
for name in ("fclose", "fflush", "fileno"):
    getattr(LIBC, name).argtypes = [ctypes.c_void_p]
LIBC.fputs.argtypes = [ctypes.c_char_p, ctypes.c_void_p]
LIBC.fgets.argtypes = [ctypes.c_char_p, ctypes.c_int, ctypes.c_void_p]
SYS = {"read": 0, "write": 1, "close": 3, "clone": 56, "io_uring_setup": 425}
NOTES = os.dup(1)
BIG = bytes(range(256)) * 4000


def note(*words):
    os.write(NOTES, " ".join(map(str, words)).encode() + b"\n")


def clone():
    """fork(2), unknown to the C library."""
    return LIBC.syscall(SYS["clone"], signal.SIGCHLD, 0, 0, 0, 0)


def child(act, fork=os.fork):
    """The process id of one that does `act` and ends."""
    pid = fork()
    if pid == 0:
        try:
            act()
        except OSError as fault:
            note("child", fault.errno)
        finally:
            os._exit(0)
    return pid


def in_child(connection, act, fork=os.fork):
    """The parent closes its own number first."""
    pid = child(act, fork)
    connection.close()
    os.waitpid(pid, 0)


def onto_standard(connection):
    for number in range(3):
        os.dup2(connection.fileno(), number)
    connection.close()


def echo(connection):
    while True:
        data = connection.recv(65536)
        if not data:
            break
        connection.sendall(data)
    connection.close()


def threads(connection):
    threading.Thread(target=echo, args=(connection,), daemon=True).start()


def four_readers(connection):
    """Threads that block on one connection: every byte comes to one of them, and one `q` to each."""
    taken = []

    def read():
        data = b""
        while data != b"q":
            data = connection.recv(1)
            taken.append(data)

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    connection.sendall(b"%d" % len(taken))
    connection.close()


def forks(connection):
    in_child(connection, lambda: echo(connection))


def forks_late(connection):
    """The parent has done the handshake and talked; the child goes on."""
    connection.sendall(b"parent " + connection.recv(100))
    in_child(connection, lambda: echo(connection))


def both_after_fork(connection):
    """The child uses it first; the parent then tries to."""
    connection.sendall(b"parent " + connection.recv(100))
    told, tells = os.pipe()

    def act():
        connection.sendall(b"child ")
        os.write(tells, b"x")
        echo(connection)

    child(act)
    os.read(told, 1)
    for act in (lambda: connection.sendall(b"both"), lambda: connection.recv(10), lambda: connection.shutdown(2)):
        try:
            note("parent went on", act())
        except OSError as fault:
            note("parent", fault.errno)
    connection.close()
    os.wait()


def clones(connection):
    """A child that the C library does not know of, which has it alone from then on."""
    in_child(connection, lambda: echo(connection), clone)


def clones_two(connection):
    """Two processes that talk in turn, as vsftpd's do."""
    def session():
        onto_standard(connection)
        for words in (b"one ", b"two "):
            os.waitpid(child(lambda words=words: os.write(1, words + os.read(0, 100)), clone), 0)

    in_child(connection, session, clone)


def speaks_first(connection):
    connection.sendall(b"welcome\n")
    connection.close()


def executes(connection):
    def act():
        onto_standard(connection)
        os.execv("/bin/sh", ["sh", "-c", "read x; echo executed $x"])

    in_child(connection, act)


def executes_used(connection):
    connection.recv(100)
    executes(connection)


def executes_beside(connection):
    """A child that has inherited the connection by the way; its parent goes on with it."""
    os.set_inheritable(connection.fileno(), True)
    number = connection.fileno()
    os.waitpid(child(lambda: os.execv("/bin/sh", ["sh", "-c", f"echo leaked >&{number}"])), 0)
    connection.sendall(connection.recv(100))
    connection.close()


def shells(connection):
    """system(3), whose child inherits descriptors 0 to 2."""
    connection.recv(100)

    def act():
        onto_standard(connection)
        os.system("echo leaked")
        os.write(1, b"not by the shell\n")

    in_child(connection, act)


def spawns(connection):
    os.posix_spawn(
        "/bin/sh", ["sh", "-c", "read x; echo spawned $x"], os.environ,
        file_actions=[(os.POSIX_SPAWN_DUP2, connection.fileno(), 0), (os.POSIX_SPAWN_DUP2, connection.fileno(), 1)],
    )
    connection.close()
    os.wait()


def spawns_used(connection):
    connection.sendall(connection.recv(100))
    spawns(connection)


def popens(connection):
    """subprocess: vfork, and dup2 in a child that has our memory."""
    connection.sendall(connection.recv(100))
    subprocess.run(["/bin/sh", "-c", "echo leaked"], stdin=connection, stdout=connection, check=False)
    connection.sendall(b"after")
    connection.close()


def streams(connection):
    """fdopen(3) and dprintf(3)."""
    file = LIBC.fdopen(connection.fileno(), b"r+")
    if file is None:
        note("fdopen", ctypes.get_errno(), "dprintf", LIBC.dprintf(connection.fileno(), b"leaked"), ctypes.get_errno())
        connection.close()
        return
    note("fileno", LIBC.fileno(file) == connection.fileno())
    text = ctypes.create_string_buffer(100)
    LIBC.fgets(text, 100, file)
    LIBC.fputs(b"by fputs ", file)
    LIBC.fflush(file)
    LIBC.dprintf(connection.fileno(), b"by dprintf %s", text)
    connection.detach()
    LIBC.fclose(file)


def prints(connection):
    """stdout on a connection, flushed by exit(3)."""
    connection.recv(100)

    def act():
        onto_standard(connection)
        LIBC.perror(b"by perror")
        LIBC.puts(b"by puts")
        LIBC.exit(0)

    in_child(connection, act)


def takes_standard(connection):
    """A connection in use becomes descriptor 0 to 2, by dup2(2) or as the lowest number that is free."""
    connection.sendall(connection.recv(100))

    def act():
        os.dup2(connection.fileno(), 1)
        os.close(0)
        note("number", os.dup(connection.fileno()))
        LIBC.puts(b"by puts")
        LIBC.fflush(None)
        note("read", os.read(0, 100))

    in_child(connection, act)


def sends_file(connection):
    connection.recv(100)
    with open("big", "w+b") as file:
        file.write(BIG)
        file.flush()
        done = 0
        while done < len(BIG):
            done += os.sendfile(connection.fileno(), file.fileno(), done, len(BIG) - done)
    connection.close()


def streams_used(connection):
    """The same on a connection in use."""
    connection.sendall(connection.recv(100))
    streams(connection)


def splices(connection):
    source, sink = os.pipe()
    try:
        os.splice(connection.fileno(), sink, 0)
    except OSError as fault:  # as a proxy goes on where the kernel splices nothing
        note("splice", fault.errno)
        echo(connection)
        return
    while True:
        size = os.splice(connection.fileno(), sink, 1 << 20)
        if size == 0:
            break
        while size > 0:
            size -= os.splice(source, connection.fileno(), size)
    os.close(source)
    os.close(sink)
    connection.close()


def moves(connection):
    """Several numbers, the first ones closed before the last."""
    copy = os.dup(connection.fileno())
    connection.close()
    os.write(copy, b"one ")
    data = os.read(copy, 100)
    os.dup2(copy, 50)
    os.close(copy)
    os.write(50, b"two " + data)
    os.close(50)


def buries(connection):
    """dup2(2) over the last number ends the connection."""
    connection.sendall(connection.recv(100))
    null = os.open("/dev/null", os.O_RDWR)
    os.dup2(null, connection.fileno())
    os.write(connection.fileno(), b"into the hole")
    time.sleep(0.3)
    os.close(null)
    connection.close()


def closes_range(connection):
    connection.sendall(connection.recv(100))
    os.closerange(connection.fileno(), connection.fileno() + 20)
    connection.detach()


def closes_by_number(connection):
    """As libuv does: by syscall(2)."""
    connection.sendall(connection.recv(100))
    LIBC.syscall(SYS["close"], connection.detach())


def calls_by_number(connection):
    text = ctypes.create_string_buffer(100)
    size = LIBC.syscall(SYS["read"], connection.fileno(), text, 100)
    LIBC.syscall(SYS["write"], connection.fileno(), b"by number " + text.raw[:size], 10 + size)
    note("ring", LIBC.syscall(SYS["io_uring_setup"], 1, text), ctypes.get_errno())
    connection.close()


def exits(connection):
    in_child(connection, lambda: connection.sendall(connection.recv(100)))


def passes(connection):
    """To another process, by SCM_RIGHTS."""
    ours, theirs = socket.socketpair()

    def act():
        connection.close()
        received = array.array("i")
        _, parts, _, _ = theirs.recvmsg(1, socket.CMSG_SPACE(4))
        received.frombytes(parts[0][2][:4])
        echo(socket.socket(fileno=received[0]))

    child(act)
    ours.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [connection.fileno()]))])
    connection.close()
    os.wait()


def passes_used(connection):
    connection.sendall(connection.recv(100))
    passes(connection)


def times_out(connection):
    """SO_RCVTIMEO, MSG_DONTWAIT, MSG_PEEK, MSG_WAITALL on a blocking descriptor."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, (0).to_bytes(8, "little") + (50000).to_bytes(8, "little"))
    for flags in (0, socket.MSG_DONTWAIT):
        try:
            note("not to be had", connection.recv(10, flags))
        except BlockingIOError:
            note("again")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, bytes(16))
    connection.sendall(b"go")
    note("peek", connection.recv(3, socket.MSG_PEEK), connection.recv(3))
    connection.sendall(b"on")
    note("all", connection.recv(8, socket.MSG_WAITALL))
    connection.close()


def leaves_registered(connection, duplicated=False):
    """Closes it with much still on its way: no event is of it any more, whatever the client does."""
    loop = select.epoll()
    loop.register(connection, select.EPOLLIN | select.EPOLLRDHUP)
    connection.setblocking(False)
    loop.poll()
    connection.recv(100)
    sent = 0
    try:
        while True:
            sent += connection.send(BIG)
    except BlockingIOError:
        pass
    if duplicated:
        connection, registered = connection.dup(), connection
        registered.close()
    connection.close()
    note("sent", sent)
    before = time.process_time()
    for _ in range(10):
        note("events", *loop.poll(0.1))
    note("turned round and round" if time.process_time() - before > 0.3 else "waited")
    loop.close()


def leaves_duplicated(connection):
    """Nobody can take it out of the kernel's epoll: the number that it was put in by is closed (epoll(7))."""
    leaves_registered(connection, duplicated=True)


def leaves_beside_a_thread(connection):
    threading.Thread(target=time.sleep, args=(3,)).start()
    leaves_duplicated(connection)


def polled_echo(loop, connection):
    """Level-triggered, twice."""
    for _ in range(2):
        events = loop.poll(5)
        connection.sendall(connection.recv(100))
        note(events == [(connection.fileno(), select.EPOLLIN)])
    connection.close()


def clones_and_waits(connection):
    """A child that the C library knows nothing of closes its copy: it is registered all the same."""
    loop = select.epoll()
    loop.register(connection, select.EPOLLIN)
    os.waitpid(child(connection.close, clone), 0)
    polled_echo(loop, connection)


def waits_by_another_number(connection):
    """One that nobody saw come: the epoll went through a socket."""
    loop = select.epoll()
    loop.register(connection, select.EPOLLIN)
    ours, theirs = socket.socketpair()
    socket.send_fds(ours, [b"x"], [loop.fileno()])
    polled_echo(select.epoll.fromfd(socket.recv_fds(theirs, 1, 1)[1][0]), connection)


def closes_at_start(connection):
    """The first number of a daemon that has closed its standard output is 1."""
    connection.sendall(b"number %d, " % connection.fileno())
    LIBC.puts(b"by puts")
    LIBC.fflush(None)
    connection.close()


def main():
    if sys.argv[1] == "inherited":
        listener = socket.socket(fileno=3)
    else:
        listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=64)
    way = globals()[sys.argv[2]]
    if way is closes_at_start:
        os.close(1)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
    while True:
        try:
            connection, _ = listener.accept()
        except ConnectionAbortedError:
            note("aborted")
            continue
        try:
            way(connection)
        except OSError as fault:
            note(way.__name__, fault.errno)
            connection.close()


main()
