/* SPDX-License-Identifier: Apache-2.0 */
/* A stream before its verdict: what the client is, until when it may say so, and how many such there may be at once. */
#ifndef TG_SHIM_DIRECT_STREAM_HANDSHAKING_H
#define TG_SHIM_DIRECT_STREAM_HANDSHAKING_H

#include "ipc/shares.h"
#include "shim/direct/stream/stream_bytes.h"

#include <stdint.h>
#include <sys/types.h>

struct tg_stream;

struct tg_stream_handshaking {
	bool accepts_plain;
	uint32_t wait_ms; /* for a client that says nothing, with accepts_plain */
	int64_t born, deadline;
	struct tg_bytes first; /* the client's first bytes, which libssl has not read yet */
	/* among all unfinished ones; in the lock of stream_handshaking.c, but for the second */
	bool is_counted;
	_Atomic bool is_evicted; /* there were too many of them; set by the stream that came for one more */
	pid_t pid;               /* of the process that counts it */
	uint64_t cookie;         /* of the socket (socket(7)) */
	struct tg_share_entry share;
};

/* Takes the client's first bytes and decides. */
void tg_stream_listen(struct tg_stream *stream);
bool tg_stream_is_silent(const struct tg_stream *stream); /* and taken for a plaintext client after its wait */

extern unsigned tg_stream_handshakes_max; /* one has to go for one more */
void tg_stream_handshaking_begin(struct tg_stream *stream);
void tg_stream_handshaking_end(struct tg_stream *stream);
void tg_stream_handshaking_freed(struct tg_stream *stream); /* after its end, before its memory goes */
void tg_stream_handshakes_lock(void);                       /* around fork */
void tg_stream_handshakes_unlock(void);

/* stream_handshake.c: as far as it can go; the same without a look at the socket. */
void tg_stream_advance(struct tg_stream *stream);
void tg_stream_look_at_time(struct tg_stream *stream);

#endif
