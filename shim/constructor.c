/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/socket.h"
#include "shim/binding/libc.h"
#include "shim/direct/descriptors/descriptors.h"
#include "shim/direct/handoff/inherited.h"
#include "shim/direct/handoff/relayed.h"
#include "shim/fork.h"
#include "shim/join.h"
#include "shim/process/environment.h"
#include "shim/process/log.h"
#include "shim/process/plaintext_ports.h"
#include "shim/process/process.h"
#include "shim/process/program.h"
#include "shim/process/signals.h"
#include "shim/process/state.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static _Atomic bool decided;

static void set_state(enum tg_state state)
{
	atomic_store_explicit(&tg_shim.state, state, memory_order_release);
}

static void govern(void)
{
	tg_environment.drop = !tg_shim.children_keep;
	tg_process_start();
	tg_process_report(0);
	tg_signals_start(tg_shim.reload_signal, tg_shim.report);
	set_state(TG_STATE_GOVERNED);
	tg_inherited_take();
}

static void close_down(int error)
{
	if (error == -EACCES)
		tg_shim_log("user %d may not have the policy: TLS server handshakes of %s fail", (int)geteuid(),
			    program_invocation_short_name);
	else
		tg_shim_log("no policy (%s): TLS server handshakes of %s fail",
			    error < 0 ? strerror(-error) : "the file is bad", program_invocation_short_name);
	/* Its connections on governed ports are closed when they are accepted. */
	if (tg_plaintext_ports_any())
		tg_descriptors_want();
	set_state(TG_STATE_CLOSED);
}

/* `result` and `concerned` as tg_join gave them. */
static void enter_state(int result, bool concerned)
{
	if (result != 0)
		close_down(result);
	else if (concerned)
		govern();
	else
		set_state(TG_STATE_INERT);
}

static bool is_run_target(void)
{
	const char *pid = tg_environment_value(tg_environment.run);

	return pid && strtol(pid, NULL, 10) == (long)getpid();
}

/*
 * A program that cannot serve yet. What `tlsgraft run` started says hello all the same, since `run` waits for it, and keeps
 * the policy: where it drops its user or changes its root before it turns out to serve, it could not get it any more. All
 * others do nothing but remember what a later decision needs.
 */
static void become_latent(void)
{
	bool concerned = true;

	tg_environment_resolve_config();
	if (is_run_target() && tg_join_existing(&concerned) == 0 && !concerned)
		return;
	set_state(TG_STATE_LATENT);
}

static void decide(void)
{
	bool concerned = false;
	int r = tg_environment_read();

	tg_libc_bind();
	if (r == -ENOENT)
		return;
	tg_shim_log_start();
	tg_program_start();
	if (r != 0) {
		close_down(r);
	} else if (tg_program_can_serve() || tg_inherited_any()) {
		r = tg_join(true, &concerned);
		enter_state(r, concerned);
	} else {
		become_latent();
	}
	if (tg_shim_is(TG_STATE_CLOSED))
		tg_inherited_take();
	if (!tg_shim_is(TG_STATE_INERT))
		tg_fork_start();
	/* started for one connection, as inetd does it; a descriptor of any other number is known by its first failure */
	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		tg_relayed_look(fd);
}

void tg_shim_start(void)
{
	int saved_errno;

	if (atomic_load_explicit(&decided, memory_order_acquire))
		return;
	saved_errno = errno;
	if (tg_shim_decision_begin()) {
		if (!atomic_load_explicit(&decided, memory_order_relaxed))
			decide();
		atomic_store_explicit(&decided, true, memory_order_release);
		tg_shim_decision_end();
	}
	errno = saved_errno;
}

static void decide_again(void)
{
	bool concerned = true;
	int r = tg_shim.policy ? 0 : tg_join(false, &concerned);

	enter_state(r, concerned);
	/* Where no port is known, what it has may as well be connections of its own making. */
	if (tg_shim_is(TG_STATE_CLOSED) && tg_environment.plaintext)
		tg_inherited_take();
}

void tg_shim_serve(void)
{
	int saved_errno, cancellation;
	sigset_t all, before;

	if (!tg_shim_is(TG_STATE_LATENT))
		return;
	saved_errno = errno;
	/* Neither a handler that forks or jumps away nor a cancellation may leave the decision half made. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancellation);
	if (tg_shim_decision_begin()) {
		if (tg_shim_is(TG_STATE_LATENT))
			decide_again();
		tg_shim_decision_end();
	}
	pthread_setcancelstate(cancellation, NULL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	errno = saved_errno;
}

void tg_shim_serve_on(int fd)
{
	if (tg_shim_is(TG_STATE_LATENT) && tg_socket_is_internet(fd))
		tg_shim_serve();
}

/* Before the constructors of the program's own objects; those of the libraries it needs have run. */
__attribute__((constructor(101))) static void construct(void)
{
	tg_shim_start();
}
