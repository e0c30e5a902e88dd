/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Closes file descriptors that an untrusted process sent to an abstract socket, without blocking for long.
 *
 * The last close(2) of a TCP socket that has SO_LINGER and unsent data blocks for as long as the sender chose (socket(7)).
 * That is so too for a socket that waits unread in another socket that is closed, at any depth. Signals interrupt such a
 * wait, so a timer sends them.
 *
 * Signals do not interrupt: a file of a FUSE or NFS server that does not answer; packet sockets and inotify(7), which take
 * some milliseconds each. Nor does this code cover file descriptors that recvmsg(2) itself closes because the process has
 * reached its limit of file descriptors.
 */
#ifndef TG_IPC_UNTRUSTED_FD_H
#define TG_IPC_UNTRUSTED_FD_H

/*
 * Creates the timer of this process. Its signal, SIGALRM, goes to the calling thread, which must be the one that calls
 * tg_untrusted_fd_close. Without the timer, as in an attached process, closing may block. A child needs its own timer after
 * fork. Returns 0 or a negative errno.
 */
int tg_untrusted_fd_start(void);

/* Closes `fd`, a file descriptor that was passed, or the connection it came on, with all that waits there unread. */
void tg_untrusted_fd_close(int fd);

#endif
