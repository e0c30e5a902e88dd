/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The socket under a stream, by system calls that bypass the hooks. None of them blocks, raises a signal or is a
 * cancellation point.
 */
#ifndef TG_SHIM_DIRECT_STREAM_STREAM_SOCKET_H
#define TG_SHIM_DIRECT_STREAM_STREAM_SOCKET_H

#include "shim/binding/libc.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static inline ssize_t tg_socket_receive(int fd, void *data, size_t size, int flags)
{
	tg_libc_bind();
	return tg_libc.syscall(SYS_recvfrom, fd, data, size, flags | MSG_DONTWAIT, NULL, NULL);
}

static inline ssize_t tg_socket_send(int fd, const void *data, size_t size, int flags)
{
	tg_libc_bind();
	return tg_libc.syscall(SYS_sendto, fd, data, size, flags | MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0);
}

static inline ssize_t tg_socket_receive_vector(int fd, struct msghdr *message, int flags)
{
	tg_libc_bind();
	return tg_libc.syscall(SYS_recvmsg, fd, message, flags | MSG_DONTWAIT);
}

static inline ssize_t tg_socket_send_vector(int fd, const struct msghdr *message, int flags)
{
	tg_libc_bind();
	return tg_libc.syscall(SYS_sendmsg, fd, message, flags | MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* Sends what MSG_MORE held back: clearing TCP_CORK pushes, even if it was not set (tcp(7)). */
static inline void tg_socket_push(int fd)
{
	tg_libc_bind();
	tg_libc.syscall(SYS_setsockopt, fd, IPPROTO_TCP, TCP_CORK, &(const int){0}, sizeof(int));
}

static inline int tg_socket_option(int fd, int name)
{
	int value = 0;

	tg_libc_bind();
	tg_libc.syscall(SYS_getsockopt, fd, IPPROTO_TCP, name, &value, &(socklen_t){sizeof(value)});
	return value;
}

/* Readable from the first byte on: resets SO_RCVLOWAT, which connections inherit from the listener. */
static inline void tg_socket_tell_of_all(int fd)
{
	tg_libc_bind();
	tg_libc.syscall(SYS_setsockopt, fd, SOL_SOCKET, SO_RCVLOWAT, &(const int){1}, sizeof(int));
}

static inline int tg_socket_shutdown(int fd, int how)
{
	tg_libc_bind();
	return (int)tg_libc.syscall(SYS_shutdown, fd, how);
}

#endif
