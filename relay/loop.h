/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One thread's event loop: an epoll(7) of its own, and the connections that belong to it. What belongs to a loop is touched
 * by its thread alone.
 */
#ifndef TG_RELAY_LOOP_H
#define TG_RELAY_LOOP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TG_SCRATCH 65536

/* What an epoll event points to. */
struct tg_source {
	void (*ready)(struct tg_source *source, uint32_t events);
};

/* Something with a time by which it is looked at again; at the head of its owner. */
struct tg_timed {
	struct tg_timed *next, **link; /* link NULL: in no list */
	int64_t deadline;              /* milliseconds of CLOCK_MONOTONIC */
	void (*due)(struct tg_timed *timed);
};

struct tg_loop {
	int epoll;
	atomic_size_t load; /* connections that belong to it, as other threads see it */
	struct tg_timed *timed;
	struct tg_timed *dead; /* freed after the batch of events in which they ended */
	int64_t next_look;
	unsigned char *scratch; /* TG_SCRATCH + 1 */
	unsigned char *trash;   /* the same */
};

/* 0 or a negative errno. */
int tg_loop_open(struct tg_loop *loop);

/* Runs for ever. `idle` is called after each batch; it returns milliseconds until it wants to be called again, -1: never.
 */
_Noreturn void tg_loop_run(struct tg_loop *loop, int (*idle)(void));

/* `deadline` INT64_MAX takes it off. `due` has been set. */
void tg_loop_time(struct tg_loop *loop, struct tg_timed *timed, int64_t deadline);

/* Frees the owner, whose first member `timed` is, once no event of this batch can name it. */
void tg_loop_free_later(struct tg_loop *loop, struct tg_timed *timed);

int64_t tg_loop_now(void);

#endif
