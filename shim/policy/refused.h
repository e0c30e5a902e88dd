/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tells of refused clients: counts each, and hands the keeper what it writes into its log. Costs an accepted one nothing.
 */
#ifndef TG_SHIM_POLICY_REFUSED_H
#define TG_SHIM_POLICY_REFUSED_H

#include "ipc/policy.h"
#include "shim/policy/fault.h"

#include <stdbool.h>

struct tg_refused {
	struct tg_section_slot *counters; /* of the section; NULL: nobody counts, and nothing is told */
	const struct tg_fault *fault;
	const char *subject;            /* of the client's certificate; NULL: none, or not known */
	int fd;                         /* the connection's socket; -1: none */
	const struct tg_address *peer;  /* where `fd` is -1: the client's, NULL: not known */
	const struct tg_address *local; /* the server's, NULL: not known */
	int version;                    /* as on the wire; 0: not known */
};

/*
 * A process that lets itself be asked for the other end of its sockets, by a system call of ours: the relay. A server may
 * have a filter that ends it for one.
 */
extern bool tg_refused_may_ask;

/* May be called in any thread, in no signal handler; makes no system call; errno is kept. */
void tg_refused_tell(const struct tg_refused *refused);

/* The subject as RFC 2253 spells it, control characters and what is not ASCII escaped; "..." where it is cut. */
void tg_refused_subject(const struct tg_openssl *o, const X509 *certificate, char ret[TG_EVENT_SUBJECT_SIZE]);

/* Adds an entry to the error queue that says what libssl does not, for the server's own log. `subject` may be NULL. */
void tg_refused_queue(const struct tg_openssl *o, int code, const struct tg_fault *fault, const char *subject);

#endif
