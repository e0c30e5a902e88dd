/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Protocol bounds, cipher lists and the security level of a policy on one SSL.
 */
#ifndef TG_SHIM_POLICY_PROTOCOL_LIMITS_H
#define TG_SHIM_POLICY_PROTOCOL_LIMITS_H

#include "ipc/policy.h"
#include "shim/binding/openssl.h"

/* Of a context that was just created: what libssl itself decides by security level. */
void tg_protocol_limits_learn(const SSL_CTX *fresh);

/* Before the version is chosen. The stricter of ours and the server's counts, with `override` ours alone. */
bool tg_protocol_limits_apply(const struct tg_policy *policy, SSL *ssl);

/* Again the level and who decides by it: a switch to another context brings that one's along. */
void tg_protocol_limits_keep_level(const struct tg_policy *policy, SSL *ssl);

/* Once it is chosen: libssl's setters report success where they did nothing (methods of one fixed version). */
bool tg_protocol_limits_hold(const struct tg_policy *policy, const SSL *ssl);

/* The same for a version that was chosen under another policy. */
bool tg_protocol_limits_admit(const struct tg_policy *policy, int version);

#endif
