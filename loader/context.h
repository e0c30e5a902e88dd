/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a policy says of certificate and protocol, set on an SSL_CTX. False where libssl does not take it; its error queue
 * says why.
 */
#ifndef TG_LOADER_CONTEXT_H
#define TG_LOADER_CONTEXT_H

#include "ipc/policy.h"

#include <openssl/ssl.h>

bool tg_context_use_pair(SSL_CTX *ctx, const struct tg_pair *pair);
bool tg_context_use_protocol(SSL_CTX *ctx, const struct tg_policy *policy);

#endif
