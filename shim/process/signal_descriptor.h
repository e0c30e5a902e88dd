/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Servers that block the reload signal and read it from a descriptor (signalfd(2)): no handler of ours runs there, so the
 * reload is requested when they read it. Any thread, also in a signal handler: no lock, no system call.
 */
#ifndef TG_SHIM_PROCESS_SIGNAL_DESCRIPTOR_H
#define TG_SHIM_PROCESS_SIGNAL_DESCRIPTOR_H

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

extern _Atomic bool tg_signal_descriptor_any;

/* There is a descriptor that the reload signal may be read from: one relaxed load for everybody else's reads. */
static inline bool tg_signal_descriptor_is_read(void)
{
	return atomic_load_explicit(&tg_signal_descriptor_any, memory_order_relaxed);
}

/* `fd`, where it is one, now stands for the signals of `mask`. */
void tg_signal_descriptor_set(int fd, const sigset_t *mask);

/* `fd` is closed. One that went by another way than close(2) stays known: reads of just that size can ask for reloads
 * then, which change nothing. */
void tg_signal_descriptor_forget(int fd);

/* `size` bytes were read from `fd`. */
void tg_signal_descriptor_bytes(int fd, const void *data, size_t size);

#endif
