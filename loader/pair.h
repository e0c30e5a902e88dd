/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cert`, `key` and `key_passphrase_file` of one section: read, matched and judged.
 */
#ifndef TG_LOADER_PAIR_H
#define TG_LOADER_PAIR_H

#include "loader/load.h"

#include <openssl/x509.h>

/* One loaded cert line. */
struct tg_loaded_pair {
	int line;
	const char *text;              /* the file as written */
	STACK_OF(X509) * certificates; /* leaf first; NULL where it could not be loaded */
	struct tg_pair pair;
};

struct tg_loaded_pairs {
	struct tg_loaded_pair *items;
	size_t count;
	bool good; /* every one of them */
};

/* Loads all pairs of `section`. Every fault is appended to the load's messages. */
void tg_pairs_load(struct tg_load *load, const struct tg_section *section, struct tg_loaded_pairs *ret);
void tg_pairs_clear(struct tg_loaded_pairs *pairs);

/* Appends a fault for each certificate of `section` that is too weak for the level of a policy that serves it. */
void tg_pairs_check_strength(struct tg_load *load, const struct tg_section *section, const struct tg_loaded_pairs *pairs,
			     int security_level);

#endif
