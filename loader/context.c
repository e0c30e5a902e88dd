/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/context.h"

static X509 *certificate_of(struct tg_span der)
{
	const unsigned char *at = der.data;

	return d2i_X509(NULL, &at, (long)der.size);
}

static EVP_PKEY *key_of(struct tg_span der)
{
	const unsigned char *at = der.data;
	PKCS8_PRIV_KEY_INFO *info = d2i_PKCS8_PRIV_KEY_INFO(NULL, &at, (long)der.size);
	EVP_PKEY *key = info ? EVP_PKCS82PKEY(info) : NULL;

	PKCS8_PRIV_KEY_INFO_free(info);
	return key;
}

bool tg_context_use_pair(SSL_CTX *ctx, const struct tg_pair *pair)
{
	X509 *leaf = certificate_of(pair->leaf);
	EVP_PKEY *key = key_of(pair->key);
	STACK_OF(X509) *chain = sk_X509_new_null();
	bool good = leaf && key && chain;

	for (size_t i = 0; good && i < pair->chain_count; i++) {
		X509 *issuer = certificate_of(pair->chain[i]);

		good = issuer && sk_X509_push(chain, issuer) > 0;
		if (!good)
			X509_free(issuer);
	}
	good = good && SSL_CTX_use_cert_and_key(ctx, leaf, key, chain, 1) == 1;
	X509_free(leaf);
	EVP_PKEY_free(key);
	sk_X509_pop_free(chain, X509_free);
	return good;
}

bool tg_context_use_protocol(SSL_CTX *ctx, const struct tg_policy *policy)
{
	long minimum = SSL_CTX_get_min_proto_version(ctx);

	if (policy->ciphers && SSL_CTX_set_cipher_list(ctx, policy->ciphers) != 1)
		return false;
	if (policy->ciphersuites && SSL_CTX_set_ciphersuites(ctx, policy->ciphersuites) != 1)
		return false;
	if (policy->groups && SSL_CTX_set1_groups_list(ctx, policy->groups) != 1)
		return false;
	if (policy->security_level >= 0)
		SSL_CTX_set_security_level(ctx, policy->security_level);
	/* The stricter limits count; 0 stands for none. */
	if (policy->min_protocol != 0 && (policy->override || policy->min_protocol > minimum) &&
	    SSL_CTX_set_min_proto_version(ctx, policy->min_protocol) != 1)
		return false;
	return policy->max_protocol == 0 || SSL_CTX_set_max_proto_version(ctx, policy->max_protocol) == 1;
}
