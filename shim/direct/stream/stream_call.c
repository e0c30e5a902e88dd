/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/direct/stream/stream_call.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define KEPT_MAX 16 /* as many as libssl keeps (ERR_NUM_ERRORS) */

struct tg_kept_errors {
	size_t count;
	struct {
		unsigned long code;
		int line;
		char *file, *function, *text; /* copies; may be NULL */
	} entries[KEPT_MAX];
};

/* Rare: a server that uses libssl itself, and calls us between an error and its own check of the queue. */
static struct tg_kept_errors *take_errors(const struct tg_openssl *o)
{
	struct tg_kept_errors *kept = calloc(1, sizeof(*kept));
	unsigned long code = 0;
	const char *file, *function, *text;
	int line, flags;

	if (kept == NULL) {
		o->ERR_clear_error();
		return NULL;
	}
	while ((code = o->ERR_get_error_all(&file, &line, &function, &text, &flags)) != 0 && kept->count < KEPT_MAX) {
		kept->entries[kept->count].code = code;
		kept->entries[kept->count].file = strdup(file);
		kept->entries[kept->count].function = strdup(function);
		kept->entries[kept->count].line = line;
		if ((flags & ERR_TXT_STRING) != 0 && text != NULL && text[0] != '\0')
			kept->entries[kept->count].text = strdup(text);
		kept->count++;
	}
	return kept;
}

static void put_errors_back(const struct tg_openssl *o, struct tg_kept_errors *kept)
{
	for (size_t i = 0; i < kept->count; i++) {
		const char *text = kept->entries[i].text;
		o->ERR_new();
		o->ERR_set_debug(kept->entries[i].file, kept->entries[i].line, kept->entries[i].function);
		o->ERR_set_error(ERR_GET_LIB(kept->entries[i].code), ERR_GET_REASON(kept->entries[i].code),
				 text == NULL ? NULL : "%s", text);
		free(kept->entries[i].file);
		free(kept->entries[i].function);
		free(kept->entries[i].text);
	}
	free(kept);
}

static _Thread_local unsigned entered __attribute__((tls_model("initial-exec")));

bool tg_stream_is_inside(void)
{
	return entered > 0;
}

void tg_stream_enter(struct tg_stream_call *call, struct tg_stream *stream)
{
	int cancellation;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancellation);
	/* Before the lock is taken, because a signal may come between the two. */
	entered++;
	tg_lock_take(&stream->lock);
	tg_stream_enter_locked(call, stream);
	entered--;
	call->cancellation = cancellation;
}

void tg_stream_enter_locked(struct tg_stream_call *call, struct tg_stream *stream)
{
	const struct tg_openssl *o = tg_openssl();

	entered++;
	call->stream = stream;
	call->saved_errno = errno;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &call->cancellation);
	stream->call = (struct tg_stream_now){.is_drained = false};
	/* A libssl that only the shim uses has a queue that nobody else reads. */
	call->errors = o->supported && !o->is_private && o->ERR_peek_error() != 0 ? take_errors(o) : NULL;
}

static unsigned hints(const struct tg_stream *stream)
{
	const struct tg_openssl *o = tg_openssl();
	unsigned state = 0;

	if (stream->stage == TG_STAGE_SILENT || stream->stage == TG_STAGE_HANDSHAKE)
		state |= TG_STREAM_HANDSHAKING;
	if (stream->stage == TG_STAGE_PLAIN)
		state |= TG_STREAM_PLAIN;
	if (stream->stage == TG_STAGE_ENDED || stream->input.peer_closed)
		state |= TG_STREAM_ENDED | TG_STREAM_INPUT;
	if (tg_bytes_left(&stream->input.kept) > 0 || stream->input.is_shut)
		state |= TG_STREAM_INPUT;
	if (stream->stage == TG_STAGE_OPEN && !stream->tls.is_stalled && o->SSL_has_pending(stream->tls.ssl) == 1)
		state |= TG_STREAM_INPUT;
	if (stream->input.has_news)
		state |= TG_STREAM_NEWS;
	if (tg_bytes_left(&stream->output.unsent) > 0 ||
	    (tg_bytes_left(&stream->output.early) > 0 && stream->stage != TG_STAGE_OPEN))
		state |= TG_STREAM_OUTPUT;
	return state;
}

void tg_stream_leave(const struct tg_stream_call *call, int error)
{
	const struct tg_openssl *o = tg_openssl();
	struct tg_stream *stream = call->stream;

	if (stream->call.may_have_failed && o->ERR_peek_error() != 0)
		o->ERR_clear_error();
	atomic_store_explicit(&stream->state, hints(stream), memory_order_release);
	tg_lock_release(&stream->lock);
	if (call->errors != NULL)
		put_errors_back(o, call->errors);
	entered--;
	pthread_setcancelstate(call->cancellation, NULL);
	errno = error == 0 ? call->saved_errno : error;
}
