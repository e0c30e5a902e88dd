/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/fork.h"

#include "shim/binding/lock.h"
#include "shim/binding/openssl.h"
#include "shim/direct/descriptors/descriptors.h"
#include "shim/direct/readiness/readiness.h"
#include "shim/policy/conf.h"
#include "shim/policy/connection.h"
#include "shim/policy/context.h"
#include "shim/policy/generation.h"
#include "shim/policy/intermediates.h"
#include "shim/process/process.h"
#include "shim/process/state.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>

/* False: this thread is deciding, and goes on with it after the fork. */
static _Thread_local bool took_decision __attribute__((tls_model("initial-exec")));

static void take_decision(void)
{
	took_decision = tg_shim_decision_begin();
}

static void release_decision(void)
{
	if (took_decision)
		tg_shim_decision_end();
}

static const struct {
	void (*lock)(void);
	void (*unlock)(void);
} locks[] = {
#define TG_FORK(lock, unlock) {lock, unlock},
#include "shim/binding/locks.def"
#undef TG_FORK
};
enum { LOCKS = sizeof(locks) / sizeof(locks[0]) };

static _Thread_local sigset_t mask __attribute__((tls_model("initial-exec")));
static _Thread_local bool is_masked __attribute__((tls_model("initial-exec")));

/*
 * A signal that comes while a process is made is handled before it is made: a handler that uses a connection would wait for
 * what its own thread holds, or for a thread that waits for that.
 */
static void hold_signals(void)
{
	sigset_t every;

	if (!tg_descriptors_are_wanted())
		return;
	sigfillset(&every);
	is_masked = pthread_sigmask(SIG_SETMASK, &every, &mask) == 0;
}

static void let_signals(void)
{
	if (is_masked)
		pthread_sigmask(SIG_SETMASK, &mask, NULL);
	is_masked = false;
}

static void before(void)
{
	if (tg_shim_is(TG_STATE_GOVERNED) && atomic_load_explicit(&tg_shim.serves, memory_order_acquire))
		tg_generation_prepare();
	tg_stream_before_wait(); /* what is corked is for one process to write */
	hold_signals();
	tg_lock_fork_begin();
	for (size_t i = 0; i < LOCKS; i++)
		locks[i].lock();
	tg_lock_check_all();
	tg_descriptors_before_fork();
}

static void after(void)
{
	for (size_t i = LOCKS; i-- > 0;)
		locks[i].unlock();
	tg_lock_fork_end();
	let_signals();
}

/* A worker is listed from its birth on, not from its first handshake. */
static void after_in_child(void)
{
	tg_descriptors_after_fork_in_child();
	after();
	if (tg_shim_is(TG_STATE_GOVERNED))
		tg_process_report(tg_generation_number());
}

void tg_fork_start(void)
{
	pthread_atfork(before, after, after_in_child);
}
