#include "shim/held.h"

#include "shim/connection.h"
#include "shim/state.h"

static bool sets_protocol(const struct tg_policy *policy)
{
	return policy->min_protocol != 0 || policy->max_protocol != 0 || policy->security_level >= 0 ||
	       policy->ciphers != NULL || policy->ciphersuites != NULL || policy->groups != NULL;
}

bool tg_held(const SSL *ssl, enum tg_row row)
{
	if (tg_shim_state() != TG_STATE_GOVERNED)
		return false;
	const struct tg_connection *connection = tg_connection_find(ssl);
	if (connection == NULL || connection->policy == NULL || connection->policy->mode == TG_MODE_OFF)
		return false;
	bool hello = connection->phase == TG_PHASE_HELLO || connection->phase == TG_PHASE_IDENTITY;
	if (!hello || tg_openssl()->SSL_is_init_finished(ssl))
		return false;
	const struct tg_policy *policy = connection->policy;
	bool verifies = policy->mode == TG_MODE_OPTIONAL || policy->mode == TG_MODE_MUTUAL;
	switch (row) {
	case TG_ROW_IDENTITY:
		return connection->phase == TG_PHASE_IDENTITY;
	case TG_ROW_VERIFICATION:
		return connection->phase == TG_PHASE_IDENTITY && (verifies || policy->override);
	case TG_ROW_PROTOCOL:
		return sets_protocol(policy);
	case TG_ROW_SHORTCUT:
		return verifies;
	}
	return false;
}

bool tg_held_ctrl(const SSL *ssl, int command)
{
	switch (command) {
	case SSL_CTRL_CHAIN:
	case SSL_CTRL_CHAIN_CERT:
	case SSL_CTRL_BUILD_CERT_CHAIN:
	case SSL_CTRL_SELECT_CURRENT_CERT:
	case SSL_CTRL_SET_CURRENT_CERT:
	case SSL_CTRL_SET_TLSEXT_STATUS_REQ_TYPE:
		return tg_held(ssl, TG_ROW_IDENTITY);
	case SSL_CTRL_SET_VERIFY_CERT_STORE:
	case SSL_CTRL_SET_CHAIN_CERT_STORE:
		return tg_held(ssl, TG_ROW_VERIFICATION);
	case SSL_CTRL_SET_MIN_PROTO_VERSION:
	case SSL_CTRL_SET_MAX_PROTO_VERSION:
	case SSL_CTRL_SET_GROUPS:
	case SSL_CTRL_SET_GROUPS_LIST:
		return tg_held(ssl, TG_ROW_PROTOCOL);
	default:
		return false;
	}
}
