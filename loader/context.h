/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sets certificate and protocol limits of a policy on an SSL_CTX. Both return false if libssl rejects a setting; OpenSSL's
 * error queue then says why.
 */
#ifndef TG_LOADER_CONTEXT_H
#define TG_LOADER_CONTEXT_H

#include "ipc/policy.h"

#include <openssl/ssl.h>

bool tg_context_use_pair(SSL_CTX *ctx, const struct tg_pair *pair);
bool tg_context_use_protocol(SSL_CTX *ctx, const struct tg_policy *policy);

#endif
