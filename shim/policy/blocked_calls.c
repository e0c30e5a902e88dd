/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/policy/blocked_calls.h"

#include "shim/policy/connection.h"
#include "shim/process/state.h"

enum row { NOTHING, IDENTITY, VERIFICATION, PROTOCOL, CERTIFICATELESS, KEYS, ANY };

static const enum row rows[] = {
#define TG_BLOCKED(what, row) [TG_WAY_##what] = (row),
#define TG_BLOCKED_CONTROL(what, row)
#include "shim/policy/blocked_calls.def"
#undef TG_BLOCKED
#undef TG_BLOCKED_CONTROL
};

struct control {
	int command;
	enum row row;
};

static const struct control controls[] = {
#define TG_BLOCKED(what, row)
#define TG_BLOCKED_CONTROL(what, row) {what, row},
#include "shim/policy/blocked_calls.def"
#undef TG_BLOCKED
#undef TG_BLOCKED_CONTROL
};

static enum row row_of_control(int command)
{
	for (size_t i = 0; i < sizeof(controls) / sizeof(controls[0]); i++)
		if (controls[i].command == command)
			return controls[i].row;
	return NOTHING;
}

static bool sets_protocol(const struct tg_policy *policy)
{
	return policy->min_protocol != 0 || policy->max_protocol != 0 || policy->security_level >= 0 ||
	       policy->ciphers != NULL || policy->ciphersuites != NULL || policy->groups != NULL;
}

static bool blocks(const struct tg_connection *connection, enum row row)
{
	const struct tg_policy *policy = connection->policy;
	bool verifies = policy->mode == TG_MODE_OPTIONAL || policy->mode == TG_MODE_MUTUAL;
	bool hello = connection->phase == TG_PHASE_HELLO || connection->phase == TG_PHASE_IDENTITY;
	bool over = connection->phase == TG_PHASE_DONE && verifies;

	switch (row) {
	case IDENTITY:
		return connection->phase == TG_PHASE_IDENTITY || over;
	case VERIFICATION:
		return (connection->phase == TG_PHASE_IDENTITY && (verifies || policy->override)) || over;
	case PROTOCOL:
		return hello && sets_protocol(policy);
	case CERTIFICATELESS:
		return (hello && verifies) || over;
	case KEYS:
		return hello && policy->mode == TG_MODE_MUTUAL;
	case ANY:
		return hello || over;
	case NOTHING:
		break;
	}
	return false;
}

static bool is_blocked(const SSL *ssl, enum row row)
{
	if (row == NOTHING || tg_shim_state() != TG_STATE_GOVERNED)
		return false;
	const struct tg_connection *connection = tg_connection_find(ssl);
	return connection != NULL && connection->policy != NULL && connection->policy->mode != TG_MODE_OFF &&
	       blocks(connection, row);
}

bool tg_call_is_blocked(const SSL *ssl, enum tg_way way)
{
	return is_blocked(ssl, rows[way]);
}

bool tg_control_is_blocked(const SSL *ssl, int command)
{
	return is_blocked(ssl, row_of_control(command));
}
