/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/process/process.h"

#include "ipc/report.h"
#include "shim/process/state.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

/* All zero in a new process. */
struct remembered {
	_Atomic uint32_t pid;
	_Atomic uint64_t reported; /* generation + 1 */
};

static struct remembered *remembered;

/* So that a vfork child, which does not come here, finds its parent's number. */
static void remember_child(void)
{
	tg_process_id();
}

void tg_process_start(void)
{
	int saved_errno = errno;
	void *page = mmap(NULL, TG_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page != MAP_FAILED) {
		/* Unless the kernel promises to empty it, a child would take itself for its parent. */
		if (madvise(page, TG_PAGE_SIZE, MADV_WIPEONFORK) == 0)
			remembered = page;
		else
			munmap(page, TG_PAGE_SIZE);
	}
	if (remembered)
		pthread_atfork(NULL, NULL, remember_child);
	errno = saved_errno;
}

uint32_t tg_process_id(void)
{
	uint32_t pid;

	if (!remembered)
		return (uint32_t)getpid();
	pid = atomic_load_explicit(&remembered->pid, memory_order_relaxed);
	if (pid == 0) {
		pid = (uint32_t)getpid();
		atomic_store_explicit(&remembered->pid, pid, memory_order_relaxed);
	}
	return pid;
}

bool tg_process_is_vforked(void)
{
	uint32_t pid = remembered ? atomic_load_explicit(&remembered->pid, memory_order_relaxed) : 0;

	return pid != 0 && pid != (uint32_t)getpid();
}

bool tg_process_is_new(void)
{
	return !remembered || atomic_load_explicit(&remembered->reported, memory_order_relaxed) == 0;
}

void tg_process_report(uint64_t generation)
{
	if (remembered) {
		if (atomic_load_explicit(&remembered->reported, memory_order_relaxed) == generation + 1)
			return;
		atomic_store_explicit(&remembered->reported, generation + 1, memory_order_relaxed);
	}
	tg_report_process(tg_shim.report, tg_process_id(), generation);
}
