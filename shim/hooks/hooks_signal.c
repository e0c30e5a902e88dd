/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hooks of signal dispositions and of waiting for signals. For all but the reload signal of a governed process they are
 * the C library's own calls.
 */
#include "shim/binding/libc.h"
#include "shim/process/signal_descriptor.h"
#include "shim/process/signals.h"
#include "shim/process/state.h"

#include <errno.h>
#include <pthread.h>

/* siginterrupt(3): later signal() calls leave SA_RESTART out. */
static _Atomic bool interrupts;

static bool covers(int number)
{
	tg_libc_bind();
	return tg_signals_covers(number);
}

/* The older calls in terms of sigaction, as signal(2) describes them. */
static __sighandler_t set_handler(int number, __sighandler_t handler, int flags, bool mask_itself)
{
	struct sigaction action = {.sa_handler = handler, .sa_flags = flags}, old;

	if (handler == SIG_ERR) {
		errno = EINVAL;
		return SIG_ERR;
	}
	if (mask_itself)
		sigaddset(&action.sa_mask, number);
	return tg_signals_set(number, &action, &old) == 0 ? old.sa_handler : SIG_ERR;
}

static __sighandler_t set_bsd(int number, __sighandler_t handler)
{
	return set_handler(number, handler, atomic_load(&interrupts) ? 0 : SA_RESTART, true);
}

static __sighandler_t set_sysv(int number, __sighandler_t handler)
{
	return set_handler(number, handler, SA_RESETHAND | SA_NODEFER, false);
}

TG_EXPORT int sigaction(int number, const struct sigaction *act, struct sigaction *old)
{
	return covers(number) ? tg_signals_set(number, act, old) : tg_libc.sigaction(number, act, old);
}

TG_EXPORT __sighandler_t signal(int number, __sighandler_t handler)
{
	return covers(number) ? set_bsd(number, handler) : tg_libc.signal(number, handler);
}

TG_EXPORT __sighandler_t bsd_signal(int number, __sighandler_t handler)
{
	return covers(number) ? set_bsd(number, handler) : tg_libc.bsd_signal(number, handler);
}

TG_EXPORT __sighandler_t ssignal(int number, __sighandler_t handler)
{
	return covers(number) ? set_bsd(number, handler) : tg_libc.ssignal(number, handler);
}

TG_EXPORT __sighandler_t sysv_signal(int number, __sighandler_t handler)
{
	return covers(number) ? set_sysv(number, handler) : tg_libc.sysv_signal(number, handler);
}

TG_EXPORT __sighandler_t __sysv_signal(int number, __sighandler_t handler)
{
	return covers(number) ? set_sysv(number, handler) : tg_libc.__sysv_signal(number, handler);
}

TG_EXPORT int sigignore(int number)
{
	if (!covers(number))
		return tg_libc.sigignore(number);
	return set_handler(number, SIG_IGN, 0, false) == SIG_ERR ? -1 : 0;
}

/* sigset(3): SIG_HOLD blocks and leaves the disposition alone; anything else sets it and unblocks. */
TG_EXPORT __sighandler_t sigset(int number, __sighandler_t handler)
{
	__sighandler_t old = SIG_ERR;
	struct sigaction action;
	sigset_t only, before;
	bool hold;

	if (!covers(number))
		return tg_libc.sigset(number, handler);
	hold = handler == SIG_HOLD;
	sigemptyset(&only);
	sigaddset(&only, number);
	if (!hold)
		old = set_handler(number, handler, 0, false);
	else if (tg_signals_set(number, NULL, &action) == 0)
		old = action.sa_handler;
	if (old == SIG_ERR || pthread_sigmask(hold ? SIG_BLOCK : SIG_UNBLOCK, &only, &before) != 0)
		return SIG_ERR;
	return sigismember(&before, number) ? SIG_HOLD : old;
}

TG_EXPORT int siginterrupt(int number, int interrupt)
{
	struct sigaction action;
	int r;

	if (!covers(number))
		return tg_libc.siginterrupt(number, interrupt);
	r = tg_signals_set(number, NULL, &action);
	if (r == 0) {
		action.sa_flags = interrupt ? action.sa_flags & ~SA_RESTART : action.sa_flags | SA_RESTART;
		r = tg_signals_set(number, &action, NULL);
	}
	if (r == 0)
		atomic_store(&interrupts, interrupt != 0);
	return r;
}

TG_EXPORT int sigwait(const sigset_t *set, int *ret_number)
{
	int r;

	tg_libc_bind();
	r = tg_libc.sigwait(set, ret_number);
	if (r == 0)
		tg_signals_waited(*ret_number);
	return r;
}

TG_EXPORT int sigwaitinfo(const sigset_t *set, siginfo_t *info)
{
	int number;

	tg_libc_bind();
	number = tg_libc.sigwaitinfo(set, info);
	tg_signals_waited(number);
	return number;
}

TG_EXPORT int sigtimedwait(const sigset_t *set, siginfo_t *info, const struct timespec *timeout)
{
	int number;

	tg_libc_bind();
	number = tg_libc.sigtimedwait(set, info, timeout);
	tg_signals_waited(number);
	return number;
}

TG_EXPORT int signalfd(int fd, const sigset_t *mask, int flags)
{
	tg_libc_bind();
	int r = tg_libc.signalfd(fd, mask, flags);
	tg_signal_descriptor_set(r, mask);
	return r;
}
