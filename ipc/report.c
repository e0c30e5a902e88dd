/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/report.h"

#include "ipc/calls.h"
#include "ipc/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define WHOLE_PAGES(size) (((size) + TG_PAGE_SIZE - 1) / TG_PAGE_SIZE * TG_PAGE_SIZE)
#define REPORT_SIZE WHOLE_PAGES(sizeof(struct tg_report_page))
#define SIZE_BEFORE WHOLE_PAGES(offsetof(struct tg_report_page, refusals)) /* of the layout before */
_Static_assert(TG_REFUSAL_COUNT <= TG_REFUSALS_MAX, "a reason without a counter");

#define PROCESS_PROBES 8
#define CLAIM_SPINS 1000

enum slot_state { SLOT_FREE = 0, SLOT_CLAIMED = 1, SLOT_READY = 2 };

int tg_report_create(const char *tree, int *ret_fd)
{
	const uint32_t head[2] = {TG_REPORT_MAGIC, TG_LAYOUT};
	int fd, error;

	fd = tg_tree_memfd(TG_REPORT_NAME, tree, REPORT_SIZE);
	if (fd < 0)
		return fd;
	/* No seal can be added any more: by F_SEAL_FUTURE_WRITE one attached process would keep the memory from those that
	 * come later.
	 */
	if (pwrite(fd, head, sizeof head, 0) != (ssize_t)sizeof head ||
	    tg_call_add_seals(fd, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)) {
		error = errno ? -errno : -EIO;
		tg_call_close(fd);
		return error;
	}
	*ret_fd = fd;
	return 0;
}

bool tg_report_abandoned(int fd)
{
	/* EAGAIN: the file is open for writing somewhere, by a descriptor or by a mapping made from one */
	if (tg_call_lease(fd, F_RDLCK) < 0)
		return false;
	tg_call_lease(fd, F_UNLCK);
	return true;
}

/* Another open file of the same memory. The one that memfd_create(2) gives is not counted as open for writing. */
static int reopen(int fd, int mode)
{
	char path[sizeof "/proc/self/fd/" + 3 * sizeof fd] = "/proc/self/fd/";
	char digits[3 * sizeof fd];
	size_t length = strlen(path), count = 0;
	unsigned int rest = (unsigned int)fd;
	int reopened;

	do {
		digits[count++] = (char)('0' + rest % 10);
		rest /= 10;
	} while (rest > 0);
	while (count > 0)
		path[length++] = digits[--count];
	path[length] = '\0';
	reopened = open(path, mode | O_CLOEXEC);
	return reopened < 0 ? -errno : reopened;
}

int tg_report_share(int fd)
{
	return reopen(fd, O_RDWR);
}

/* Where the file is shorter than the page, the rest is memory of this process alone: nobody reads what it counts there. */
static void *map_whole(int fd, int protection, size_t size)
{
	void *const map = mmap(NULL, REPORT_SIZE, protection, size < REPORT_SIZE ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED,
			       size < REPORT_SIZE ? -1 : fd, 0);
	int error;

	if (map == MAP_FAILED || size == REPORT_SIZE ||
	    mmap(map, size, protection, MAP_SHARED | MAP_FIXED, fd, 0) != MAP_FAILED)
		return map;
	error = errno;
	munmap(map, REPORT_SIZE);
	errno = error;
	return MAP_FAILED;
}

/*
 * Magic and layout are not looked at: the keeper named its layout when it answered, and any attached process could have
 * overwritten them since, which must not keep others from their policy. The size is sealed.
 */
