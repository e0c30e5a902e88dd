/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When the CRLs of a generation go stale, for the log and for `status`: decoded once, since a list may be large.
 */
#ifndef TG_KEEPER_CRLS_H
#define TG_KEEPER_CRLS_H

#include "ipc/policy.h"

#include <stddef.h>
#include <stdint.h>

struct tg_crl_entry {
	uint32_t trust;      /* index into the document's */
	char *issuer;        /* escaped */
	int64_t this_update; /* seconds since the epoch */
	int64_t next_update; /* INT64_MAX: never stale */
	int64_t warn_from;
};

struct tg_crls {
	struct tg_crl_entry *entries;
	size_t count;
};

/* 0 or -ENOMEM. A list that cannot be decoded, which the loader would have refused, is left out. */
int tg_crls_of(const struct tg_document *document, struct tg_crls *ret);
void tg_crls_free(struct tg_crls *crls);

#endif
