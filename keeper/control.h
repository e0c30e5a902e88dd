/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conversations with `tlsgraft status` and `tlsgraft reload`: connections that the guardian handed over after it checked
 * who asks. Answers are one JSON text in packets, written without ever waiting for the reader.
 */
#ifndef TG_KEEPER_CONTROL_H
#define TG_KEEPER_CONTROL_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TG_CONTROL_MAX 512

struct tg_conversation {
	int fd;
	char *answer; /* malloc'ed; NULL: waits for a verdict */
	size_t size;
	size_t sent;
	int64_t deadline; /* for a reader who does not read; monotonic, milliseconds */
};

struct tg_control {
	struct tg_conversation conversations[TG_CONTROL_MAX];
	size_t count;
};

/* Takes over `fd`. `answer` (malloc'ed, taken over) NULL: it waits for tg_control_answer_waiting. */
void tg_control_add(struct tg_control *control, int fd, char *answer);

/* Gives a copy of `answer` to everybody who waits. */
void tg_control_answer_waiting(struct tg_control *control, const char *answer);

/* Fills `polls` (room for TG_CONTROL_MAX); afterwards writes and closes what is done, gone or late. */
void tg_control_fill(const struct tg_control *control, struct pollfd *polls);
void tg_control_run(struct tg_control *control);

#endif
