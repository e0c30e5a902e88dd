/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of a stream share: the structure, and the steps that one file makes for another. All of them are called
 * with the stream's lock held, and with OpenSSL's error queue empty (stream_call.h).
 */
#ifndef TG_SHIM_DIRECT_STREAM_STREAM_INSIDE_H
#define TG_SHIM_DIRECT_STREAM_STREAM_INSIDE_H

#include "ipc/layout.h"
#include "ipc/shares.h"
#include "shim/binding/openssl.h"
#include "shim/direct/stream/stream.h"

#include <pthread.h>

enum tg_stage {
	TG_STAGE_SILENT,    /* the client has said nothing yet: no SSL */
	TG_STAGE_HANDSHAKE, /* an SSL without a verdict */
	TG_STAGE_OPEN,      /* judged good */
	TG_STAGE_PLAIN,     /* a plaintext client */
	TG_STAGE_ENDED,     /* nothing crosses any more; `error` says why */
};

/* Bytes from `from` to `size` are still to be used. */
struct tg_bytes {
	unsigned char *data; /* malloc'ed; NULL: none */
	size_t from, size, room;
	bool is_public; /* ciphertext: no need to erase it */
};

struct tg_stream {
	pthread_mutex_t lock;
	_Atomic unsigned state; /* TG_STREAM_*, as the last call left it */
	enum tg_stage stage;
	_Atomic bool heard_end; /* tg_stream_hear_end; apart from the others, which the compiler reads several at a time */
	_Atomic int fd;
	_Atomic int moved;          /* tg_stream_moved, and 1 */
	int error;                  /* errno that reads and writes fail with; counts in TG_STAGE_ENDED */
	int input_error;            /* errno that the socket failed with when it was read; 0: none */
	int output_error;           /* when it was written to: nothing more is sent, what came in can still be read */
	bool is_drained;            /* in this call: the socket had less than it was asked for */
	bool was_drained;           /* it had less when it was last asked, and has not been said to be readable since */
	bool is_stalled;            /* what libssl holds is no complete record */
	bool has_news;              /* as much as FIONREAD told of was read, and there was more; until somebody looks */
	size_t told;                /* what is left of that; 0: nothing, or it was all */
	bool is_at_end;             /* the peer's FIN came */
	bool peer_closed;           /* and before it close_notify, or it is a plaintext client's */
	bool read_shut;             /* SHUT_RD */
	bool write_shut;            /* SHUT_WR: the server writes no more */
	bool close_sent;            /* close_notify is in `output`, or sent */
	bool fin_sent;              /* SHUT_WR on the socket */
	bool may_have_failed;       /* in this call: libssl may have left errors in its queue */
	bool sends_now;             /* the record that libssl makes is the last of the call: it need not be collected */
	bool more_follows;          /* in this call: behind what is sent now */
	bool is_held_below;         /* the kernel was told so, and may hold back a part of a packet */
	size_t in_a_row;            /* bytes, written since more was to follow each time */
	int packet;                 /* what one takes, about; 0: not asked yet */
	bool is_row_split;          /* into parts of packets, which the client may not have acknowledged yet */
	bool is_touched;            /* something was read from the socket or written to it */
	bool is_opening;            /* in the list of unfinished handshakes */
	_Atomic bool is_pushed_out; /* there were too many of them */
	bool accepts_plain;
	enum tg_proxy header; /* that the server reads first */
	uint32_t wait_ms;
	SSL *ssl;
	struct tg_bytes first;  /* the client's first bytes, which libssl has not read yet */
	struct tg_bytes input;  /* plaintext that the server reads before what libssl holds */
	struct tg_bytes early;  /* what the server wrote before the verdict, or behind a cork */
	struct tg_bytes output; /* for the socket: ciphertext, or a plaintext client's bytes */
	int64_t deadline;       /* of the handshake */
	int64_t born;
	struct tg_section_slot *counters; /* of the listener's own policy; NULL: not known */
	pid_t opening_pid;                /* of the process that it is among the openings of */
	uint64_t cookie;                  /* of the socket, as long as the stream is among the openings (socket(7)) */
	struct tg_share_entry opening;    /* among the openings */
	enum tg_cork cork;                /* TCP_CORK */
	struct tg_stream *held_next, **held_link; /* among those that hold something back */
	unsigned calls;                           /* that read or wrote data */
	unsigned place;                           /* among those that keep their buffers, from 1; 0: none */
	_Atomic int64_t busy_at;                  /* seconds */
	struct tg_stream *next, **link;           /* among all streams of the process */
	struct tg_watch watch;
	struct tg_holder *holder;
};

