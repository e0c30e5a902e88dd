/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The part of a stream that belongs to readiness.h: who waits for the stream. It is kept in the stream, so that a call on
 * the stream reaches it by one load and without an allocation, and so that it lives as long as the stream. All zero: no
 * registration.
 */
#ifndef TG_SHIM_DIRECT_STREAM_WATCH_H
#define TG_SHIM_DIRECT_STREAM_WATCH_H

struct tg_registration;

struct tg_watch {
	_Atomic unsigned look;         /* what of tg_stream_state is worth a closer look after a call (registrations.h) */
	struct tg_registration *first; /* under the lock of tg_registrations_lock */
	_Atomic unsigned reader;       /* not 0: a thread is in the kernel until something can be read (wait.c) */
	_Atomic unsigned sleeper;      /* not 0: that thread sleeps, and alone may take what arrives */
	_Atomic unsigned reader_turns; /* a futex: how often a reader came back */
	_Atomic unsigned behind_it;    /* threads that wait on it */
};

#endif
