/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Applies protocol versions, cipher lists and the security level of a policy to one SSL.
 */
#ifndef TG_SHIM_POLICY_PROTOCOL_LIMITS_H
#define TG_SHIM_POLICY_PROTOCOL_LIMITS_H

#include "ipc/policy.h"
#include "shim/binding/openssl.h"

/* Learns libssl's own security callback from a context that was just created. */
void tg_protocol_limits_learn(const SSL_CTX *fresh);

/* Before the version is chosen. The stricter of the policy and the server applies; with `override` only the policy. */
bool tg_protocol_limits_apply(const struct tg_policy *policy, SSL *ssl);

/* Sets level and security callback again, because a switch to another context replaced them. */
void tg_protocol_limits_keep_level(const struct tg_policy *policy, SSL *ssl);

/* Checks the chosen version. Needed because libssl's setters report success but do nothing on fixed-version methods. */
bool tg_protocol_limits_hold(const struct tg_policy *policy, const SSL *ssl);

/* True if this policy allows a version that was chosen under another policy. */
bool tg_protocol_limits_admit(const struct tg_policy *policy, int version);

#endif
