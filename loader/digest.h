/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-256 digests of policies. Two policies with the same tg_policy_digest may resume each other's sessions.
 */
#ifndef TG_LOADER_DIGEST_H
#define TG_LOADER_DIGEST_H

#include "ipc/policy.h"

#include <stdbool.h>

/* Over mode, trust (NULL: none) and allow rules, but not the served certificate. False: no memory. */
bool tg_policy_digest(const struct tg_policy *policy, const struct tg_trust *trust,
		      unsigned char ret[static TG_DIGEST_SIZE]);

/* Over everything that determines whether a handshake under the policy with `credentials` can succeed. */
bool tg_handshake_digest(const struct tg_policy *policy, const struct tg_credentials *credentials,
			 unsigned char ret[static TG_DIGEST_SIZE]);

#endif
