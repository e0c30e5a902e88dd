/*
 * The words of a stream that belong to readiness.h: who waits for it. Kept in the stream, so that a call on it reaches them
 * by one load and without an allocation, and that they live as long as it does. All zero at first, which is a lock that
 * nobody has and no registration.
 */
#ifndef TG_SHIM_DIRECT_WATCH_H
#define TG_SHIM_DIRECT_WATCH_H

#include <pthread.h>

struct tg_registration;

struct tg_watch {
	_Atomic unsigned look; /* what of tg_stream_state is worth taking the lock for (registrations.h) */
	_Atomic int readers;   /* threads that block until something can be read (tg_readiness_wait) */
	pthread_mutex_t lock;  /* of the list of registrations */
	struct tg_registration *first;
};

#endif
