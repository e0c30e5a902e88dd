/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Real sockets by the cookie of the server's end: entered by the thread that hears requests, taken out by those that carry.
 */
#ifndef TG_RELAY_LISTED_H
#define TG_RELAY_LISTED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* At the disposal of its owner, who keeps it in place while it is in the table. */
struct tg_listed {
	struct tg_listed *next;
	uint64_t cookie;
	int real;
};

/* False: another one has this cookie. */
bool tg_listed_add(struct tg_listed *listed);

/* Before `real` is closed: no other thread uses it from then on. */
void tg_listed_remove(struct tg_listed *listed);

size_t tg_listed_count(void);

/* 0, -ENOENT, -ENOPROTOOPT for options that are nobody's business here, or what the kernel says. */
int tg_listed_get(uint64_t cookie, int level, int option, void *value, socklen_t *size);
int tg_listed_set(uint64_t cookie, int level, int option, const void *value, socklen_t size);

#endif
