/* SPDX-License-Identifier: Apache-2.0 */
/*
 * min_protocol and its neighbours, tried on an SSL_CTX that is thrown away, so that a value that libssl would refuse later
 * is a fault of the file now.
 */
#ifndef TG_LOADER_PROTOCOL_H
#define TG_LOADER_PROTOCOL_H

#include "loader/load.h"

/* Which section gives each key of one policy; entries are NULL where none does. */
struct tg_effective {
	const struct tg_section *from[TG_OPT_COUNT];
};

/* The value of `id` in effect, NULL: not given. */
const struct tg_value *tg_effective_value(const struct tg_effective *effective, enum tg_option_id id);

/*
 * Appends a fault for each value that cannot be. Returns the security level that will be in force: as given, else as the
 * cipher list says, else libssl's own.
 */
int tg_protocol_check(struct tg_load *load, const struct tg_effective *effective);

#endif
