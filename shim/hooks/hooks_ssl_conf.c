/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SSL_CONF_cmd(3) writes its verify mode, options and protocol bounds straight into the SSL that it was given earlier:
 * which one that was is remembered here, so that its commands can be held back (held.h).
 */
#include "shim/policy/held.h"
#include "shim/policy/table.h"
#include "shim/process/state.h"

#include <stdlib.h>

struct target {
	struct tg_entry entry;
	const SSL *ssl; /* may be freed by now: compared, never used, unless the shim knows an SSL of that address */
};

static struct tg_table targets = TG_TABLE_INITIALIZER(struct target);

TG_EXPORT void SSL_CONF_CTX_set_ssl(SSL_CONF_CTX *conf, SSL *ssl)
{
	struct target *target = ssl == NULL || tg_shim_is(TG_STATE_INERT) ? NULL : tg_table_get(&targets, conf);

	if (target != NULL)
		target->ssl = ssl;
	tg_openssl()->SSL_CONF_CTX_set_ssl(conf, ssl);
}

TG_EXPORT void SSL_CONF_CTX_free(SSL_CONF_CTX *conf)
{
	free(tg_table_take(&targets, conf));
	tg_openssl()->SSL_CONF_CTX_free(conf);
}

/* What the command would have taken of its arguments, it takes; a wrong one fails as ever. */
TG_EXPORT int SSL_CONF_cmd(SSL_CONF_CTX *conf, const char *command, const char *value)
{
	const struct tg_openssl *o = tg_openssl();
	const struct target *target = tg_shim_is(TG_STATE_GOVERNED) ? tg_table_find(&targets, conf) : NULL;

	if (target == NULL || !tg_held(target->ssl, TG_WAY_SSL_CONF_cmd))
		return o->SSL_CONF_cmd(conf, command, value);
	int type = o->SSL_CONF_cmd_value_type(conf, command);
	if (type == SSL_CONF_TYPE_UNKNOWN || (type != SSL_CONF_TYPE_NONE && value == NULL))
		return o->SSL_CONF_cmd(conf, command, value);
	return type == SSL_CONF_TYPE_NONE ? 1 : 2;
}
