/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/process/state.h"

#include <pthread.h>
#include <stdatomic.h>

struct tg_shim tg_shim;

static pthread_mutex_t decision = PTHREAD_MUTEX_INITIALIZER;
static _Atomic pthread_t decider; /* 0: nobody */

bool tg_shim_decision_begin(void)
{
	if (atomic_load_explicit(&decider, memory_order_relaxed) == pthread_self())
		return false;
	pthread_mutex_lock(&decision);
	atomic_store_explicit(&decider, pthread_self(), memory_order_relaxed);
	return true;
}

void tg_shim_decision_end(void)
{
	atomic_store_explicit(&decider, 0, memory_order_relaxed);
	pthread_mutex_unlock(&decision);
}