int tg_report_map(int fd, bool writable, struct tg_report_page **ret_page)
{
	struct stat status;
	int source = fd, error = 0;
	void *map;

	if (fstat(fd, &status))
		return -errno;
	if (!S_ISREG(status.st_mode) || (status.st_size != (off_t)REPORT_SIZE && status.st_size != (off_t)SIZE_BEFORE))
		return -EPROTO;
	if (!writable) {
		source = reopen(fd, O_RDONLY);
		if (source < 0)
			return source;
	}
	map = map_whole(source, writable ? PROT_READ | PROT_WRITE : PROT_READ, (size_t)status.st_size);
	if (map == MAP_FAILED)
		error = -errno;
	if (!writable)
		tg_call_close(source);
	if (error)
		return error;
	*ret_page = map;
	return 0;
}

void tg_report_unmap(struct tg_report_page *page)
{
	if (page)
		munmap(page, REPORT_SIZE);
}

static void add_one(_Atomic uint64_t *counter)
{
	atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

void tg_report_request_reload(struct tg_report_page *page)
{
	add_one(&page->reload_requests);
}

void tg_report_process(struct tg_report_page *page, uint32_t pid, uint64_t generation)
{
	struct tg_process_slot *slot = NULL;

	for (uint32_t i = 0; i < PROCESS_PROBES && !slot; i++) {
		struct tg_process_slot *const probed = &page->processes[(pid + i) % TG_PROCESS_SLOTS];

		if (atomic_load_explicit(&probed->pid, memory_order_relaxed) == pid)
			slot = probed;
	}
	for (uint32_t i = 0; i < PROCESS_PROBES && !slot; i++) {
		struct tg_process_slot *const probed = &page->processes[(pid + i) % TG_PROCESS_SLOTS];
		uint32_t owner = 0;

		if (atomic_compare_exchange_strong_explicit(&probed->pid, &owner, pid, memory_order_relaxed,
							    memory_order_relaxed) ||
		    owner == pid)
			slot = probed;
	}
	if (!slot) {
		slot = &page->processes[pid % TG_PROCESS_SLOTS];
		atomic_store_explicit(&slot->pid, pid, memory_order_relaxed);
	}
	atomic_store_explicit(&slot->generation, generation, memory_order_relaxed);
}

/*
 * Waits, for a bounded number of looks, until a slot that somebody is claiming is ready: its owner may have died in
 * between, or the value may be wild. Returns true where the slot may be read.
 */
static bool wait_ready(_Atomic uint32_t *state)
{
	for (int spin = 0; spin < CLAIM_SPINS; spin++) {
		const uint32_t seen = atomic_load_explicit(state, memory_order_acquire);

		if (seen != SLOT_CLAIMED)
			return seen == SLOT_READY;
	}
	return false;
}

/* True where the slot was free and now is this caller's to fill. */
static bool claim(_Atomic uint32_t *state)
{
	uint32_t expected = SLOT_FREE;

	return atomic_load_explicit(state, memory_order_relaxed) == SLOT_FREE &&
	       atomic_compare_exchange_strong_explicit(state, &expected, SLOT_CLAIMED, memory_order_acquire,
						       memory_order_relaxed);
}

struct tg_section_slot *tg_report_section(struct tg_report_page *page, const char *name)
{
	char wanted[TG_SECTION_NAME_SIZE] = {0};

	memcpy(wanted, name, strnlen(name, sizeof wanted - 1));
	for (uint32_t i = 0; i < TG_SECTION_SLOTS; i++) {
		struct tg_section_slot *const slot = &page->sections[i];

		if (claim(&slot->state)) {
			memcpy(slot->name, wanted, sizeof slot->name);
			atomic_store_explicit(&slot->state, SLOT_READY, memory_order_release);
			return slot;
		}
		if (wait_ready(&slot->state) && strncmp(slot->name, wanted, sizeof slot->name) == 0)
			return slot;
	}
	return NULL;
}

void tg_report_accepted(struct tg_section_slot *slot, bool resumed)
{
	if (!slot)
		return;
	add_one(&slot->accepted);
	if (resumed)
		add_one(&slot->resumed);
}

static _Atomic uint64_t *refusals_of(struct tg_report_page *page, struct tg_section_slot *slot, enum tg_refusal reason)
{
	const unsigned number = reason;

	if (number < TG_REFUSALS_BEFORE_4)
		return &slot->refused_by[number];
	return &page->refusals[slot - page->sections].counts[number - TG_REFUSALS_BEFORE_4];
}

void tg_report_refused(struct tg_report_page *page, struct tg_section_slot *slot, enum tg_refusal reason)
{
	if (!slot)
		return;
	/* The layout that is read here decides about nothing else: whoever has overwritten it has spoilt a number. */
	if ((unsigned)reason >= TG_REFUSAL_COUNT || ((unsigned)reason >= TG_REFUSALS_BEFORE_4 && page->layout < 4))
		reason = TG_REFUSED_OTHER;
	add_one(&slot->refused);
	add_one(refusals_of(page, slot, reason));
}

uint64_t tg_report_refusals(const struct tg_report_page *page, const struct tg_section_slot *slot, enum tg_refusal reason)
{
	if (!slot)
		return 0;
	return atomic_load_explicit(
	    refusals_of((struct tg_report_page *)(uintptr_t)page, (struct tg_section_slot *)(uintptr_t)slot, reason),
	    memory_order_relaxed);
}

void tg_report_aborted(struct tg_section_slot *slot)
{
	if (slot)
		add_one(&slot->aborted);
}

void tg_report_plaintext(struct tg_report_page *page, const struct tg_section_slot *slot, enum tg_plaintext_event event)
{
	struct tg_plaintext_slot *counted;
	struct timespec now;

	if (!slot)
		return;
	counted = &page->plaintext[slot - page->sections];
	add_one(&counted->counts[event]);
	/* the coarse clock is read without a system call */
	if (event == TG_PLAINTEXT_CLIENT && clock_gettime(CLOCK_REALTIME_COARSE, &now) == 0)
		atomic_store_explicit(&counted->last_client, (uint64_t)now.tv_sec, memory_order_relaxed);
}

void tg_report_alpn_unanswered(struct tg_report_page *page, const struct tg_section_slot *slot)
{
	if (slot)
		add_one(&page->alpn_unanswered[slot - page->sections]);
}

void tg_report_moves(struct tg_report_page *page, const struct tg_section_slot *slot)
{
	if (slot)
		atomic_store_explicit(&page->plaintext[slot - page->sections].moves, 1, memory_order_relaxed);
}

bool tg_report_has_moved(const struct tg_report_page *page, const struct tg_section_slot *slot)
{
	return slot && atomic_load_explicit(&page->plaintext[slot - page->sections].moves, memory_order_relaxed) != 0;
}

void tg_report_ungoverned(struct tg_report_page *page, uint16_t family, const unsigned char address[16], uint16_t port)
{
	unsigned char wanted[16] = {0};
	unsigned alike = 0; /* addresses of this port */

	if (family == 4 || family == 6)
		memcpy(wanted, address, family == 4 ? 4 : 16);
	for (uint32_t i = 0; i < TG_UNGOVERNED_SLOTS; i++) {
		struct tg_ungoverned_slot *const slot = &page->ungoverned[i];

		/* a client may choose among many addresses of the machine, all of 127.0.0.0/8 for one: the port is told
		 * then */
		if (alike == TG_UNGOVERNED_ALIKE)
			memset(wanted, 0, sizeof wanted);
		if (claim(&slot->state)) {
			slot->family = family;
			slot->port = port;
			memcpy(slot->address, wanted, sizeof slot->address);
			atomic_store_explicit(&slot->state, SLOT_READY, memory_order_release);
		} else if (!wait_ready(&slot->state) || slot->family != family || slot->port != port ||
			   memcmp(slot->address, wanted, sizeof wanted) != 0) {
			alike += slot->family == family && slot->port == port;
			continue;
		}
		add_one(&slot->handshakes);
		return;
	}
}