/* stream_bytes.c. False: no memory, nothing was added. */
bool tg_bytes_add(struct tg_bytes *bytes, const void *data, size_t size);
bool tg_bytes_reserve(struct tg_bytes *bytes, size_t size); /* room for as much more, at once */
void tg_bytes_free(struct tg_bytes *bytes);                 /* erases what is not public; empty afterwards */
static inline size_t tg_bytes_left(const struct tg_bytes *bytes)
{
	return bytes->size - bytes->from;
}
size_t tg_bytes_copy(const struct tg_bytes *bytes, const struct iovec *vector, int count);
void tg_bytes_use(struct tg_bytes *bytes, size_t size);

/* stream_context.c. NULL: not prepared, or no libssl that can be used. */
SSL_CTX *tg_stream_context(void);
const BIO_METHOD *tg_stream_bio(void);

/* stream.c: at the end of the process */
void tg_stream_end_all(void);

/* stream_bio.c */
BIO_METHOD *tg_stream_bio_method(const struct tg_openssl *o); /* a new one, NULL: no memory */
/* Sends what there is to send, then the FIN that waits for it. False: the socket would not take all of it. */
bool tg_stream_flush(struct tg_stream *stream);

/* stream_opening.c: the client's first bytes, and the bound on unfinished handshakes. */
void tg_stream_listen(struct tg_stream *stream);
extern unsigned tg_stream_openings_max; /* one has to go for one more */
void tg_stream_opening_begin(struct tg_stream *stream);
void tg_stream_opening_end(struct tg_stream *stream);
bool tg_stream_is_silent(const struct tg_stream *stream); /* and taken for a plaintext client after its wait */
void tg_stream_openings_lock(void);                       /* around fork */
void tg_stream_openings_unlock(void);

/* stream_handshake.c */
bool tg_stream_start(struct tg_stream *stream); /* makes the SSL. False: it ended */
void tg_stream_advance(struct tg_stream *stream);
void tg_stream_look_at_time(struct tg_stream *stream);   /* the same without a look at the socket */
void tg_stream_end(struct tg_stream *stream, int error); /* what was decrypted before can still be read */
void tg_stream_refuse(struct tg_stream *stream);         /* nothing can */
void tg_stream_release(struct tg_stream *stream);        /* frees all but the structure and `input` */
/* proxy_protocol: what the server reads first. False: the stream ended, since not all of it can be sent. */
bool tg_stream_add_header(struct tg_stream *stream);
/* After a call of libssl that did not bring what it was asked for: false where the stream ended because of it. */
bool tg_stream_may_retry(struct tg_stream *stream, int result);
/* May data cross? False: not now, or the stream ended. */
bool tg_stream_is_ready(struct tg_stream *stream);

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
void tg_stream_let_go(struct tg_stream *stream); /* writes what is held back */
void tg_stream_held_forget(struct tg_stream *stream);
void tg_stream_held_follow(struct tg_stream *stream);   /* something was written */
void tg_stream_lock_for_fork(struct tg_stream *stream); /* takes its lock, and it holds nothing back */
void tg_stream_held_lock(void);                         /* around fork */
void tg_stream_held_unlock(void);

/* stream_buffers.c: data was read or written; the SSL is about to be freed; around fork. */
void tg_stream_used(struct tg_stream *stream);
void tg_stream_unused(struct tg_stream *stream);
void tg_stream_places_lock(void);
void tg_stream_places_unlock(void);

/*
 * A peer that reads nothing makes libssl answer on and on (KeyUpdate, refused renegotiations): nothing more is read of it
 * before the socket has taken some of that.
 */
static inline bool tg_stream_is_choked(const struct tg_stream *stream)
{
	return tg_bytes_left(&stream->output) > (size_t)256 * 1024;
}

/* stream_input.c: true where something can be read; decrypts a record for that where it must. */
bool tg_stream_fill(struct tg_stream *stream);

#endif
