/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/process/signals.h"

#include "ipc/report.h"
#include "shim/binding/libc.h"
#include "shim/process/process.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

/*
 * The program's view of the signal. A view is never changed once it is published: each new one takes the next of a ring of
 * slots, and a reader (mostly the handler, which may have interrupted a writer) that finds its slot reused reads again.
 */
#define VIEW_COUNT 16u

typedef void simple_handler(int number);
typedef void info_handler(int number, siginfo_t *info, void *context);

struct view {
	uintptr_t handler; /* (uintptr_t)SIG_DFL, SIG_IGN, or a function */
	int flags;
	uint64_t mask; /* the kernel's 64 signals */
};

struct view_slot {
	_Atomic uintptr_t handler;
	_Atomic int flags;
	_Atomic uint64_t mask;
};

static struct view_slot views[VIEW_COUNT];
static _Atomic unsigned issued;  /* tickets; ticket t uses views[t % VIEW_COUNT] */
static _Atomic unsigned current; /* the published ticket */

static _Atomic int covered; /* the reload signal; 0: none. Set after all else here: threads may be running */
static struct tg_report_page *report_page;
static _Atomic bool serving;

static const uintptr_t view_default = (uintptr_t)SIG_DFL;
static const uintptr_t view_ignore = (uintptr_t)SIG_IGN;

static struct view read_view(unsigned *ret_ticket)
{
	struct view view;
	unsigned ticket;

	do {
		const struct view_slot *slot;

		ticket = atomic_load(&current);
		slot = &views[ticket % VIEW_COUNT];
		view.handler = atomic_load(&slot->handler);
		view.flags = atomic_load(&slot->flags);
		view.mask = atomic_load(&slot->mask);
	} while (atomic_load(&issued) - ticket >= VIEW_COUNT);
	if (ret_ticket)
		*ret_ticket = ticket;
	return view;
}

static unsigned write_view(const struct view *view)
{
	unsigned ticket = atomic_fetch_add(&issued, 1) + 1;
	struct view_slot *slot = &views[ticket % VIEW_COUNT];

	atomic_store(&slot->handler, view->handler);
	atomic_store(&slot->flags, view->flags);
	atomic_store(&slot->mask, view->mask);
	return ticket;
}

/*
 * Publishes `view` and returns the one before. A writer that was overtaken takes a new ticket: publishing the old one late
 * would publish a slot that is about to be reused.
 */
static struct view replace_view(const struct view *view)
{
	struct view old;
	unsigned ticket;

	do
		old = read_view(&ticket);
	while (!atomic_compare_exchange_strong(&current, &ticket, write_view(view)));
	return old;
}

static struct view view_of(const struct sigaction *action)
{
	struct view view = {.flags = action->sa_flags};

	if (action->sa_flags & SA_SIGINFO)
		view.handler = (uintptr_t)action->sa_sigaction;
	else
		view.handler = (uintptr_t)action->sa_handler;
	memcpy(&view.mask, &action->sa_mask, sizeof(view.mask));
	return view;
}

static struct sigaction action_of(const struct view *view)
{
	struct sigaction action = {.sa_flags = view->flags};

	if (view->flags & SA_SIGINFO)
		action.sa_sigaction = (info_handler *)view->handler;
	else
		action.sa_handler = (simple_handler *)view->handler;
	memcpy(&action.sa_mask, &view->mask, sizeof(view->mask));
	return action;
}

static bool is_function(const struct view *view)
{
	return view->handler != view_default && view->handler != view_ignore;
}

static void on_signal(int number, siginfo_t *info, void *context);

static bool is_ours(const struct sigaction *action)
{
	return (action->sa_flags & SA_SIGINFO) && action->sa_sigaction == on_signal;
}

/* What the kernel is to hold for a view. SA_RESETHAND is done by on_signal: the kernel would take our handler away. */
static struct sigaction real_action(const struct view *view, bool is_serving)
{
	struct sigaction action = action_of(view);

	if (is_function(view)) {
		action.sa_flags = (view->flags | SA_SIGINFO) & ~(int)SA_RESETHAND;
		action.sa_sigaction = on_signal;
	} else if (is_serving) {
		action = (struct sigaction){.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK};
		action.sa_sigaction = on_signal;
	}
	return action;
}

