/* SPDX-License-Identifier: Apache-2.0 */
/* What came from a stream's client, and what is known of the socket's input. */
#ifndef TG_SHIM_DIRECT_STREAM_INPUT_H
#define TG_SHIM_DIRECT_STREAM_INPUT_H

#include "shim/direct/stream/stream_bytes.h"

struct tg_stream;

struct tg_stream_input {
	_Atomic bool heard_end; /* tg_stream_hear_end; apart from the others, which the compiler reads several at a time */
	size_t counted;         /* what is left of what FIONREAD told of; 0: nothing, or it was all */
	bool has_news;          /* that much was read, and there was more; until somebody looks */
	bool was_drained;       /* the socket had less when it was last asked, and has not been said to be readable since */
	bool is_at_end;         /* the peer's FIN came */
	bool peer_closed;       /* and before it close_notify, or it is a plaintext client's */
	bool is_shut;           /* SHUT_RD */
	int error;              /* errno that the socket failed with; 0: none */
	struct tg_bytes kept;   /* plaintext that the server reads before what libssl holds: a record at most */
};

/* True where something can be read; decrypts a record for that where it must. */
bool tg_stream_fill(struct tg_stream *stream);

#endif
