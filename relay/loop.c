/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>

#define BATCH 64
#define LOOK_MS 5 /* the least time between two looks at what is timed */

int64_t tg_loop_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int tg_loop_open(struct tg_loop *loop)
{
	loop->scratch = malloc(TG_SCRATCH + 1);
	loop->trash = malloc(TG_SCRATCH + 1);
	if (loop->scratch == NULL || loop->trash == NULL)
		return -ENOMEM;
	loop->next_look = INT64_MAX;
	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	return loop->epoll < 0 ? -errno : 0;
}

static void take_off(struct tg_timed *timed)
{
	if (timed->link == NULL)
		return;
	*timed->link = timed->next;
	if (timed->next != NULL)
		timed->next->link = timed->link;
	timed->link = NULL;
}

static void put_on(struct tg_timed **list, struct tg_timed *timed)
{
	timed->next = *list;
	timed->link = list;
	if (*list != NULL)
		(*list)->link = &timed->next;
	*list = timed;
}

void tg_loop_time(struct tg_loop *loop, struct tg_timed *timed, int64_t deadline)
{
	timed->deadline = deadline;
	if (deadline == INT64_MAX) {
		take_off(timed);
		return;
	}
	if (timed->link == NULL)
		put_on(&loop->timed, timed);
	if (deadline < loop->next_look)
		loop->next_look = deadline;
}

void tg_loop_free_later(struct tg_loop *loop, struct tg_timed *timed)
{
	take_off(timed);
	put_on(&loop->dead, timed);
}

/* What is due may end, and with it others do not: the next one is remembered first. */
static void poll_once(struct tg_loop *loop)
{
	const int64_t now = tg_loop_now();
	int64_t next = INT64_MAX;

	if (now < loop->next_look)
		return;
	for (struct tg_timed *timed = loop->timed, *after; timed != NULL; timed = after) {
		after = timed->next;
		if (timed->deadline <= now)
			timed->due(timed);
	}
	for (const struct tg_timed *timed = loop->timed; timed != NULL; timed = timed->next)
		if (timed->deadline < next)
			next = timed->deadline;
	/* what wants another turn at once has it */
	loop->next_look = next <= now || next >= now + LOOK_MS ? next : now + LOOK_MS;
}

static int wait_ms(const struct tg_loop *loop, int idle_ms)
{
	int64_t left;

	if (loop->next_look == INT64_MAX)
		return idle_ms;
	left = loop->next_look - tg_loop_now();
	if (left <= 0)
		return 0;
	if (left > INT32_MAX)
		left = INT32_MAX;
	return idle_ms >= 0 && idle_ms < left ? idle_ms : (int)left;
}

void tg_loop_run(struct tg_loop *loop, int (*idle)(void))
{
	int idle_ms = -1;

	for (;;) {
		struct epoll_event events[BATCH];
		const int count = epoll_wait(loop->epoll, events, BATCH, wait_ms(loop, idle_ms));

		for (int i = 0; i < count; i++) {
			struct tg_source *source = events[i].data.ptr;

			source->ready(source, events[i].events);
		}
		poll_once(loop);
		for (struct tg_timed *dead = loop->dead, *next; dead != NULL; dead = next) {
			next = dead->next;
			free(dead);
		}
		loop->dead = NULL;
		idle_ms = idle();
	}
}
