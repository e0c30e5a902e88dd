/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a certificate says about its use by servers.
 */
#ifndef TG_LOADER_LEAF_H
#define TG_LOADER_LEAF_H

#include "loader/load.h"

#include <openssl/x509.h>

/* Appends a fault, or a warning, for what stands against serving `leaf`, of the file `text`. */
void tg_leaf_check(struct tg_load *load, const struct tg_place *place, const char *text, X509 *leaf);

#endif
