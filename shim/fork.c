#include "shim/fork.h"

#include "shim/connection.h"
#include "shim/context.h"
#include "shim/direct/descriptors.h"
#include "shim/direct/readiness.h"
#include "shim/generation.h"
#include "shim/intermediates.h"
#include "shim/process.h"
#include "shim/state.h"

#include <pthread.h>
#include <stdatomic.h>

static atomic_bool serving;

static void before(void)
{
	if (tg_shim_is(TG_STATE_GOVERNED) && atomic_load_explicit(&serving, memory_order_acquire))
		tg_generation_prepare();
	tg_shim_decision_begin();
	tg_stream_before_wait(); /* what is held back is for one process to write */
	tg_readiness_lock();
	tg_descriptors_lock();
	tg_stream_lock_all();
	tg_descriptors_before_fork();
	tg_generation_lock();
	tg_context_lock();
	tg_connection_lock();
	tg_intermediates_lock();
}

static void after(void)
{
	tg_intermediates_unlock();
	tg_connection_unlock();
	tg_context_unlock();
	tg_generation_unlock();
	tg_stream_unlock_all();
	tg_descriptors_unlock();
	tg_readiness_unlock();
	tg_shim_decision_end();
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

void tg_fork_serve(void)
{
	atomic_store_explicit(&serving, true, memory_order_release);
}
