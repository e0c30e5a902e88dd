/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/process/state.h"

#include "shim/binding/lock.h"

#include <pthread.h>
#include <stdatomic.h>

struct tg_shim tg_shim;

static struct tg_lock decision = TG_LOCK_INITIALIZER(DECISION);
static _Atomic pthread_t decider; /* 0: nobody */

bool tg_shim_decision_begin(void)
{
	if (atomic_load_explicit(&decider, memory_order_relaxed) == pthread_self())
		return false;
	tg_lock_take(&decision);
	atomic_store_explicit(&decider, pthread_self(), memory_order_relaxed);
	return true;
}

void tg_shim_decision_end(void)
{
	atomic_store_explicit(&decider, 0, memory_order_relaxed);
	tg_lock_release(&decision);
}
