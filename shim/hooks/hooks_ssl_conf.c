/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SSL_CONF_cmd(3) writes its verify mode, options and protocol bounds straight into the SSL that it was given earlier:
 * which one that was is remembered here, so that its commands can be blocked (blocked_calls.h).
 */
#include "shim/policy/blocked_calls.h"
#include "shim/policy/conf.h"
#include "shim/process/state.h"

TG_EXPORT void SSL_CONF_CTX_set_ssl(SSL_CONF_CTX *conf, SSL *ssl)
{
	/* Of an SSL that is not known nothing could be blocked: its commands reach none. */
	if (!tg_shim_is(TG_STATE_INERT) && tg_conf_set(conf, ssl) < 0)
		ssl = NULL;
	tg_openssl()->SSL_CONF_CTX_set_ssl(conf, ssl);
}

TG_EXPORT void SSL_CONF_CTX_free(SSL_CONF_CTX *conf)
{
	tg_conf_forget(conf);
	tg_openssl()->SSL_CONF_CTX_free(conf);
}

/* What the command would have taken of its arguments, it takes; a wrong one fails as ever. */
TG_EXPORT int SSL_CONF_cmd(SSL_CONF_CTX *conf, const char *command, const char *value)
{
	const struct tg_openssl *o = tg_openssl();
	const SSL *ssl = tg_shim_is(TG_STATE_GOVERNED) ? tg_conf_ssl(conf) : NULL;

	if (ssl == NULL || !tg_call_is_blocked(ssl, TG_WAY_SSL_CONF_cmd))
		return o->SSL_CONF_cmd(conf, command, value);
	int type = o->SSL_CONF_cmd_value_type(conf, command);
	if (type == SSL_CONF_TYPE_UNKNOWN || (type != SSL_CONF_TYPE_NONE && value == NULL))
		return o->SSL_CONF_cmd(conf, command, value);
	return type == SSL_CONF_TYPE_NONE ? 1 : 2;
}
