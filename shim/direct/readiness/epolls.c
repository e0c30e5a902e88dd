/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/direct/readiness/epolls.h"

#include "shim/direct/descriptors/fd_bitmap.h"
#include "shim/direct/stream/clock.h"

#include <stdlib.h>

struct tg_epolls_page *_Atomic tg_epolls_pages[TG_EPOLLS_PAGES];
_Atomic unsigned tg_epolls_registrations;
_Atomic bool tg_epolls_have_strays;

static struct tg_epoll *all, *unused;
static struct tg_lock lock = TG_LOCK_INITIALIZER(EPOLLS); /* of numbers */

/* With the lock. Pages stay: descriptor numbers are used again. */
static struct tg_epoll *_Atomic *make_slot(int fd)
{
	if (fd < 0 || fd >= TG_EPOLLS_PAGES * TG_EPOLLS_PAGE)
		return NULL;
	if (tg_epolls_slot(fd) == NULL) {
		struct tg_epolls_page *page = calloc(1, sizeof(*page));
		if (page == NULL)
			return NULL;
		atomic_store_explicit(&tg_epolls_pages[fd / TG_EPOLLS_PAGE], page, memory_order_release);
	}
	return tg_epolls_slot(fd);
}

static struct tg_epoll *make(void)
{
	struct tg_epoll *epoll = unused;

	if (epoll != NULL) {
		unused = epoll->next_free;
		return epoll;
	}
	epoll = calloc(1, sizeof(*epoll));
	if (epoll != NULL) {
		tg_lock_init(&epoll->lock, TG_RANK_EPOLL);
		epoll->next = all;
		all = epoll;
	}
	return epoll;
}

struct tg_epoll *tg_epoll_get(int fd)
{
	struct tg_epoll *epoll = tg_epoll_find(fd);

	if (epoll != NULL)
		return epoll;
	tg_lock_take(&lock);
	struct tg_epoll *_Atomic *slot = make_slot(fd);
	epoll = slot == NULL ? NULL : atomic_load_explicit(slot, memory_order_relaxed);
	if (slot != NULL && epoll == NULL && (epoll = make()) != NULL) {
		epoll->fd = fd;
		epoll->numbers = 1;
		atomic_store_explicit(slot, epoll, memory_order_release);
		tg_fd_bitmap_update(fd);
	}
	tg_lock_release(&lock);
	return epoll;
}

/* Another number of the same epoll: rare, so it is looked for. */
static int find_number(const struct tg_epoll *epoll)
{
	for (int fd = 0; fd < TG_EPOLLS_PAGES * TG_EPOLLS_PAGE; fd++) {
		struct tg_epoll *_Atomic *slot = tg_epolls_slot(fd);
		if (slot == NULL)
			fd |= TG_EPOLLS_PAGE - 1;
		else if (atomic_load_explicit(slot, memory_order_relaxed) == epoll)
			return fd;
	}
	return -1;
}

/* The registrations' memory is freed by the streams that they are of. */
static void end(struct tg_epoll *epoll)
{
	while (epoll->first != NULL) {
		struct tg_registration *registration = epoll->first;
		tg_epoll_remove(epoll, registration);
		tg_registration_end(registration);
	}
	epoll->nested = false;
	epoll->turn = false;
	epoll->round = 0;
	epoll->next_free = unused;
	unused = epoll;
}

/* With the lock. */
static void leave(struct tg_epoll *_Atomic *slot, int fd)
{
	struct tg_epoll *epoll = atomic_exchange_explicit(slot, NULL, memory_order_acq_rel);

	if (epoll == NULL)
		return;
	tg_fd_bitmap_update(fd);
	tg_lock_take(&epoll->lock);
	if (--epoll->numbers == 0)
		end(epoll);
	else if (epoll->fd == fd)
		epoll->fd = find_number(epoll);
	tg_lock_release(&epoll->lock);
}

void tg_epoll_forget(int fd)
{
	struct tg_epoll *_Atomic *slot = tg_epolls_slot(fd);

	if (slot == NULL || atomic_load_explicit(slot, memory_order_relaxed) == NULL)
		return;
	tg_lock_take(&lock);
	leave(slot, fd);
	tg_lock_release(&lock);
}

void tg_epoll_duplicated(int from, int fd)
{
	if (from == fd)
		return;
	tg_lock_take(&lock);
	struct tg_epoll *epoll = tg_epoll_find(from);
	struct tg_epoll *_Atomic *slot = epoll == NULL ? tg_epolls_slot(fd) : make_slot(fd);
	if (slot != NULL) {
		leave(slot, fd);
		if (epoll != NULL)
			epoll->numbers++;
		atomic_store_explicit(slot, epoll, memory_order_release);
		tg_fd_bitmap_update(fd);
	}
	tg_lock_release(&lock);
}

