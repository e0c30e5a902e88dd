/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The names of the CAs of a trust, for messages: as many as a handshake carries, and as can be told apart.
 */
#ifndef TG_LOADER_CA_NAMES_H
#define TG_LOADER_CA_NAMES_H

#include "loader/trust_trial.h"

void tg_ca_names_check(struct tg_load *load, const struct tg_listing *listing);

#endif
