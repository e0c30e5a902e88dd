/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-256 over what decides who is let in. Two policies with the same digest may resume each other's sessions.
 */
#ifndef TG_LOADER_DIGEST_H
#define TG_LOADER_DIGEST_H

#include "ipc/policy.h"

#include <stdbool.h>

/* Over mode, trust (NULL: none) and allow rules; false where memory ran out. The served certificate is not in it. */
bool tg_policy_digest(const struct tg_policy *policy, const struct tg_trust *trust,
		      unsigned char ret[static TG_DIGEST_SIZE]);

/* Over all that decides whether clients can come to terms with a policy that serves `credentials`. */
bool tg_handshake_digest(const struct tg_policy *policy, const struct tg_credentials *credentials,
			 unsigned char ret[static TG_DIGEST_SIZE]);

#endif