void tg_epoll_add(struct tg_epoll *epoll, struct tg_registration *registration)
{
	registration->previous = NULL;
	registration->next = epoll->first;
	if (epoll->first != NULL)
		epoll->first->previous = registration;
	epoll->first = registration;
	atomic_store_explicit(&registration->epoll, epoll, memory_order_release);
	atomic_fetch_add_explicit(&epoll->count, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&tg_epolls_registrations, 1, memory_order_relaxed);
}

void tg_epoll_remove(struct tg_epoll *epoll, struct tg_registration *registration)
{
	tg_epoll_unlist(epoll, registration);
	tg_epoll_set_deadline(epoll, registration, TG_CLOCK_NEVER);
	if (registration->previous != NULL)
		registration->previous->next = registration->next;
	else
		epoll->first = registration->next;
	if (registration->next != NULL)
		registration->next->previous = registration->previous;
	atomic_store_explicit(&registration->epoll, NULL, memory_order_release);
	atomic_fetch_sub_explicit(&epoll->count, 1, memory_order_relaxed);
	atomic_fetch_sub_explicit(&tg_epolls_registrations, 1, memory_order_relaxed);
}

void tg_epoll_list(struct tg_epoll *epoll, struct tg_registration *registration)
{
	if (registration->listed)
		return;
	registration->listed = true;
	registration->listed_after = NULL;
	registration->listed_before = epoll->listed_last;
	if (epoll->listed_last != NULL)
		epoll->listed_last->listed_after = registration;
	else
		epoll->listed_first = registration;
	epoll->listed_last = registration;
	epoll->listed_count++;
}

void tg_epoll_unlist(struct tg_epoll *epoll, struct tg_registration *registration)
{
	if (!registration->listed)
		return;
	registration->listed = false;
	if (registration->listed_before != NULL)
		registration->listed_before->listed_after = registration->listed_after;
	else
		epoll->listed_first = registration->listed_after;
	if (registration->listed_after != NULL)
		registration->listed_after->listed_before = registration->listed_before;
	else
		epoll->listed_last = registration->listed_before;
	epoll->listed_count--;
}

static void put_at(struct tg_epoll *epoll, size_t slot, struct tg_registration *registration)
{
	epoll->heap[slot] = registration;
	registration->place = slot;
}

static void rise(struct tg_epoll *epoll, size_t slot, struct tg_registration *registration)
{
	for (; slot > 1 && epoll->heap[slot / 2]->deadline > registration->deadline; slot /= 2)
		put_at(epoll, slot, epoll->heap[slot / 2]);
	put_at(epoll, slot, registration);
}

static void sink(struct tg_epoll *epoll, size_t slot, struct tg_registration *registration)
{
	for (;;) {
		size_t below = 2 * slot;
		if (below < epoll->heap_count && epoll->heap[below + 1]->deadline < epoll->heap[below]->deadline)
			below++;
		if (below > epoll->heap_count || epoll->heap[below]->deadline >= registration->deadline)
			break;
		put_at(epoll, slot, epoll->heap[below]);
		slot = below;
	}
	put_at(epoll, slot, registration);
}

static bool heap_has_room(struct tg_epoll *epoll)
{
	if (epoll->heap_count + 1 < epoll->heap_room)
		return true;
	size_t room = epoll->heap_room == 0 ? 64 : 2 * epoll->heap_room;
	struct tg_registration **heap = realloc(epoll->heap, room * sizeof(struct tg_registration *));
	if (heap == NULL)
		return false;
	epoll->heap = heap;
	epoll->heap_room = room;
	return true;
}

static void take_out(struct tg_epoll *epoll, struct tg_registration *registration)
{
	size_t slot = registration->place;
	struct tg_registration *last = epoll->heap[epoll->heap_count--];

	registration->place = 0;
	if (last == registration)
		return;
	if (last->deadline < registration->deadline)
		rise(epoll, slot, last);
	else
		sink(epoll, slot, last);
}

void tg_epoll_set_deadline(struct tg_epoll *epoll, struct tg_registration *registration, int64_t deadline)
{
	if (registration->place != 0) {
		if (registration->deadline == deadline)
			return;
		take_out(epoll, registration);
	}
	if (deadline == TG_CLOCK_NEVER || !heap_has_room(epoll))
		return;
	registration->deadline = deadline;
	rise(epoll, ++epoll->heap_count, registration);
}

struct tg_registration *tg_epoll_earliest(const struct tg_epoll *epoll)
{
	return epoll->heap_count == 0 ? NULL : epoll->heap[1];
}

void tg_epolls_lock_all(void)
{
	tg_lock_take(&lock);
	for (struct tg_epoll *epoll = all; epoll != NULL; epoll = epoll->next)
		tg_lock_take_next(&epoll->lock);
}

/* The child has none of the threads that waited. */
void tg_epolls_unlock_all(bool child)
{
	for (struct tg_epoll *epoll = all; epoll != NULL; epoll = epoll->next) {
		if (child)
			epoll->waiters = 0;
		tg_lock_release(&epoll->lock);
	}
	tg_lock_release(&lock);
}
