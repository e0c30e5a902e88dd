/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The situations that every way of reading and of writing goes through, and the cases that stand alone.
 */
#ifndef TG_TESTS_SEMANTICS_SITUATIONS_H
#define TG_TESTS_SEMANTICS_SITUATIONS_H

#include "test.h"
#include "ways.h"

struct reading {
	const char *name;
	void (*run)(struct test *t, const struct read_way *way);
	unsigned not_for; /* traits */
};

struct writing {
	const char *name;
	void (*run)(struct test *t, const struct write_way *way);
	unsigned not_for;
};

struct single {
	const char *name;
	void (*run)(struct test *t);
};

/* Each ends with one without a name. */
extern const struct reading readings[];
extern const struct writing writings[];
extern const struct single singles_calls[], singles_options[], singles_polling[], singles_epoll[], singles_descriptors[],
    singles_processes[], singles_ends[];

/* waits.c: readiness as words of the record. */
void note_poll(struct test *t, short events, int timeout);
void note_epoll(struct test *t, int epoll, int timeout);
void note_select(struct test *t, long timeout_ms);
int new_epoll(struct test *t, unsigned events);
void register_epoll(struct test *t, int epoll, int operation, unsigned events);
const char *event_names(unsigned events, char buffer[64]);

/* As a server does that has nothing to do but wait for this connection: TLS goes on inside of it. */
struct answer finish_meanwhile(struct test *t);
void client_receives_meanwhile(struct test *t, unsigned size);

#endif
