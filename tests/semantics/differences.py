# SPDX-License-Identifier: Apache-2.0
"""Where TLS under a plaintext server is allowed to show, call by call, and why. Everything else is a failure.

Each row: engines, cases (a pattern of their names), an expression that stands in the record over plaintext,
what stands there instead, and the reason. A row that no case needs is a failure, too.
"""

ANY = ("auto", "direct", "relay")
INSIDE = ("auto", "direct")
DIRECT = ("direct",)
RELAY = ("relay",)

# of many cases
_AGAIN = "the kernel tells an error once and then an end: here the error stays, so that no reader takes it for an end"
_NO_ADDRESS = "a pointer to nowhere is read and written by the process itself, as by every library"
_NAMELESS = "what a UNIX socket, which is the server's end, does"

ALLOWED = [
    # the peer goes
    (INSIDE, "read/*/reset", r"(ECONNRESET\n.*\n  =) 0\n", r"\1 -1 ECONNRESET\n", _AGAIN),
    (INSIDE, "single/error_option", r"(read.*) = 0\n", r"\1 = -1 ECONNRESET\n", _AGAIN),
    (INSIDE, "single/poll_resets", r"(ECONNRESET\n.*\n  IN\|OUT\|)HUP", r"\1ERR|HUP", _AGAIN),
    (INSIDE, "single/epoll_resets", r"(ECONNRESET\n.*\n  IN\|OUT\|)HUP", r"\1ERR|HUP", _AGAIN),
    (RELAY, "write/*/after_reset", "ECONNRESET", "EPIPE", "a UNIX socket whose other end is gone knows EPIPE alone"),
    (RELAY, "write/*/after_reset", "1 SIGPIPE", "2 SIGPIPE", "and each brings its signal"),
    (INSIDE, "read/recvmmsg/reset", r"(?s)^(recvmmsg of 10:\n  = -1 ECONNRESET\n)(.*)recvmmsg of 10:\n  = 0\n$", r"\2\1\1",
     "recvmmsg(2) looks for an error first; here it comes in its turn, after the data"),
    (ANY, "single/peer_cuts", r"(= 10\nread.*) = 0\n", r"\1 = -1 ECONNRESET\n",
     "an end that anybody on the way could have made is no end"),
    # the server goes
    (INSIDE, "single/linger_reset", "failed", "ended", "close_notify comes before the reset"),
    (ANY, "single/close_unread", "failed", "ended",
     "close_notify comes before the reset that bytes which nobody read bring"),
    (INSIDE, "single/fork_killed_child", "ended", "failed", "who was killed can say no good-bye, and nobody else may"),
    (ANY, "single/shutdown_w*", r"(shutdown\(t->fd, SHUT_\w+\)) = -1 ENOTCONN", r"\1 = 0",
     "that the peer is gone, too, has not been met yet"),
    # odd arguments
    (INSIDE, "single/no_bytes", r"(recv\(t->fd, \w+, 0, \w+\)|recvmsg\(t->fd, &message, 0\)) = -1 EAGAIN", r"\1 = 0",
     "who wants nothing need not wait for it"),
    (INSIDE, "single/no_bytes",
     r"(?s)(write\(t->fd, buffer, 0\)) = -1 EPIPE\n(send\(t->fd, buffer, 0, 0\)) = -1 EPIPE\n2 SIGPIPE",
     r"\1 = 0\n\2 = 0\n0 SIGPIPE", "nothing is written, and so nothing fails"),
    (INSIDE, "single/bad_pointer_read", r"(?s)^.*$", "killed by SEGV\n", _NO_ADDRESS),
    (INSIDE, "single/bad_pointer_write", r"(?s)^.*$", "killed by SEGV\n", _NO_ADDRESS),
    # what the direct engine leaves to the relay, on a connection in use
    (DIRECT, "single/calls_of_few", r"(splice.*) = 10\n(write.*\n)(splice.*) = 10\n",
     r"\1 = -1 EINVAL\n\2\3 = -1 EINVAL\n", "as for a descriptor that cannot be spliced"),
    (DIRECT, "single/calls_of_few", r"(dprintf.*) = 10\n(fdopen.*) = 0\n", r"\1 = -1 EOPNOTSUPP\n\2 = -1 EOPNOTSUPP\n",
     "the C library reads and writes by inner calls"),
    (DIRECT, "single/calls_of_few", r"(lio_listio.*) = 0\n", r"\1 = -1 ENOSYS\n", "so does aio, as where there is none"),
    (DIRECT, "single/calls_of_few", r"(?s)(STDIN_FILENO, got.*) = 10\n(.*) = 10\n(.*)client received 30,.*",
     "\\1 = 0\n\\2 = 0\n\\3client received 0, sum cbf29ce484222325, failed\n", "what becomes a standard stream is closed"),
    # other processes
    (INSIDE, "single/clone_child_goes_on",
     r"(?s)(read.*) = 20\n.*?(\nwrite.*) = 5\n(close.*child: 0\n)client received 5.*?\n",
     "\\1 = -1 EIO\n  20 bytes, sum 9f48703f308bcbb8\\2 = -1 EIO\n\\3client received 0, sum cbf29ce484222325, ended\n",
     "a raw clone tells nobody: who has used a connection keeps it"),
    (INSIDE, "single/fork_both_use_it", r"(child: 0\nread.*) = 10\n(write.*) = 6\n", r"\1 = -1 EIO\n\2 = -1 EIO\n",
     "two processes never encrypt with the same keys"),
    (INSIDE, "single/exec_after_use", r"client 50, sum \w+, ended", "client 0, sum cbf29ce484222325, failed",
     "another program cannot go on with TLS that was begun here"),
    *((DIRECT, cases, r"client 50, sum \w+, ended", "client 0, sum cbf29ce484222325, failed",
       "engine = direct has no relay to hand it to") for cases in ("single/exec_[uis]*",)),
    (DIRECT, "single/exec_accepted_there", r"(?s)^child: 0\nclient 50, sum \w+, ended",
     "accept: ECONNABORTED\nchild: 512\nclient 0, sum cbf29ce484222325, failed", "nothing becomes a standard stream"),
    (DIRECT, "single/passed_on", r"(?s)(read.*) = 20\n  20 bytes.*?\n(write.*) = 6\n(close.*)client 6.*$",
     "\\1 = 0\n  20 bytes, sum ee85fafd354b0935\n\\2 = -1 EPIPE\n\\3client 0, sum cbf29ce484222325, failed\n"
     "client received 0, sum cbf29ce484222325, failed\n",
     "engine = direct has no relay, and another process cannot have the keys"),
    (DIRECT, "single/passed_to_itself", r"(?s)(read.*) = 20\n(write.*) = 6\n.*$",
     "\\1 = 0\n\\2 = -1 EPIPE\nclient received 0, sum cbf29ce484222325, failed\n",
     "what is passed on leaves, as nobody knows to whom"),
    (DIRECT, "single/exec_fails", r"(?s)(ENOENT\nread.*) = 6\n(write.*) = 10\n.*$",
     "\\1 = 0\n\\2 = -1 EPIPE\nclient received 0, sum cbf29ce484222325, failed\n",
     "what a new program must not have is closed before it is known that there is none"),
    # the attached process's end of the relay
    (RELAY, "single/socket_options", r"(SO_MARK = 0) = 0\n(?=SO)", r"\1 = -1 EPERM\n", "the relay has no capabilities"),
    (RELAY, "single/not_listening", "EISCONN", "EINVAL", _NAMELESS),
    (RELAY, "single/write_ready", r"poll = 0\n\n$", "poll = 1\n  |200\n", _NAMELESS),
]

# Engines, cases, what may be there or not, on both sides, and why.
EITHER = [
    (ANY, "single/close_cold", "ended|failed", "the handshake may have been finished by then"),
    (RELAY, "write/*/after_close", r"(?<=of 10:\n  = )(10|-1 EPIPE)\n|\d SIGPIPE",
     "the relay may have met the end before the first write"),
    (RELAY, "write/*/after_close", r"(ERR\|)?HUP", _NAMELESS),
    (ANY, "single/ignored_pipe", "ECONNRESET|EPIPE", "which of the two is a matter of who met the reset first"),
    (INSIDE, "single/peer_aborts_waiting", r"(?s)(?<=ECONNRESET\n).+", _AGAIN),
]
