/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The allow rules against a client's leaf certificate.
 */
#ifndef TG_SHIM_POLICY_ALLOW_H
#define TG_SHIM_POLICY_ALLOW_H

#include "ipc/policy.h"
#include "shim/binding/openssl.h"

#include <stdbool.h>

/* True where the policy has no rules or one matches. Anything that cannot be read matches nothing. */
bool tg_allow(const struct tg_policy *policy, X509 *leaf);

#endif
