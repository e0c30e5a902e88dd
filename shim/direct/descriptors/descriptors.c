/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/direct/descriptors/descriptors.h"

#include "ipc/report.h"
#include "shim/binding/libc.h"
#include "shim/binding/lock.h"
#include "shim/direct/descriptors/holder.h"
#include "shim/direct/descriptors/marks.h"
#include "shim/direct/readiness/readiness.h"
#include "shim/process/process.h"
#include "shim/process/state.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define BATCH 64 /* holders that are made at once */

_Atomic int tg_descriptors_count;
_Atomic(struct tg_descriptors_page *) tg_descriptors_pages[TG_DESCRIPTORS_PAGES];

static _Atomic int end;
static struct tg_holder *free_holders;
static struct tg_lock lock = TG_LOCK_INITIALIZER(DESCRIPTORS); /* of entries that change, and of free_holders */

static void *map(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

int tg_descriptors_end(void)
{
	return atomic_load_explicit(&end, memory_order_acquire);
}

/* Pages stay: descriptor numbers are used again. */
_Atomic uintptr_t *tg_entry_make_place(int fd)
{
	_Atomic uintptr_t *place = tg_descriptors_place(fd);

	if (place != NULL || fd < 0 || fd >= TG_DESCRIPTORS_PAGES * TG_DESCRIPTORS_PAGE)
		return place;
	struct tg_descriptors_page *page = map(sizeof(*page));
	if (page == NULL)
		return NULL;
	atomic_store_explicit(&tg_descriptors_pages[fd / TG_DESCRIPTORS_PAGE], page, memory_order_release);
	return tg_descriptors_place(fd);
}

/* With the lock. */
static struct tg_holder *take_free(void)
{
	if (free_holders == NULL) {
		struct tg_holder *fresh = map(BATCH * sizeof(*fresh));
		for (size_t i = 0; fresh != NULL && i < BATCH; i++) {
			fresh[i].next = free_holders;
			free_holders = &fresh[i];
		}
	}
	struct tg_holder *holder = free_holders;
	if (holder != NULL)
		free_holders = holder->next;
	return holder;
}

bool tg_holder_ref(struct tg_holder *holder)
{
	unsigned references = atomic_load_explicit(&holder->references, memory_order_relaxed);

	while (references != 0)
		if (atomic_compare_exchange_weak_explicit(&holder->references, &references, references + 1,
							  memory_order_acquire, memory_order_relaxed))
			return true;
	return false;
}

void tg_holder_unref(struct tg_holder *holder)
{
	if (atomic_fetch_sub_explicit(&holder->references, 1, memory_order_acq_rel) != 1)
		return;
	/* Nobody can register it any more; what was registered while it was closed goes with it. */
	tg_readiness_forget(holder->stream, -1);
	tg_stream_free(holder->stream);
	tg_claim_end(&holder->claim);
	tg_lock_take(&lock);
	holder->stream = NULL;
	holder->next = free_holders;
	free_holders = holder;
	tg_lock_release(&lock);
}

struct tg_holder *tg_holder_at(int fd)
{
	for (;;) {
		struct tg_holder *holder = tg_entry_holder(tg_entry_at(fd));
		if (holder == NULL)
			return NULL;
		if (!tg_holder_ref(holder))
			continue; /* the number changes at this moment */
		if (tg_entry_holder(tg_entry_at(fd)) == holder)
			return holder;
		tg_holder_unref(holder);
	}
}

static struct tg_holder *holder_of(struct tg_stream *stream)
{
	return *tg_stream_holder(stream);
}

bool tg_descriptors_is(int fd, struct tg_stream *stream)
{
	return tg_entry_open(tg_entry_at(fd)) == holder_of(stream);
}

struct tg_stream *tg_descriptors_look_up(int fd)
{
	struct tg_holder *holder = tg_holder_at(fd);

	if (holder == NULL)
		return NULL;
	if (tg_holder_must_be_relayed(holder) && tg_descriptors_hand_over(fd)) {
		tg_holder_unref(holder);
		return NULL;
	}
	return holder->stream;
}

void tg_descriptors_put(struct tg_stream *stream)
{
	tg_holder_unref(holder_of(stream));
}

bool tg_descriptors_keep_stream(struct tg_stream *stream)
{
	struct tg_holder *holder = holder_of(stream);

	return holder != NULL && tg_holder_ref(holder);
}

bool tg_descriptors_own(struct tg_stream *stream)
{
	struct tg_holder *holder = holder_of(stream);

	if (tg_claim_take(&holder->claim))
		return true;
	/* Once for each connection: a server may try again and again. */
	if (!atomic_exchange_explicit(&holder->lost, true, memory_order_relaxed))
		tg_report_plaintext(tg_shim.report, holder->counters, TG_PLAINTEXT_CLOSED);
	errno = EIO;
	return false;
}

bool tg_descriptors_is_blocking(struct tg_stream *stream)
{
	if (atomic_load_explicit(&holder_of(stream)->nonblocking, memory_order_relaxed))
		return false;
	/* It may have been set behind our back, through another process's number of it. */
	int saved = errno, flags = tg_libc.fcntl(tg_stream_fd(stream), F_GETFL);
	errno = saved;
	return flags >= 0 && (flags & O_NONBLOCK) == 0;
}

void tg_descriptors_set_nonblocking(struct tg_stream *stream, bool nonblocking)
{
	atomic_store_explicit(&holder_of(stream)->nonblocking, nonblocking, memory_order_relaxed);
}

/* The lowest number that is still open and this stream, other than `but`. */
static int find_number(const struct tg_holder *holder, int but)
{
	int last = tg_descriptors_end();

	for (int fd = 0; fd < last; fd++)
		if (fd != but && tg_entry_open(tg_entry_at(fd)) == holder)
			return fd;
	return -1;
}

bool tg_holder_close_one(struct tg_holder *holder, int fd)
{
	if (--holder->open == 0)
		return true;
	if (tg_stream_fd(holder->stream) == fd)
		tg_stream_set_fd(holder->stream, find_number(holder, fd));
	return false;
}

static struct tg_left left_of(uintptr_t before, int fd)
{
	struct tg_left left = {.holder = tg_entry_holder(before)};

	if (left.holder == NULL)
		return left;
	tg_holder_ref(left.holder);
	atomic_fetch_sub_explicit(&tg_descriptors_count, 1, memory_order_relaxed);
	if ((before & TG_CLOSING) == 0)
		left.was_last_open = tg_holder_close_one(left.holder, fd);
	left.was_last = --left.holder->numbers == 0;
	return left;
}

struct tg_left tg_entry_set(_Atomic uintptr_t *place, int fd, struct tg_holder *holder, uintptr_t flags)
{
	uintptr_t before = atomic_exchange_explicit(place, (uintptr_t)holder | flags, memory_order_acq_rel);

	tg_mark_follow(fd);
	if (holder != NULL) {
		holder->numbers++;
		holder->open++;
		atomic_fetch_add_explicit(&tg_descriptors_count, 1, memory_order_relaxed);
		if (fd >= atomic_load_explicit(&end, memory_order_relaxed))
			atomic_store_explicit(&end, fd + 1, memory_order_release);
	}
	return left_of(before, fd);
}

void tg_left_finish(const struct tg_left *left)
{
	if (left->holder == NULL)
		return;
	if (left->was_last_open) {
		tg_readiness_forget(left->holder->stream, -1);
		/* Whoever waits for it in another thread finds no socket, least of all the next one of this number. */
		tg_stream_set_fd(left->holder->stream, -1);
	}
	if (left->was_last)
		tg_holder_unref(left->holder);
	tg_holder_unref(left->holder);
}

bool tg_descriptors_add(struct tg_stream *stream, int fd, int flags, enum tg_engine engine,
			struct tg_section_slot *counters)
{
	/* The C library itself reads and writes there. */
	if (fd <= STDERR_FILENO)
		return false;
	tg_lock_take(&lock);
	_Atomic uintptr_t *place = tg_entry_make_place(fd);
	struct tg_holder *holder = place == NULL ? NULL : take_free();
	struct tg_left before = {.holder = NULL};
	if (holder != NULL) {
		holder->stream = stream;
		holder->claim = tg_claim_new();
		holder->engine = engine;
		holder->counters = counters;
		atomic_store(&holder->home, tg_claims_process());
		atomic_store(&holder->shared, false);
		atomic_store(&holder->lost, false);
		atomic_store(&holder->nonblocking, (flags & SOCK_NONBLOCK) != 0);
		holder->numbers = holder->open = 0;
		*tg_stream_holder(stream) = holder;
		atomic_store_explicit(&holder->references, 1, memory_order_release);
		before = tg_entry_set(place, fd, holder, (flags & SOCK_CLOEXEC) == 0 ? TG_KEPT : 0);
	}
	tg_lock_release(&lock);
	tg_left_finish(&before);
	return holder != NULL;
}

bool tg_descriptors_is_kept(int fd)
{
	return (tg_entry_at(fd) & TG_KEPT) != 0;
}

void tg_descriptors_keep(int fd, bool kept)
{
	_Atomic uintptr_t *place = tg_descriptors_place(fd);

	/* Between vfork(2) and exec the memory is the parent's, and the numbers are not. */
	if (place == NULL || tg_process_is_vforked())
		return;
	tg_lock_take(&lock);
	uintptr_t entry = atomic_load_explicit(place, memory_order_relaxed);
	if (tg_entry_holder(entry) != NULL)
		atomic_store_explicit(place, kept ? entry | TG_KEPT : entry & ~TG_KEPT, memory_order_release);
	tg_lock_release(&lock);
}

void tg_descriptors_lock(void)
{
	tg_lock_take(&lock);
}

void tg_descriptors_unlock(void)
{
	tg_lock_release(&lock);
}
