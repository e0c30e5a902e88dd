/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions of the C library that ipc/ calls and the shim hooks.
 *
 * ipc/ is part of the preloaded object too. There a plain `close` would reach the shim's own hook, which takes the file
 * descriptor for one of the server's and may need a lock that the caller already holds: a deadlock. So ipc/ calls these
 * functions instead. ipc/calls.c implements them with the C library's functions, shim/binding/calls.c with the functions
 * that the shim has bound (shim/binding/libc.h). Each behaves exactly like the function that it is named after.
 */
#ifndef TG_IPC_CALLS_H
#define TG_IPC_CALLS_H

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>

int tg_call_close(int fd);
int tg_call_add_seals(int fd, int seals); /* fcntl(2), F_ADD_SEALS */
int tg_call_lease(int fd, int kind);      /* fcntl(2), F_SETLEASE */
int tg_call_getsockopt(int fd, int level, int name, void *value, socklen_t *size);
int tg_call_listen(int fd, int backlog);
int tg_call_poll(struct pollfd *fds, nfds_t count, int timeout);
ssize_t tg_call_read(int fd, void *data, size_t size);
ssize_t tg_call_recvmsg(int fd, struct msghdr *message, int flags);
ssize_t tg_call_sendmsg(int fd, const struct msghdr *message, int flags);
int tg_call_setsockopt(int fd, int level, int name, const void *value, socklen_t size);
int tg_call_sigaction(int number, const struct sigaction *action, struct sigaction *before);

#endif
