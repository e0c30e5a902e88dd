/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words of a stream that belong to readiness.h: who waits for it. Kept in the stream, so that a call on it reaches them
 * by one load and without an allocation, and that they live as long as it does. All zero at first: no registration.
 */
#ifndef TG_SHIM_DIRECT_STREAM_WATCH_H
#define TG_SHIM_DIRECT_STREAM_WATCH_H

struct tg_registration;

struct tg_watch {
	_Atomic unsigned look;         /* what of tg_stream_state is worth a closer look after a call (registrations.h) */
	struct tg_registration *first; /* under the lock of tg_registrations_lock */
	_Atomic unsigned reader;       /* not 0: a thread is in the kernel until something can be read (wait.c) */
	_Atomic unsigned sleeper;      /* not 0: it sleeps there, and what comes is its to take */
	_Atomic unsigned reader_turns; /* a futex: how often one came back */
	_Atomic unsigned behind_it;    /* threads that wait for that */
};

#endif
