/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a section serves, tried as a whole: a handshake for each certificate and version, with a client that takes whatever
 * the section allows and trusts the topmost certificate of the file.
 */
#ifndef TG_LOADER_TRIAL_SERVER_H
#define TG_LOADER_TRIAL_SERVER_H

#include "loader/load.h"
#include "loader/pair.h"

/*
 * Appends what it finds to the load's messages, at the cert lines of `section`. `credentials` are those of `pairs`, in the
 * same order; `security_level` is what comes of the policy's level, ciphers and libssl's own.
 * Empties OpenSSL's error queue.
 */
void tg_server_try(struct tg_load *load, const struct tg_section *section, const struct tg_loaded_pairs *pairs,
		   const struct tg_policy *policy, const struct tg_credentials *credentials, int security_level);

#endif
