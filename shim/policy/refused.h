/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counts refused clients, and writes an event for the log of the keeper. Accepted clients cost nothing.
 */
#ifndef TG_SHIM_POLICY_REFUSED_H
#define TG_SHIM_POLICY_REFUSED_H

#include "ipc/policy.h"
#include "shim/policy/fault.h"

#include <stdbool.h>

struct tg_refused {
	struct tg_section_slot *counters; /* of the section; NULL: count and report nothing */
	const struct tg_fault *fault;
	const char *subject;            /* of the client's certificate; NULL: none, or not known */
	int fd;                         /* the connection's socket; -1: none */
	const struct tg_address *peer;  /* the client's, used if `fd` is -1; NULL: unknown */
	const struct tg_address *local; /* the server's; NULL: unknown */
	int version;                    /* as on the wire; 0: not known */
};

/*
 * True in the relay: it may make a system call to get the address of a client. A server may run under a system call filter
 * that ends it for such a call.
 */
extern bool tg_refused_may_ask;

/* Any thread; not async-signal-safe. Makes no system call unless tg_refused_may_ask is set. Keeps errno. */
void tg_refused_tell(const struct tg_refused *refused);

/* The subject in the form of RFC 2253, with control and non-ASCII characters escaped. A text that was cut ends in "...". */
void tg_refused_subject(const struct tg_openssl *o, const X509 *certificate, char ret[TG_EVENT_SUBJECT_SIZE]);

/* Adds the reason, which libssl does not know, to the error queue for the server's own log. `subject` may be NULL. */
void tg_refused_queue(const struct tg_openssl *o, int code, const struct tg_fault *fault, const char *subject);

#endif
