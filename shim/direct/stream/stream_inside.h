/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to the files of a stream: the structure, whose parts have a header each, and its end. All functions are called
 * with the stream's lock held, and with an empty OpenSSL error queue (stream_call.h). docs/stream.md draws the states, and
 * says which file changes which part.
 */
#ifndef TG_SHIM_DIRECT_STREAM_INSIDE_H
#define TG_SHIM_DIRECT_STREAM_INSIDE_H

#include "ipc/layout.h"
#include "shim/binding/lock.h"
#include "shim/direct/stream/stream.h"
#include "shim/direct/stream/stream_handshaking.h"
#include "shim/direct/stream/stream_input.h"
#include "shim/direct/stream/stream_output.h"
#include "shim/direct/stream/stream_tls.h"

enum tg_stage {
	TG_STAGE_SILENT,    /* the client has said nothing yet: no SSL */
	TG_STAGE_HANDSHAKE, /* an SSL without a verdict */
	TG_STAGE_OPEN,      /* judged good */
	TG_STAGE_PLAIN,     /* a plaintext client */
	TG_STAGE_ENDED,     /* nothing crosses any more; `error` says why */
};

/* State of the call in progress; all false when it begins. */
struct tg_stream_now {
	bool is_drained;      /* a recv returned less than it was asked for */
	bool may_have_failed; /* libssl may have left errors in its queue */
	bool sends_now;       /* the record that libssl makes is the last one, and need not be collected */
	bool more_follows;    /* another write follows what is sent now */
};

struct tg_stream {
	struct tg_lock lock;
	_Atomic unsigned state; /* TG_STREAM_*, as the last call left it */
	_Atomic int fd;
	_Atomic int moved; /* tg_stream_moved, and 1 */
	enum tg_stage stage;
	int error;       /* errno that reads and writes fail with; counts in TG_STAGE_ENDED */
	bool is_touched; /* something was read from the socket or written to it */
	struct tg_stream_now call;
	struct tg_stream_handshaking handshaking; /* the handshake */
	struct tg_stream_tls tls;
	struct tg_stream_input input;
	struct tg_stream_output output;
	struct tg_watch watch; /* for the readiness code */
	struct tg_fd_entry *fd_entry;
	enum tg_proxy header;             /* for the server to read first */
	struct tg_section_slot *counters; /* those of the listener's own policy; NULL: not known */
	struct tg_stream *next, **link;   /* the list of all streams of the process */
};

/* stream.c: at the end of the process */
void tg_stream_end_all(void);

/* stream_handshake.c */
void tg_stream_end(struct tg_stream *stream, int error); /* what was decrypted before can still be read */
void tg_stream_refuse(struct tg_stream *stream);         /* nothing can */
void tg_stream_release(struct tg_stream *stream);        /* frees all but the structure and what can be read */

/* stream_header.c, proxy_protocol: what the server reads first. False: the stream ended, since not all of it can be sent.
 */
bool tg_stream_add_header(struct tg_stream *stream);

/*
 * A peer that reads nothing can make libssl answer on and on (KeyUpdate, refused renegotiations). While this is true
 * nothing more is read from the peer, until the socket has taken some of the output.
 */
static inline bool tg_stream_is_output_full(const struct tg_stream *stream)
{
	return tg_bytes_left(&stream->output.unsent) > (size_t)256 * 1024;
}

#endif
