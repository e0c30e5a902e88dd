/* SPDX-License-Identifier: Apache-2.0 */
/* Which SSL an SSL_CONF_CTX was given: SSL_CONF_cmd(3) writes straight into it. Any thread. */
#ifndef TG_SHIM_POLICY_CONF_H
#define TG_SHIM_POLICY_CONF_H

#include "shim/binding/openssl.h"

/* `ssl` NULL: none any more. -ENOMEM: it is not known, so that its commands could not be blocked. */
int tg_conf_set(const SSL_CONF_CTX *conf, const SSL *ssl);

/* NULL: none. It may be freed by now: compared, never used, unless the shim knows an SSL of that address. */
const SSL *tg_conf_ssl(const SSL_CONF_CTX *conf);

void tg_conf_forget(const SSL_CONF_CTX *conf);

/* Around fork. */
void tg_conf_lock(void);
void tg_conf_unlock(void);

#endif
