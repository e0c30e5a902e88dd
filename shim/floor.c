#include "shim/floor.h"

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

bool tg_floor_apply(const struct tg_policy *policy, SSL *ssl)
{
	const struct tg_openssl *o = tg_openssl();

	if (!apply_versions(o, policy, ssl))
		return false;
	if (policy->security_level >= 0 && (policy->override || policy->security_level > o->SSL_get_security_level(ssl)))
		o->SSL_set_security_level(ssl, policy->security_level);
	if (policy->ciphers != NULL && o->SSL_set_cipher_list(ssl, policy->ciphers) != 1)
		return false;
	if (policy->ciphersuites != NULL && o->SSL_set_ciphersuites(ssl, policy->ciphersuites) != 1)
		return false;
	return policy->groups == NULL || o->SSL_ctrl(ssl, SSL_CTRL_SET_GROUPS_LIST, 0, policy->groups) == 1;
}

bool tg_floor_holds(const struct tg_policy *policy, const SSL *ssl)
{
	return tg_floor_admits(policy, tg_openssl()->SSL_version(ssl));
}

bool tg_floor_admits(const struct tg_policy *policy, int version)
{
	if (policy->mode == TG_MODE_OFF || version >> 8 != SSL3_VERSION_MAJOR)
		return true; /* DTLS counts downwards; its bounds are the server's own */
	return !below(version, policy->min_protocol) && (policy->max_protocol == 0 || version <= policy->max_protocol);
}
