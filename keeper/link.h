/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The talk between guardian and worker over a socket pair (SOCK_SEQPACKET): one message for each packet.
 */
#ifndef TG_KEEPER_LINK_H
#define TG_KEEPER_LINK_H

#include "ipc/policy.h"
#include "keeper/users.h"

#include <stdint.h>
#include <sys/types.h>

enum tg_link_kind {
	TG_LINK_MEMORY = 1, /* worker, first only: the policy and report descriptors */
	TG_LINK_SEALED,     /* guardian: value is 0 or a negative errno */
	TG_LINK_READY,      /* worker, first only: generation 1 is there; the users who may have it */
	TG_LINK_CONNECTION, /* guardian: a connection, value is its tg_request_kind */
	TG_LINK_LOG,        /* guardian: a line for the log; value is its level */
	TG_LINK_END,        /* guardian: the tree has ended */
	TG_LINK_RELAY,      /* worker: whether the policy needs a relay; guardian: its process id, 0: none
			     * serves, and in `text` what is wrong with it */
};

struct tg_link_message {
	uint32_t kind;
	int32_t value;
	union {
		struct {
			uint32_t count;
			uid_t ids[TG_USERS_MAX];
		} users;
		char text[512];
	};
};

/* 0 or a negative errno; -EAGAIN where the socket does not block and the other side is behind. */
int tg_link_send(int fd, const struct tg_link_message *message, const int *fds, int fd_count);

/* Worker: says whether `document` has listeners whose servers speak plaintext. 0 or a negative errno. */
int tg_link_ask_relay(int fd, const struct tg_document *document);

/* 1, 0 at the end (the other side is gone), or a negative errno. Descriptors that did not come are -1. */
int tg_link_receive(int fd, struct tg_link_message *ret, int ret_fds[2]);

#endif
