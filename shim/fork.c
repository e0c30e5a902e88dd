#include "shim/fork.h"

#include "shim/connection.h"
#include "shim/context.h"
#include "shim/generation.h"
#include "shim/process.h"
#include "shim/state.h"

#include <pthread.h>

static void before(void)
{
	if (tg_shim_state() == TG_STATE_GOVERNED)
		tg_generation_prepare();
	tg_generation_lock();
	tg_context_lock();
	tg_connection_lock();
}

static void after(void)
{
	tg_connection_unlock();
	tg_context_unlock();
	tg_generation_unlock();
}

/* A worker is listed from its birth on, not from its first handshake. */
static void after_in_child(void)
{
	after();
	if (tg_shim_state() == TG_STATE_GOVERNED)
		tg_process_report(tg_generation_number());
}

static void register_handlers(void)
{
	pthread_atfork(before, after, after_in_child);
}

void tg_fork_start(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, register_handlers);
}
