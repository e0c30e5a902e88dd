/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A generation as this process uses it: the document, and its certificates, keys and trust as OpenSSL objects. Built once
 * for each generation and process, immutable afterwards, reference-counted: every handshake holds the one it began with.
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
 * The newest published generation, with a reference of the caller's; builds it when it is new to this process. Where that
 * fails, the last one that could be built; NULL where there is none. One atomic load and a short lock when nothing is new.
 */
struct tg_generation *tg_generation_acquire(void);
struct tg_generation *tg_generation_ref(struct tg_generation *generation);
void tg_generation_unref(struct tg_generation *generation); /* NULL is allowed */

/* Builds what is new, before a fork or at the first server context, so that children find it done. */
void tg_generation_prepare(void);

/* The newest that this process has built; 0: none. */
uint64_t tg_generation_number(void);

/* Around fork, in the forking thread. */
void tg_generation_lock(void);
void tg_generation_unlock(void);

#endif
