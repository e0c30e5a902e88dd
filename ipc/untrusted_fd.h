/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptors that anybody may send to an abstract socket, closed without waiting. The last close(2) of a TCP socket that
 * has SO_LINGER and something to send takes as long as whoever passed it likes, also of one that waits unread in another
 * socket that is closed, at any depth. Signals end such a wait, so a timer sends them.
 *
 * Not ended by signals: a file of a FUSE or NFS server that does not answer; packet sockets and inotify(7), some
 * milliseconds each. Nor is what recvmsg(2) itself closes because the process has no descriptors left.
 */
#ifndef TG_IPC_UNTRUSTED_FD_H
#define TG_IPC_UNTRUSTED_FD_H

/*
 * Makes the timer of this process, whose signal (SIGALRM) goes to the calling thread, which is the one that calls what is
 * below. Without it, as in an attached process, they wait; after a fork the child makes its own. 0 or a negative errno.
 */
int tg_untrusted_fd_start(void);

/* Closes a descriptor that was passed, or the connection on which it came, and all that waits there unread. */
void tg_untrusted_fd_close(int fd);

#endif