/* Brings the kernel in line with the published view, also where another thread publishes meanwhile. */
static int apply_view(struct sigaction *ret_first_old)
{
	struct sigaction *ret_old = ret_first_old;
	unsigned ticket;
	bool is_serving;

	do {
		struct view view = read_view(&ticket);
		struct sigaction action;

		is_serving = atomic_load(&serving);
		action = real_action(&view, is_serving);
		if (tg_libc.sigaction(covered, &action, ret_old) != 0)
			return -1;
		ret_old = NULL;
	} while (atomic_load(&current) != ticket || atomic_load(&serving) != is_serving);
	return 0;
}

/* As the kernel would have done without us. Returns where the default does not end the process (PID 1 of a container). */
static void act_by_default(int number)
{
	struct sigaction action = {.sa_handler = SIG_DFL};
	sigset_t only, before;

	sigemptyset(&only);
	sigaddset(&only, number);
	tg_libc.sigaction(number, &action, NULL);
	raise(number);
	pthread_sigmask(SIG_UNBLOCK, &only, &before);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	apply_view(NULL);
}

/* The view that this delivery is for; with SA_RESETHAND it is the default for the next one. */
static struct view take_view(void)
{
	struct view view;
	unsigned ticket;

	for (;;) {
		struct view reset;

		view = read_view(&ticket);
		if (!is_function(&view) || !(view.flags & SA_RESETHAND))
			return view;
		reset = view;
		reset.handler = view_default;
		if (atomic_compare_exchange_strong(&current, &ticket, write_view(&reset)))
			return view;
	}
}

static void on_signal(int number, siginfo_t *info, void *context)
{
	int saved_errno = errno;
	struct view view = take_view();

	/* A terminal that hangs up says so with SI_KERNEL; kill(2) and its kin do not. */
	if (view.handler == view_default && (!atomic_load(&serving) || info->si_code == SI_KERNEL)) {
		act_by_default(number);
		errno = saved_errno;
		return;
	}
	tg_report_request_reload(report_page);
	errno = saved_errno;
	if (!is_function(&view))
		return;
	if (view.flags & SA_SIGINFO)
		((info_handler *)view.handler)(number, info, context);
	else
		((simple_handler *)view.handler)(number);
}

void tg_signals_start(int number, struct tg_report_page *report)
{
	struct sigaction found;
	struct view view;

	tg_libc_bind();
	if (number == 0 || tg_libc.sigaction(number, NULL, &found) != 0)
		return;
	report_page = report;
	view = view_of(&found);
	replace_view(&view);
	covered = number;
	if (is_function(&view))
		apply_view(NULL);
}

void tg_signals_serve(void)
{
	int saved_errno;
	struct sigaction found;

	if (covered == 0 || atomic_load_explicit(&serving, memory_order_acquire))
		return;
	saved_errno = errno;
	/* Somebody may have gone past us, by a raw system call say: what counts is what is there. */
	if (tg_libc.sigaction(covered, NULL, &found) == 0 && !is_ours(&found)) {
		struct view view = view_of(&found);

		replace_view(&view);
	}
	atomic_store(&serving, true);
	apply_view(NULL);
	errno = saved_errno;
}

bool tg_signals_covers(int number)
{
	return covered != 0 && number == covered;
}

int tg_signals_set(int number, const struct sigaction *act, struct sigaction *ret_old)
{
	struct sigaction old;
	struct view view;

	/* A vfork child has the kernel's dispositions for itself and our memory in common with its parent. */
	if (tg_process_is_vforked())
		return tg_libc.sigaction(number, act, ret_old);
	if (!act) {
		if (tg_libc.sigaction(number, NULL, &old) != 0)
			return -1;
		view = read_view(NULL);
	} else {
		struct view wanted = view_of(act);

		view = replace_view(&wanted);
		if (apply_view(&old) != 0)
			return -1;
	}
	if (ret_old)
		*ret_old = is_ours(&old) ? action_of(&view) : old;
	return 0;
}

void tg_signals_waited(int number)
{
	if (tg_signals_covers(number))
		tg_report_request_reload(report_page);
}

bool tg_signals_before_exec(void)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN};

	if (covered == 0 || !atomic_load(&serving) || read_view(NULL).handler != view_ignore)
		return false;
	return tg_libc.sigaction(covered, &ignore, NULL) == 0;
}

void tg_signals_exec_failed(void)
{
	int saved_errno = errno;

	apply_view(NULL);
	errno = saved_errno;
}
