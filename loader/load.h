/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state of one load. It is on the stack of tlsgraft_load, and only that thread uses it.
 */
#ifndef TG_LOADER_LOAD_H
#define TG_LOADER_LOAD_H

#include "ipc/policy.h"
#include "loader/arena.h"
#include "loader/config.h"
#include "loader/messages.h"
#include "loader/snapshot.h"
#include "loader/tried.h"

#include <stdint.h>

struct tg_load {
	struct tg_arena *arena;
	tlsgraft_messages *messages;
	struct tg_config config;
	struct tg_snapshot snapshot;
	const struct tg_document *serving;   /* NULL at a start */
	const struct tg_tried *tried_before; /* for what serves; NULL: none */
	struct tg_tried tried;               /* in this load */
	int64_t now;                         /* seconds since the epoch */
	int warn_days;
	const char *user; /* of the server, beside those of `user =`; NULL: none */
	struct tg_key_users key_users;
	const char **notes; /* who may read files that hold secrets */
	size_t note_count;
	size_t note_room;
};

/* A fault that the identity in use has too is only a warning: refusing the reload would not remove it. */
static inline enum tlsgraft_severity tg_severity(bool serving_has_it)
{
	return serving_has_it ? TLSGRAFT_WARNING : TLSGRAFT_ERROR;
}

#endif
