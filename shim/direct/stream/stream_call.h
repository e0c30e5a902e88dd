/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Around every call on a stream: its lock, no cancellation inside, errno and OpenSSL's error queue as they were. The queue
 * is empty meanwhile: SSL_get_error(3) looks at it.
 */
#ifndef TG_SHIM_DIRECT_STREAM_STREAM_CALL_H
#define TG_SHIM_DIRECT_STREAM_STREAM_CALL_H

#include "shim/direct/stream/stream_inside.h"

struct tg_kept_errors;

struct tg_stream_call {
	struct tg_stream *stream;
	struct tg_kept_errors *errors; /* that the server had not looked at; NULL: none */
	int saved_errno;
	int cancellation;
};

void tg_stream_enter(struct tg_stream_call *call, struct tg_stream *stream);

void tg_stream_enter_locked(struct tg_stream_call *call, struct tg_stream *stream); /* its lock is the caller's already */

/* Notes what tg_stream_state answers. `error`: errno afterwards, 0: as before. */
void tg_stream_leave(const struct tg_stream_call *call, int error);

#endif
