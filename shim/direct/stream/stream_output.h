/* SPDX-License-Identifier: Apache-2.0 */
/* What the server wrote to a stream, as far as the socket has not taken it. */
#ifndef TG_SHIM_DIRECT_STREAM_OUTPUT_H
#define TG_SHIM_DIRECT_STREAM_OUTPUT_H

#include "shim/binding/openssl.h"
#include "shim/direct/stream/stream.h"
#include "shim/direct/stream/stream_bytes.h"

struct tg_stream_output {
	struct tg_bytes early;  /* plaintext: from before the verdict, or behind a cork */
	struct tg_bytes unsent; /* for the socket: ciphertext, or a plaintext client's bytes */
	int error;              /* errno of the socket: nothing more is sent, what came in can still be read */
	bool is_shut;           /* SHUT_WR: the server writes no more */
	bool close_sent;        /* close_notify is in `unsent`, or sent */
	bool fin_sent;          /* SHUT_WR on the socket */
	/* stream_cork.c: corked, here or by the kernel */
	enum tg_cork cork;    /* TCP_CORK */
	bool is_corked_below; /* the kernel was told that more follows, and may hold back a part of a packet */
	struct tg_stream *corked_next, **corked_link; /* in the list of stream_cork.c, and its lock */
	/* stream_pace.c */
	size_t in_a_row;   /* bytes, written since more was to follow each time */
	int packet;        /* what one takes, about; 0: not asked yet */
	bool is_row_split; /* into parts of packets, which the client may not have acknowledged yet */
};

/* stream_bio.c: sends what there is to send, then the FIN that waits for it. False: the socket would not take all of it. */
bool tg_stream_flush(struct tg_stream *stream);

/* stream_output.c: what is kept from before the verdict, and the close that was asked for. */
void tg_stream_release_early(struct tg_stream *stream);

/* stream_pace.c: around a write of `wanted` bytes, all of which may go to the socket. */
#define TG_STREAM_RECORD SSL3_RT_MAX_PLAIN_LENGTH
#define TG_STREAM_BATCH (4 * TG_STREAM_RECORD) /* of plaintext, at most */
struct tg_pace {
	size_t batch;      /* and a little more, that is encrypted before the socket is asked whether it takes it */
	bool at_once;      /* whatever follows */
	bool is_nagle_off; /* until the end of the write */
};
struct tg_pace tg_stream_pace_begin(struct tg_stream *stream, size_t wanted);
void tg_stream_pace_end(const struct tg_stream *stream, const struct tg_pace *pace);

/* stream_cork.c. False: no memory. */
bool tg_stream_hold(struct tg_stream *stream, const struct iovec *vector, int count);
void tg_stream_let_go(struct tg_stream *stream); /* writes what is corked */
void tg_stream_corked_forget(struct tg_stream *stream);
void tg_stream_corked_update(struct tg_stream *stream); /* something was written */
void tg_stream_lock_for_fork(struct tg_stream *stream); /* takes its lock, and it holds nothing back */
void tg_stream_corked_lock(void);                       /* around fork */
void tg_stream_corked_unlock(void);

#endif
