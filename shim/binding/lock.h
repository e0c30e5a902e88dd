/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The locks of the shim: mutexes, each with its place in the order of locks.def. In a usual build there is nothing but the
 * mutex. With TLSGRAFT_LOCK_ORDER each thread knows which ranks it holds; what is against the order is a report: a line on
 * stderr and in the file TLSGRAFT_LOCK_REPORTS of the build, where that exists, and the end of the process (abort(3)).
 */
#ifndef TG_SHIM_BINDING_LOCK_H
#define TG_SHIM_BINDING_LOCK_H

#include <pthread.h>
#include <stdbool.h>

enum tg_rank {
#define TG_LOCK(name, calls, number, text) TG_RANK_##name,
#include "shim/binding/locks.def"
#undef TG_LOCK
	TG_RANKS
};

struct tg_lock {
	pthread_mutex_t mutex;
#ifdef TLSGRAFT_LOCK_ORDER
	enum tg_rank rank;
#endif
};

#ifdef TLSGRAFT_LOCK_ORDER

#define TG_LOCK_INITIALIZER(name)                                                                                          \
	{                                                                                                                  \
		PTHREAD_MUTEX_INITIALIZER, TG_RANK_##name                                                                  \
	}

void tg_lock_note_take(enum tg_rank rank, bool one_more);
void tg_lock_note_tried(enum tg_rank rank);
void tg_lock_note_release(enum tg_rank rank);

/* libssl or libcrypto is about to be called; the thread is about to wait for whatever it is. */
void tg_lock_check_call(void);
void tg_lock_check_wait(void);

/* In fork's handlers, with all locks: none is missing. From `begin` to `end` calls of libssl are not looked at. */
void tg_lock_fork_begin(void);
void tg_lock_check_all(void);
void tg_lock_fork_end(void);

#define TG_LOCK_NOTE(lock, what, ...) tg_lock_note_##what((lock)->rank, ##__VA_ARGS__)
#define TG_LOCK_SET_RANK(lock, value) ((lock)->rank = (value))

#else

#define TG_LOCK_INITIALIZER(name)                                                                                          \
	{                                                                                                                  \
		PTHREAD_MUTEX_INITIALIZER                                                                                  \
	}
#define TG_LOCK_NOTE(lock, what, ...) ((void)(lock))
#define TG_LOCK_SET_RANK(lock, value) ((void)(value))

static inline void tg_lock_check_call(void)
{
}
static inline void tg_lock_check_wait(void)
{
}
static inline void tg_lock_fork_begin(void)
{
}
static inline void tg_lock_check_all(void)
{
}
static inline void tg_lock_fork_end(void)
{
}

#endif

static inline void tg_lock_init(struct tg_lock *lock, enum tg_rank rank)
{
	pthread_mutex_init(&lock->mutex, NULL);
	TG_LOCK_SET_RANK(lock, rank);
}

static inline void tg_lock_end(struct tg_lock *lock)
{
	pthread_mutex_destroy(&lock->mutex);
}

static inline void tg_lock_take(struct tg_lock *lock)
{
	TG_LOCK_NOTE(lock, take, false);
	pthread_mutex_lock(&lock->mutex);
}

/* One more of a kind: of all of them, in the order of their list, whose lock is held, or of their array. */
static inline void tg_lock_take_next(struct tg_lock *lock)
{
	TG_LOCK_NOTE(lock, take, true);
	pthread_mutex_lock(&lock->mutex);
}

/* Whatever is held. False: another thread has it, or this one. */
static inline bool tg_lock_try(struct tg_lock *lock)
{
	const bool taken = pthread_mutex_trylock(&lock->mutex) == 0;

	if (taken)
		TG_LOCK_NOTE(lock, tried);
	return taken;
}

static inline void tg_lock_release(struct tg_lock *lock)
{
	TG_LOCK_NOTE(lock, release);
	pthread_mutex_unlock(&lock->mutex);
}

#endif
