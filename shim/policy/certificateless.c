/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/policy/certificateless.h"

#include <stdlib.h>
#include <string.h>

static bool verifies(const struct tg_policy *policy)
{
	return policy->mode == TG_MODE_OPTIONAL || policy->mode == TG_MODE_MUTUAL;
}

void tg_certificateless_close(const struct tg_policy *policy, SSL *ssl)
{
	const struct tg_openssl *o = tg_openssl();

	if (!verifies(policy))
		return;
	o->SSL_set_max_early_data(ssl, 0);
	o->SSL_set_options(ssl, SSL_OP_NO_RENEGOTIATION);
	if (policy->mode != TG_MODE_MUTUAL)
		return;
	o->SSL_set_psk_server_callback(ssl, NULL);
	o->SSL_set_psk_find_session_callback(ssl, NULL);
	/* A secret that the server finds for a ticket ends the handshake as a resumption (RFC 4851). */
	o->SSL_set_session_secret_cb(ssl, NULL, NULL);
	o->SSL_SRP_CTX_free(ssl);
}

static bool is_dropped(const struct tg_openssl *o, const struct tg_policy *policy, const SSL_CIPHER *cipher)
{
	return o->SSL_CIPHER_get_auth_nid(cipher) == NID_auth_null ||
	       (verifies(policy) && o->SSL_CIPHER_get_cipher_nid(cipher) == NID_undef);
}

static const SSL_CIPHER *cipher_at(const struct tg_openssl *o, const STACK_OF(SSL_CIPHER) * ciphers, int at)
{
	return o->OPENSSL_sk_value((const OPENSSL_STACK *)ciphers, at);
}

/* The names of those that stay, each with a colon behind it, as in ciphers(1). The caller frees it. */
static char *names_of_others(const struct tg_openssl *o, const struct tg_policy *policy,
			     const STACK_OF(SSL_CIPHER) * ciphers, int count)
{
	size_t size = 1;

	for (int i = 0; i < count; i++)
		size += strlen(o->SSL_CIPHER_get_name(cipher_at(o, ciphers, i))) + 1;
	char *names = malloc(size);
	char *end = names;
	for (int i = 0; names != NULL && i < count; i++) {
		const SSL_CIPHER *cipher = cipher_at(o, ciphers, i);
		if (!is_dropped(o, policy, cipher))
			end = stpcpy(stpcpy(end, o->SSL_CIPHER_get_name(cipher)), ":");
	}
	if (names != NULL)
		*end = '\0';
	return names;
}

#define REMEMBERED 192 /* suites, more than libssl has; a longer list is looked at each time */

/* The newest list of this thread in which nothing was to be dropped: that of most handshakes. Suites are constants of
 * libssl. */
static _Thread_local struct {
	const SSL_CIPHER *suites[REMEMBERED];
	int count;
	bool verifies;
} good;

static bool is_good_one(const struct tg_openssl *o, const struct tg_policy *policy, const STACK_OF(SSL_CIPHER) * ciphers,
			int count)
{
	bool same = count > 0 && count == good.count && verifies(policy) == good.verifies;

	for (int i = 0; same && i < count; i++)
		same = cipher_at(o, ciphers, i) == good.suites[i];
	return same;
}

static void remember_good_one(const struct tg_openssl *o, const struct tg_policy *policy,
			      const STACK_OF(SSL_CIPHER) * ciphers, int count)
{
	if (count > REMEMBERED)
		return;
	for (int i = 0; i < count; i++)
		good.suites[i] = cipher_at(o, ciphers, i);
	good.count = count;
	good.verifies = verifies(policy);
}

bool tg_certificateless_drop_suites(const struct tg_policy *policy, SSL *ssl)
{
	const struct tg_openssl *o = tg_openssl();
	const STACK_OF(SSL_CIPHER) *ciphers = o->SSL_get_ciphers(ssl);
	int count = o->OPENSSL_sk_num((const OPENSSL_STACK *)ciphers);
	bool any = false;

	if (policy->mode == TG_MODE_OFF || o->SSL_version(ssl) == TLS1_3_VERSION)
		return true;
	if (is_good_one(o, policy, ciphers, count))
		return true;
	for (int i = 0; i < count && !any; i++)
		any = is_dropped(o, policy, cipher_at(o, ciphers, i));
	if (!any) {
		remember_good_one(o, policy, ciphers, count);
		return true;
	}
	char *names = names_of_others(o, policy, ciphers, count);
	bool done = names != NULL && o->SSL_set_cipher_list(ssl, names) == 1;
	free(names);
	return done;
}
