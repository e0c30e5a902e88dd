/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every schedule of a few threads, up to a number of preemptions, on the shim's real code (Musuvathi, Qadeer: "Iterative
 * Context Bounding for Systematic Testing of Multithreaded Programs", 2007).
 *
 * The code is compiled with -fsanitize=thread, and memory.c is what it calls in the place of ThreadSanitizer's runtime:
 * each atomic operation, each lock and each call into the kernel is a step, before which another thread may be put in. One
 * thread runs at a time; who comes next is a decision, and the decisions are gone through depth first. What no lock or
 * atomic operation orders is reported in whichever schedule it is seen, and so is memory that is used after it was freed, a
 * deadlock, and what a scenario itself checks.
 *
 * Before each run all static memory of the program, and all that was allocated, is as `prepare` left it.
 */
#ifndef EXPLORE_H
#define EXPLORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MODEL_THREADS 4 /* 0: who sets up and checks */

struct scenario {
	const char *name; /* NULL: the end of the list */
	void (*set_up)(void);
	void (*threads[MODEL_THREADS - 1])(void);
	void (*check)(void); /* when all have ended; may be NULL */
	unsigned preemptions;
	/* An atomic load may also bring an older value, as far as C11's orders allow: each such load counts as a
	 * preemption. */
	bool reads_late;
};

/* Of a model's file. */
extern const struct scenario scenarios[];
void prepare(void); /* once */

/* Another thread may be put in here: an operation on `object`, which others may use, follows. */
void model_step(const void *object);

/* A call that blocks until `ready` says true: other threads go on meanwhile. */
void model_wait(bool (*ready)(const void *), const void *arg);

/* One of `count` ways in which something outside may go; each is tried. */
unsigned model_choose(unsigned count);

/* Ends the program: the schedule is told. */
__attribute__((noreturn, format(printf, 1, 2))) void model_fail(const char *format, ...);

static inline void model_check(bool holds, const char *words)
{
	if (!holds)
		model_fail("%s", words);
}

/* `thread` is of another process than those that are not named here: it has its own of what a fork empties
 * (MADV_WIPEONFORK). */
void model_fork(unsigned thread, unsigned process);

/* No lock is held by any thread but this one: as at a fork, whose child has no other. */
void model_check_fork(void);

/* This thread holds none. */
bool model_is_lock_free(void);

/* An allocation of the code under test that is not given back. */
size_t model_allocated(void);

/* Between explore.c and memory.c. */
struct model_memory;
struct model_memory *model_memory_new(void);
void model_memory_begin(void); /* a run */
void model_memory_fork(void);  /* its threads begin after all that was done so far */
void model_memory_join(void);  /* they have ended */
unsigned model_decide(unsigned count);
unsigned model_decide_late(unsigned count); /* how old what a load brings is */
void model_step_at(const void *object, const void *pc);
unsigned model_self(void);
bool model_is_running(void);
bool model_is_on_stack(uintptr_t address);

#endif
