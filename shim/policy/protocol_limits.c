/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/policy/protocol_limits.h"

#include "shim/policy/connection.h"

static tg_security_fn default_callback;

void tg_protocol_limits_learn(const SSL_CTX *fresh)
{
	default_callback = tg_openssl()->SSL_CTX_get_security_callback(fresh);
}

/* In the place of a server's own callback, which may demand more than the level does, and might demand nothing. */
static int both_agree(const SSL *ssl, const SSL_CTX *ssl_ctx, int op, int bits, int nid, void *other, void *ex)
{
	const struct tg_connection *connection = tg_connection_find(ssl);
	const tg_security_fn own = connection == NULL ? NULL : connection->own_security;
	int result = default_callback(ssl, ssl_ctx, op, bits, nid, other, ex);

	return result != 0 && own != NULL ? own(ssl, ssl_ctx, op, bits, nid, other, ex) : result;
}

void tg_protocol_limits_keep_level(const struct tg_policy *policy, SSL *ssl)
{
	const struct tg_openssl *o = tg_openssl();

	if (policy->security_level < 0)
		return;
	if (policy->override || policy->security_level > o->SSL_get_security_level(ssl))
		o->SSL_set_security_level(ssl, policy->security_level);
	tg_security_fn own = o->SSL_get_security_callback(ssl);
	if (own == default_callback || own == both_agree)
		return;
	struct tg_connection *connection = tg_connection_find(ssl);
	if (connection != NULL)
		connection->own_security = policy->override ? NULL : own;
	o->SSL_set_security_callback(ssl, both_agree);
}

static bool below(int a, int b)
{
	return a != 0 && a < b;
}

static bool apply_versions(const struct tg_openssl *o, const struct tg_policy *policy, SSL *ssl)
{
	int own_min = (int)o->SSL_ctrl(ssl, SSL_CTRL_GET_MIN_PROTO_VERSION, 0, NULL);
	int own_max = (int)o->SSL_ctrl(ssl, SSL_CTRL_GET_MAX_PROTO_VERSION, 0, NULL);
	int min = policy->min_protocol;
	int max = policy->max_protocol;

	if (policy->override && min != 0)
		o->SSL_clear_options(ssl, SSL_OP_NO_SSL_MASK);
	if (min != 0 && (policy->override || own_min < min) &&
	    o->SSL_ctrl(ssl, SSL_CTRL_SET_MIN_PROTO_VERSION, min, NULL) != 1)
		return false;
	if (max != 0 && (policy->override || own_max == 0 || own_max > max) &&
	    o->SSL_ctrl(ssl, SSL_CTRL_SET_MAX_PROTO_VERSION, max, NULL) != 1)
		return false;
	return true;
}

bool tg_protocol_limits_apply(const struct tg_policy *policy, SSL *ssl)
{
	const struct tg_openssl *o = tg_openssl();

	if (!apply_versions(o, policy, ssl))
		return false;
	if (policy->ciphers != NULL && o->SSL_set_cipher_list(ssl, policy->ciphers) != 1)
		return false;
	/* After the cipher list, whose @SECLEVEL would otherwise win. */
	tg_protocol_limits_keep_level(policy, ssl);
	if (policy->ciphersuites != NULL && o->SSL_set_ciphersuites(ssl, policy->ciphersuites) != 1)
		return false;
	return policy->groups == NULL || o->SSL_ctrl(ssl, SSL_CTRL_SET_GROUPS_LIST, 0, policy->groups) == 1;
}

bool tg_protocol_limits_hold(const struct tg_policy *policy, const SSL *ssl)
{
	return tg_protocol_limits_admit(policy, tg_openssl()->SSL_version(ssl));
}

bool tg_protocol_limits_admit(const struct tg_policy *policy, int version)
{
	if (policy->mode == TG_MODE_OFF || version >> 8 != SSL3_VERSION_MAJOR)
		return true; /* DTLS counts downwards; its bounds are the server's own */
	return !below(version, policy->min_protocol) && (policy->max_protocol == 0 || version <= policy->max_protocol);
}
