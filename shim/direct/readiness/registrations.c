/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/direct/readiness/registrations.h"

#include "shim/binding/lock.h"
#include "shim/direct/stream/claims.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PAGE_SLOTS 256
#define PAGE_COUNT 16384 /* 2^22 registrations at once */
#define FIELD_MASK UINT64_C(0xffffff)
#define LOCK_COUNT 16

struct page {
	struct tg_registration slots[PAGE_SLOTS];
};

static struct page *_Atomic pages[PAGE_COUNT];
static struct tg_registration *unused; /* by of_stream */
static uint32_t slot_count;
static uint32_t last_generation;
static struct tg_lock slots_lock = TG_LOCK_INITIALIZER(SLOTS);

#define LOCK TG_LOCK_INITIALIZER(REGISTRATIONS)
#define LOCKS_4 LOCK, LOCK, LOCK, LOCK
static struct tg_lock list_locks[LOCK_COUNT] = {LOCKS_4, LOCKS_4, LOCKS_4, LOCKS_4};

static unsigned epoch;
_Atomic bool tg_registrations_forked;

static struct tg_lock *lock_of(const struct tg_watch *watch)
{
	return &list_locks[((uintptr_t)watch >> 6 ^ (uintptr_t)watch >> 12) % LOCK_COUNT];
}

void tg_registrations_lock(const struct tg_watch *watch)
{
	tg_lock_take(lock_of(watch));
}

void tg_registrations_unlock(const struct tg_watch *watch)
{
	tg_lock_release(lock_of(watch));
}

uint64_t tg_registration_token(const struct tg_registration *registration)
{
	return TG_TOKEN_PATTERN << 48 | (uint64_t)registration->generation << 24 | registration->index;
}

static struct tg_registration *slot_at(uint64_t index)
{
	if (index >= (uint64_t)PAGE_COUNT * PAGE_SLOTS)
		return NULL;
	struct page *page = atomic_load_explicit(&pages[index / PAGE_SLOTS], memory_order_acquire);
	return page == NULL ? NULL : &page->slots[index % PAGE_SLOTS];
}

struct tg_registration *tg_registration_find(uint64_t token)
{
	struct tg_registration *registration = slot_at(token & FIELD_MASK);

	return registration != NULL && tg_registration_is(registration, token) ? registration : NULL;
}

static struct tg_registration *slot_new(void)
{
	struct tg_registration *slot = unused;

	if (slot != NULL) {
		unused = slot->of_stream;
		return slot;
	}
	if (slot_count == (uint32_t)PAGE_COUNT * PAGE_SLOTS)
		return NULL;
	if (slot_count % PAGE_SLOTS == 0) {
		struct page *page = calloc(1, sizeof(*page));
		if (page == NULL)
			return NULL;
		atomic_store_explicit(&pages[slot_count / PAGE_SLOTS], page, memory_order_release);
	}
	slot = slot_at(slot_count);
	slot->index = slot_count++;
	return slot;
}

/* Field by field: another thread may look at those that are atomic meanwhile. */
static void clear(struct tg_registration *slot)
{
	const size_t from = offsetof(struct tg_registration, events);

	memset((char *)slot + from, 0, sizeof(*slot) - from);
	slot->process = tg_claims_process();
}

struct tg_registration *tg_registration_new(struct tg_watch *watch, struct tg_stream *stream, int fd)
{
	tg_lock_take(&slots_lock);
	struct tg_registration *slot = slot_new();
	do
		last_generation = (last_generation + 1) & FIELD_MASK;
	while (last_generation == 0);
	uint32_t generation = last_generation;
	tg_lock_release(&slots_lock);
	if (slot == NULL)
		return NULL;
	clear(slot);
	atomic_store_explicit(&slot->stream, stream, memory_order_relaxed);
	atomic_store_explicit(&slot->fd, fd, memory_order_relaxed);
	atomic_store_explicit(&slot->epoll, NULL, memory_order_relaxed);
	atomic_store_explicit(&slot->generation, generation, memory_order_release);
	slot->of_stream = watch->first;
	watch->first = slot;
	return slot;
}

void tg_registration_end(struct tg_registration *registration)
{
	atomic_store_explicit(&registration->generation, 0, memory_order_release);
}

static bool is_live(struct tg_registration *registration)
{
	return atomic_load_explicit(&registration->generation, memory_order_acquire) != 0;
}

static void slot_free(struct tg_registration *slot)
{
	tg_lock_take(&slots_lock);
	slot->of_stream = unused;
	unused = slot;
	tg_lock_release(&slots_lock);
}

void tg_registrations_prune(struct tg_watch *watch)
{
	struct tg_registration **at = &watch->first;

	while (*at != NULL) {
		struct tg_registration *registration = *at;
		if (is_live(registration)) {
			at = &registration->of_stream;
		} else {
			*at = registration->of_stream;
			slot_free(registration);
		}
	}
}

struct tg_registration *tg_registration_of(struct tg_watch *watch, const struct tg_epoll *epoll, int fd)
{
	struct tg_registration *registration;

	tg_registrations_prune(watch);
	for (registration = watch->first; registration != NULL; registration = registration->of_stream)
		if (registration->epoll == epoll && registration->fd == fd)
			break;
	return registration;
}

unsigned tg_registrations_epoch(void)
{
	return epoch;
}

void tg_registrations_lock_all(void)
{
	for (size_t i = 0; i < LOCK_COUNT; i++)
		tg_lock_take_next(&list_locks[i]);
	tg_lock_take(&slots_lock);
}

/* Parent and child may wait on one epoll: what the child registers from now on must not look like the parent's. */
void tg_registrations_unlock_all(bool child)
{
	atomic_store_explicit(&tg_registrations_forked, true, memory_order_relaxed);
	if (child) {
		epoch++;
		last_generation = (last_generation ^ (uint32_t)getpid() * UINT32_C(2654435761)) & FIELD_MASK;
	}
	tg_lock_release(&slots_lock);
	for (size_t i = LOCK_COUNT; i-- > 0;)
		tg_lock_release(&list_locks[i]);
}
