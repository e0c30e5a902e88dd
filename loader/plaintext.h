/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What [listener] says of a plaintext server, and what no other section may say of one.
 */
#ifndef TG_LOADER_PLAINTEXT_H
#define TG_LOADER_PLAINTEXT_H

#include "loader/load.h"

/* `server_speaks` of a listener and what counts with it. A fault for each key that counts for plaintext servers only. */
struct tg_plaintext tg_plaintext_of(struct tg_load *load, const struct tg_section *listener);

/*
 * May the policy of `sni` be had by a name on this route? A fault where the file asks for what a plaintext server cannot
 * have; false, without a fault, where connections are passed through and no name is ever seen.
 */
bool tg_plaintext_takes_name(struct tg_load *load, const struct tg_route *route, enum tg_mode of_route,
			     const struct tg_section *sni, enum tg_mode of_name);

/* At a reload: a fault for each address at which the server would speak otherwise than it did at the start. */
void tg_plaintext_check_change(struct tg_load *load, const struct tg_document *loaded);

#endif
