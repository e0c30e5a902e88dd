/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers for a server's end (handover.h): the addresses of its real socket, and that socket's options, which the relay
 * reads and sets.
 *
 * Nothing is stored about single descriptors, because the kernel knows their names, in this process and in all that inherit
 * or receive them. Only whether this process may have seen a server's end at all is stored, so that all others pay one
 * load.
 *
 * Plain system calls, no allocation, no cancellation point; errno is kept where nothing else is said.
 */
#ifndef TG_SHIM_DIRECT_HANDOFF_RELAYED_H
#define TG_SHIM_DIRECT_HANDOFF_RELAYED_H

#include "ipc/relay.h"

#include <stdatomic.h>
#include <stdbool.h>

extern atomic_bool tg_relayed_seen;

static inline bool tg_relayed_any(void)
{
	return atomic_load_explicit(&tg_relayed_seen, memory_order_relaxed);
}

/* True if `fd` is a server's end; fills *ret, and `ret_tree` with the tree of its relay. */
bool tg_relayed_end(int fd, struct tg_relay_end *ret, char ret_tree[TG_TREE_LENGTH + 1]);

/* Nothing can be sent or received on it any more. */
bool tg_relayed_is_over(int fd);

/* `fd` was inherited at the start, or received from another process. */
void tg_relayed_look(int fd);

bool tg_relayed_is(int fd);

/*
 * recv(2) with MSG_TRUNC on a byte stream: the bytes are discarded, and need no buffer (tcp(7)). UNIX sockets do not do
 * that by themselves.
 */
ssize_t tg_relayed_discard(int fd, size_t size, int flags);

static inline bool tg_relayed_discards(int fd, int flags)
{
	return (flags & (MSG_TRUNC | MSG_PEEK)) == MSG_TRUNC && tg_relayed_any() && tg_relayed_is(fd);
}

/* True where an option is the relay's to answer, and not one of waiting and reading in this process. */
bool tg_relayed_is_remote(int level, int option);

/*
 * Sets an option that is kept with the server's end, in two system calls, since servers set one twice for each answer.
 * False: not such an option, or `fd` is not known for a server's end, or the kernel refuses the value: tg_relayed_set says.
 */
bool tg_relayed_keep(int fd, int level, int option, const void *value, socklen_t size);

/* `end` begins with what `real` has from its listener, of the options that are kept with the server's end. */
void tg_relayed_inherit(int real, int end);

/*
 * Has the relay of `tree` ask (`*size`: room, then length) or set an option of the real socket behind `fd`, which is `end`.
 * After the connection's end the answers are those of a TCP socket that is not connected. 0 or a negative errno.
 */
int tg_relayed_get(int fd, const struct tg_relay_end *end, const char *tree, int level, int option, void *value,
		   socklen_t *size);
int tg_relayed_set(int fd, const struct tg_relay_end *end, const char *tree, int level, int option, const void *value,
		   socklen_t size);

/*
 * A connection to the relay of `tree`, of whose owner the kernel says that it is root or this process's user; each call on
 * it ends within a bounded time. A descriptor (close-on-exec), or a negative errno.
 */
int tg_relayed_connect(const char *tree);

/* From now on calls on it block, for a bounded time. */
void tg_relayed_set_timeout(int connection);

/* Sends one request with its descriptors. 0 or a negative errno. */
int tg_relayed_send(int connection, const struct tg_relay_request *request, const int *fds, int fd_count);

#endif
