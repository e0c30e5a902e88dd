/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/direct/descriptors/descriptors.h"

#include "ipc/report.h"
#include "shim/binding/libc.h"
#include "shim/binding/lock.h"
#include "shim/direct/descriptors/fd_bitmap.h"
#include "shim/direct/descriptors/fd_entry.h"
#include "shim/direct/readiness/readiness.h"
#include "shim/process/process.h"
#include "shim/process/state.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define BATCH 64 /* fd entries that are allocated at once */

_Atomic int tg_descriptors_count;
_Atomic(struct tg_descriptors_page *) tg_descriptors_pages[TG_DESCRIPTORS_PAGES];

static _Atomic int end;
static struct tg_fd_entry *free_entries;
static struct tg_lock lock = TG_LOCK_INITIALIZER(DESCRIPTORS); /* protects changes of words, and free_entries */

static void *map(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

int tg_descriptors_end(void)
{
	return atomic_load_explicit(&end, memory_order_acquire);
}

/* Pages are never freed, because descriptor numbers are reused. */
_Atomic uintptr_t *tg_fd_word_make(int fd)
{
	_Atomic uintptr_t *place = tg_descriptors_slot(fd);

	if (place != NULL || fd < 0 || fd >= TG_DESCRIPTORS_PAGES * TG_DESCRIPTORS_PAGE)
		return place;
	struct tg_descriptors_page *page = map(sizeof(*page));
	if (page == NULL)
		return NULL;
	/* Nothing is known of these numbers: a thread's call on one of them may have begun before it became a connection.
	 */
	for (int i = 0; i < TG_DESCRIPTORS_PAGE; i++)
		atomic_store_explicit(&page->words[i], tg_fd_word_former(), memory_order_relaxed);
	atomic_store_explicit(&tg_descriptors_pages[fd / TG_DESCRIPTORS_PAGE], page, memory_order_release);
	return tg_descriptors_slot(fd);
}

/* Under the lock. */
static struct tg_fd_entry *take_free(void)
{
	if (free_entries == NULL) {
		struct tg_fd_entry *fresh = map(BATCH * sizeof(*fresh));
		for (size_t i = 0; fresh != NULL && i < BATCH; i++) {
			fresh[i].next = free_entries;
			free_entries = &fresh[i];
		}
	}
	struct tg_fd_entry *entry = free_entries;
	if (entry != NULL)
		free_entries = entry->next;
	return entry;
}

bool tg_fd_entry_ref(struct tg_fd_entry *entry)
{
	unsigned references = atomic_load_explicit(&entry->references, memory_order_relaxed);

	while (references != 0)
		if (atomic_compare_exchange_weak_explicit(&entry->references, &references, references + 1,
							  memory_order_acquire, memory_order_relaxed))
			return true;
	return false;
}

void tg_fd_entry_unref(struct tg_fd_entry *entry)
{
	if (atomic_fetch_sub_explicit(&entry->references, 1, memory_order_acq_rel) != 1)
		return;
	/* No thread can register the stream any more. Registrations made while it was being closed are removed, too. */
	tg_readiness_forget(entry->stream, -1);
	tg_stream_free(entry->stream);
	tg_claim_end(&entry->claim);
	tg_lock_take(&lock);
	entry->stream = NULL;
	entry->next = free_entries;
	free_entries = entry;
	tg_lock_release(&lock);
}

struct tg_fd_entry *tg_fd_entry_at(int fd)
{
	for (;;) {
		struct tg_fd_entry *entry = tg_fd_word_entry(tg_fd_word_at(fd));
		if (entry == NULL)
			return NULL;
		if (!tg_fd_entry_ref(entry))
			continue; /* another thread changes the number at this moment */
		if (tg_fd_word_entry(tg_fd_word_at(fd)) == entry)
			return entry;
		tg_fd_entry_unref(entry);
	}
}

static struct tg_fd_entry *entry_of(struct tg_stream *stream)
{
	return *tg_stream_fd_entry(stream);
}

bool tg_descriptors_is(int fd, struct tg_stream *stream)
{
	return tg_fd_word_open_entry(tg_fd_word_at(fd)) == entry_of(stream);
}

struct tg_stream *tg_descriptors_look_up(int fd)
{
	struct tg_fd_entry *entry = tg_fd_entry_at(fd);

	if (entry == NULL)
		return NULL;
	if (tg_fd_entry_must_be_relayed(entry) && tg_descriptors_hand_over(fd)) {
		tg_fd_entry_unref(entry);
		return NULL;
	}
	return entry->stream;
}

void tg_descriptors_put(struct tg_stream *stream)
{
	tg_fd_entry_unref(entry_of(stream));
}

bool tg_descriptors_keep_stream(struct tg_stream *stream)
{
	struct tg_fd_entry *entry = entry_of(stream);

	return entry != NULL && tg_fd_entry_ref(entry);
}

bool tg_descriptors_claim(struct tg_stream *stream)
{
	struct tg_fd_entry *entry = entry_of(stream);

	if (tg_claim_take(&entry->claim))
		return true;
	/* Counted once for each connection, because a server may try again and again. */
	if (!atomic_exchange_explicit(&entry->lost, true, memory_order_relaxed))
		tg_report_plaintext(tg_shim.report, entry->counters, TG_PLAINTEXT_CLOSED);
	errno = EIO;
	return false;
}

bool tg_descriptors_is_blocking(struct tg_stream *stream)
{
	if (atomic_load_explicit(&entry_of(stream)->nonblocking, memory_order_relaxed))
		return false;
	/* Another process may have set it through its own number. */
	int saved = errno, flags = tg_libc.fcntl(tg_stream_fd(stream), F_GETFL);
	errno = saved;
	return flags >= 0 && (flags & O_NONBLOCK) == 0;
}

void tg_descriptors_set_nonblocking(struct tg_stream *stream, bool nonblocking)
{
	atomic_store_explicit(&entry_of(stream)->nonblocking, nonblocking, memory_order_relaxed);
}

/* The lowest open number of this stream, other than `but`. */
static int find_number(const struct tg_fd_entry *entry, int but)
{
	int last = tg_descriptors_end();

	for (int fd = 0; fd < last; fd++)
		if (fd != but && tg_fd_word_open_entry(tg_fd_word_at(fd)) == entry)
			return fd;
	return -1;
}

bool tg_fd_entry_close_one(struct tg_fd_entry *entry, int fd)
{
	if (--entry->open == 0)
		return true;
	if (tg_stream_fd(entry->stream) == fd)
		tg_stream_set_fd(entry->stream, find_number(entry, fd));
	return false;
}

static struct tg_left left_of(uintptr_t before, int fd)
{
	struct tg_left left = {.entry = tg_fd_word_entry(before)};

	if (left.entry == NULL)
		return left;
	tg_fd_entry_ref(left.entry);
	atomic_fetch_sub_explicit(&tg_descriptors_count, 1, memory_order_relaxed);
	if ((before & TG_CLOSING) == 0)
		left.was_last_open = tg_fd_entry_close_one(left.entry, fd);
	left.was_last = --left.entry->numbers == 0;
	return left;
}

struct tg_left tg_fd_word_set(_Atomic uintptr_t *place, int fd, struct tg_fd_entry *entry, uintptr_t flags)
{
	uintptr_t before = atomic_exchange_explicit(place, (uintptr_t)entry | flags, memory_order_acq_rel);

	tg_fd_bitmap_update(fd);
	if (entry != NULL) {
		entry->numbers++;
		entry->open++;
		atomic_fetch_add_explicit(&tg_descriptors_count, 1, memory_order_relaxed);
		if (fd >= atomic_load_explicit(&end, memory_order_relaxed))
			atomic_store_explicit(&end, fd + 1, memory_order_release);
	}
	return left_of(before, fd);
}

void tg_left_finish(const struct tg_left *left)
{
	if (left->entry == NULL)
		return;
	if (left->was_last_open) {
		tg_readiness_forget(left->entry->stream, -1);
		/* A thread that waits for the stream must find no socket, and above all not the next one of this number. */
		tg_stream_set_fd(left->entry->stream, -1);
	}
	if (left->was_last)
		tg_fd_entry_unref(left->entry);
	tg_fd_entry_unref(left->entry);
}

bool tg_descriptors_add(struct tg_stream *stream, int fd, int flags, enum tg_engine engine,
			struct tg_section_slot *counters)
{
	/* The C library itself reads and writes these descriptors. */
	if (fd <= STDERR_FILENO)
		return false;
	tg_lock_take(&lock);
	_Atomic uintptr_t *place = tg_fd_word_make(fd);
	struct tg_fd_entry *entry = place == NULL ? NULL : take_free();
	struct tg_left before = {.entry = NULL};
	if (entry != NULL) {
		entry->stream = stream;
		entry->claim = tg_claim_new();
		entry->engine = engine;
		entry->counters = counters;
		atomic_store(&entry->home, tg_claims_process());
		atomic_store(&entry->shared, false);
		atomic_store(&entry->lost, false);
		atomic_store(&entry->nonblocking, (flags & SOCK_NONBLOCK) != 0);
		entry->numbers = entry->open = 0;
		*tg_stream_fd_entry(stream) = entry;
		atomic_store_explicit(&entry->references, 1, memory_order_release);
		before = tg_fd_word_set(place, fd, entry, (flags & SOCK_CLOEXEC) == 0 ? TG_KEPT : 0);
	}
	tg_lock_release(&lock);
	tg_left_finish(&before);
	return entry != NULL;
}

bool tg_descriptors_is_kept(int fd)
{
	return (tg_fd_word_at(fd) & TG_KEPT) != 0;
}

void tg_descriptors_keep(int fd, bool kept)
{
	_Atomic uintptr_t *place = tg_descriptors_slot(fd);

	/* Between vfork(2) and exec the memory is the parent's, but the descriptors are the child's. */
	if (place == NULL || tg_process_is_vforked())
		return;
	tg_lock_take(&lock);
	uintptr_t word = atomic_load_explicit(place, memory_order_relaxed);
	if (tg_fd_word_entry(word) != NULL)
		atomic_store_explicit(place, kept ? word | TG_KEPT : word & ~TG_KEPT, memory_order_release);
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
