/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/process/signal_descriptor.h"

#include "shim/process/signals.h"

#include <string.h>
#include <sys/signalfd.h>

#define MOST 8 /* at a time; what a server makes beyond that asks for no reload */

_Atomic bool tg_signal_descriptor_any;

static _Atomic int known[MOST]; /* fd + 1; 0: free */

static bool is_known(int fd)
{
	for (int i = 0; i < MOST; i++)
		if (atomic_load_explicit(&known[i], memory_order_relaxed) == fd + 1)
			return true;
	return false;
}

void tg_signal_descriptor_forget(int fd)
{
	for (int i = 0; i < MOST; i++) {
		int before = fd + 1;
		atomic_compare_exchange_strong(&known[i], &before, 0);
	}
}

void tg_signal_descriptor_set(int fd, const sigset_t *mask)
{
	bool wanted = false;

	if (fd < 0)
		return;
	for (int number = 1; number < NSIG; number++)
		wanted = wanted || (tg_signals_covers(number) && sigismember(mask, number) == 1);
	if (wanted == is_known(fd))
		return;
	if (!wanted) {
		tg_signal_descriptor_forget(fd);
		return;
	}
	for (int i = 0; i < MOST; i++) {
		int unused = 0;
		if (atomic_compare_exchange_strong(&known[i], &unused, fd + 1))
			break;
	}
	atomic_store_explicit(&tg_signal_descriptor_any, true, memory_order_relaxed);
}

void tg_signal_descriptor_bytes(int fd, const void *data, size_t size)
{
	struct signalfd_siginfo info;

	if (size % sizeof(info) != 0 || !is_known(fd))
		return;
	for (size_t at = 0; at < size; at += sizeof(info)) {
		memcpy(&info, (const char *)data + at, sizeof(info));
		tg_signals_waited((int)info.ssi_signo);
	}
}
