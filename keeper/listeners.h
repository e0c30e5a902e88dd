/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The TCP sockets on which a set of processes listens, as /proc/PID/fd and /proc/PID/net/tcp{,6} tell (proc(5)), and which
 * sections of a document they touch.
 */
#ifndef TG_KEEPER_LISTENERS_H
#define TG_KEEPER_LISTENERS_H

#include "ipc/policy.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct tg_listeners {
	struct tg_address *addresses; /* IPv4 in IPv6 is reduced to IPv4 */
	size_t count;
	bool of_others; /* a process could not be looked at: sockets of other programs may be among them */
};

/*
 * Looks at `count` processes. Where one of them may not be looked at, every listening socket of its network namespace
 * counts, so that nothing is called unmatched by mistake. Free with tg_listeners_free. 0 or a negative errno: -ETIME where
 * there are so many sockets that `deadline` comes first, which is of the monotonic clock, in milliseconds.
 */
int tg_listeners_find(const pid_t *pids, size_t count, int64_t deadline, struct tg_listeners *ret);
void tg_listeners_free(struct tg_listeners *listeners);

/* True where a connection that `listeners` can accept may have a local address of `route`; [server] takes any socket. */
bool tg_listeners_touch(const struct tg_listeners *listeners, const struct tg_route *route);

/* One line of /proc/net/tcp or tcp6 (`v6`): true where it is a listening socket. */
bool tg_listeners_parse(const char *line, bool v6, struct tg_address *ret, unsigned long *ret_inode);

/* "0.0.0.0:80", "[::1]:80", "*:80". */
#define TG_ADDRESS_TEXT_SIZE 64
const char *tg_address_text(const struct tg_address *address, char text[TG_ADDRESS_TEXT_SIZE]);

#endif
