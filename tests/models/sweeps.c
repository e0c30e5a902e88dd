/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams, and what is corked: threads that make and end streams, that write what any of them holds back
 * before they wait, and a fork, which takes all locks.
 */
#include "explore.h"

#include "shim/binding/libc.h"
#include "shim/direct/descriptors/descriptors.h"
#include "shim/direct/readiness/readiness.h"
#include "shim/direct/stream/claims.h"
#include "shim/direct/stream/stream_call.h"
#include "shim/direct/stream/stream_inside.h"
#include "shim/policy/generation.h"
#include "shim/process/state.h"

#include <errno.h>

#define STREAMS 2

static struct tg_stream *streams[STREAMS];
static _Atomic unsigned written[STREAMS];
static const struct tg_route route;
static pthread_mutex_t readiness = PTHREAD_MUTEX_INITIALIZER;

/* What streams stand on. */

struct tg_libc tg_libc;
_Atomic bool tg_libc_bound = true;
struct tg_shim tg_shim;

static long call_syscall(long number, ...)
{
	(void)number;
	return 0;
}

void prepare(void)
{
	tg_libc.syscall = call_syscall;
}

void tg_libc_bind_now(void)
{
}

struct tg_generation *tg_generation_acquire(void)
{
	return NULL;
}

void tg_generation_unref(struct tg_generation *generation)
{
	(void)generation;
}

uint32_t tg_claims_process(void)
{
	return 1;
}

bool tg_descriptors_keep_stream(struct tg_stream *stream)
{
	(void)stream;
	return false;
}

void tg_descriptors_put(struct tg_stream *stream)
{
	(void)stream;
}

void tg_readiness_changed(struct tg_stream *stream)
{
	(void)stream;
}

void tg_stream_enter(struct tg_stream_call *call, struct tg_stream *stream)
{
	tg_lock_take(&stream->lock);
	tg_stream_enter_locked(call, stream);
}

void tg_stream_enter_locked(struct tg_stream_call *call, struct tg_stream *stream)
{
	call->stream = stream;
}

void tg_stream_leave(const struct tg_stream_call *call, int error)
{
	(void)error;
	tg_lock_release(&call->stream->lock);
}

bool tg_stream_is_inside(void)
{
	return false;
}

bool tg_stream_is_silent(const struct tg_stream *stream)
{
	(void)stream;
	return false;
}

void tg_stream_release(struct tg_stream *stream)
{
	tg_stream_corked_forget(stream);
	tg_bytes_free(&stream->output.early);
}

void tg_stream_handshaking_freed(struct tg_stream *stream)
{
	(void)stream;
}

void tg_stream_release_early(struct tg_stream *stream)
{
	for (unsigned i = 0; i < STREAMS; i++)
		written[i] += stream == streams[i];
	tg_bytes_free(&stream->output.early);
}

struct tg_pace tg_stream_pace_begin(struct tg_stream *stream, size_t wanted)
{
	(void)stream, (void)wanted;
	return (struct tg_pace){0};
}

void tg_stream_pace_end(const struct tg_stream *stream, const struct tg_pace *pace)
{
	(void)stream, (void)pace;
}

void tg_stream_handshakes_lock(void)
{
}

void tg_stream_handshakes_unlock(void)
{
}

void tg_stream_buffers_lock(void)
{
}

void tg_stream_buffers_unlock(void)
{
}

/* Set-up, and what threads do. */

static void all_corked(void)
{
	static char byte;

	for (unsigned i = 0; i < STREAMS; i++) {
		streams[i] = tg_stream_new(5, &route);
		streams[i]->stage = TG_STAGE_OPEN;
		tg_lock_take(&streams[i]->lock);
		model_check(tg_stream_hold(streams[i], &(const struct iovec){&byte, 1}, 1), "no memory");
		tg_lock_release(&streams[i]->lock);
	}
}

/* Two of the locks of locks.def, in their order. */
static void fork_with(void (*check)(void))
{
	tg_stream_before_wait();
	pthread_mutex_lock(&readiness);
	tg_stream_lock_all();
	check();
	tg_stream_unlock_all();
	pthread_mutex_unlock(&readiness);
}

static void fork_here(void)
{
	fork_with(model_check_fork);
}

static void nothing(void)
{
}

/* What another thread is about to free keeps its lock in the child, where nothing leads to it. */
static void fork_while_freed(void)
{
	fork_with(nothing);
}

static void let_go(void)
{
	tg_stream_before_wait();
}

static void make_and_free(void)
{
	tg_stream_free(tg_stream_new(6, &route));
}

static void write_one(void)
{
	static char byte;
	struct tg_stream_call call;

	tg_stream_enter(&call, streams[0]);
	tg_stream_let_go(streams[0]);
	model_check(tg_stream_hold(streams[0], &(const struct iovec){&byte, 1}, 1), "no memory");
	tg_stream_let_go(streams[0]);
	tg_stream_leave(&call, 0);
	written[0]--;
}

static void free_one(void)
{
	tg_stream_free(streams[0]);
	written[0]++;
}

static void each_is_written(void)
{
	tg_stream_before_wait();
	for (unsigned i = 0; i < STREAMS; i++)
		model_check(written[i] == 1, "what was corked is written twice, or never");
}

static void other_is_written(void)
{
	tg_stream_before_wait();
	model_check(written[1] == 1, "what was corked is written twice, or never");
}

const struct scenario scenarios[] = {
    {"forked while corked bytes are written", all_corked, {fork_here, let_go}, each_is_written, 3, false},
    {"forked while one is written", all_corked, {fork_here, write_one}, each_is_written, 3, false},
    {"forked while one is made and freed", all_corked, {fork_while_freed, make_and_free}, each_is_written, 3, false},
    {"corked bytes written by two", all_corked, {let_go, let_go}, each_is_written, 3, false},
    {"freed while corked bytes are written", all_corked, {free_one, let_go}, other_is_written, 3, false},
    {NULL, NULL, {NULL}, NULL, 0, false},
};
