/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A generation in this process: the document, with its certificates, keys and trust as OpenSSL objects. It is built once
 * for each generation and process and immutable afterwards, so any thread may read it. References are counted: every
 * handshake holds the generation that it began with.
 */
#ifndef TG_SHIM_POLICY_GENERATION_H
#define TG_SHIM_POLICY_GENERATION_H

#include "ipc/layout.h"
#include "ipc/policy.h"
#include "shim/binding/openssl.h"
#include "shim/policy/anchors.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct tg_served {
	X509 *leaf;
	STACK_OF(X509) * chain; /* never NULL: libssl would fall back to the context's extra chain */
	EVP_PKEY *key;
};

struct tg_certificates {
	struct tg_served *served;
	size_t count;
};

struct tg_generation {
	atomic_uint references;
	uint64_t number;
	struct tg_document *document;
	unsigned char *bytes; /* what the document points into, keys erased */
	size_t size;
	struct tg_certificates *certificates; /* by credentials index */
	struct tg_anchors *anchors;           /* by trust index */
	struct tg_section_slot **counters;    /* by policy index; NULL entries: the report is full */
};

/*
 * The newest published generation, with a reference for the caller (tg_generation_unref). Builds it if it is new to this
 * process; if that fails, returns the last one that could be built, or NULL if there is none. When nothing is new it costs
 * one atomic load and a short lock.
 */
struct tg_generation *tg_generation_acquire(void);
struct tg_generation *tg_generation_ref(struct tg_generation *generation);
void tg_generation_unref(struct tg_generation *generation); /* NULL is allowed */

/* Builds a new generation before a fork, or at the first server context, so that children need not. */
void tg_generation_prepare(void);

/* The newest that this process has built; 0: none. */
uint64_t tg_generation_number(void);

/* For the fork handlers (shim/fork.c), in the thread that forks. */
void tg_generation_lock(void);
void tg_generation_unlock(void);

#endif
