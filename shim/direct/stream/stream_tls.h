/* SPDX-License-Identifier: Apache-2.0 */
/* What a stream has of libssl: the SSL, and whether it keeps its buffers. Around it stream_bio.c and stream_handshake.c. */
#ifndef TG_SHIM_DIRECT_STREAM_TLS_H
#define TG_SHIM_DIRECT_STREAM_TLS_H

#include "shim/binding/openssl.h"

#include <stdbool.h>
#include <stdint.h>

struct tg_stream;

struct tg_stream_tls {
	SSL *ssl;                /* in TG_STAGE_HANDSHAKE and TG_STAGE_OPEN, else NULL */
	bool is_stalled;         /* what libssl holds is no complete record */
	unsigned calls;          /* that read data */
	unsigned place;          /* among those that keep their buffers, from 1; 0: none */
	_Atomic int64_t busy_at; /* seconds; others look at it for the place */
};

/* stream_context.c. NULL: not prepared, or no libssl that can be used. */
SSL_CTX *tg_stream_context(void);
const BIO_METHOD *tg_stream_bio(void);

/* stream_bio.c: a new one, NULL: no memory */
BIO_METHOD *tg_stream_bio_method(const struct tg_openssl *o);

/* stream_handshake.c. Makes the SSL. False: the stream ended. */
bool tg_stream_start(struct tg_stream *stream);
/* After a call of libssl that did not bring what it was asked for: false where the stream ended because of it. */
bool tg_stream_may_retry(struct tg_stream *stream, int result);
/* May data cross? False: not now, or the stream ended. */
bool tg_stream_is_ready(struct tg_stream *stream);

/* stream_buffers.c: data was read; the SSL is about to be freed; around fork. */
void tg_stream_used(struct tg_stream *stream);
void tg_stream_unused(struct tg_stream *stream);
void tg_stream_buffers_lock(void);
void tg_stream_buffers_unlock(void);

#endif
