/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/store.h"

#define TG_CRYPTO(name) name
#include "ipc/issuer.h"

static STACK_OF(X509_NAME) * names_of(X509 **cas, size_t count)
{
	STACK_OF(X509_NAME) *names = sk_X509_NAME_new_null();
	size_t size = 0;

	for (size_t i = 0; names && i < count; i++) {
		X509_NAME *name = X509_NAME_dup(X509_get_subject_name(cas[i]));
		size_t length = 0;

		if (!name || X509_NAME_get0_der(name, NULL, &length) != 1 || sk_X509_NAME_push(names, name) <= 0) {
			X509_NAME_free(name);
			sk_X509_NAME_pop_free(names, X509_NAME_free);
			return NULL;
		}
		size += length + 2;
	}
	if (size <= TG_CA_NAMES_MAX)
		return names;
	sk_X509_NAME_pop_free(names, X509_NAME_free);
	return sk_X509_NAME_new_null();
}

X509_STORE *tg_store_new(const struct tg_trust *trust, STACK_OF(X509_NAME) * *ret_names)
{
	X509 **cas = calloc(trust->ca_count + 1, sizeof(X509 *));
	STACK_OF(X509_NAME) *names = NULL;
	X509_STORE *store = NULL;
	bool good = cas != NULL;

	for (size_t i = 0; good && i < trust->ca_count; i++) {
		const unsigned char *at = trust->cas[i].data;

		cas[i] = d2i_X509(NULL, &at, (long)trust->cas[i].size);
		good = cas[i] != NULL;
	}
	if (good && ret_names) {
		names = names_of(cas, trust->ca_count);
		good = names != NULL;
	}
	if (good)
		store = tg_make_store(trust, cas);
	for (size_t i = 0; cas && i < trust->ca_count; i++)
		X509_free(cas[i]);
	free(cas);
	if (store && ret_names)
		*ret_names = names;
	else
		sk_X509_NAME_pop_free(names, X509_NAME_free);
	return store;
}

bool tg_store_begin(X509_STORE_CTX *ctx, X509_STORE *store, const struct tg_trust *trust, X509 *leaf, int security_level)
{
	return tg_begin_verification(ctx, store, trust, leaf, NULL, security_level);
}

unsigned long tg_store_flags(const struct tg_trust *trust)
{
	return tg_verify_flags(trust->crl_check);
}

int tg_store_callback(const struct tg_trust *trust, int good, X509_STORE_CTX *ctx)
{
	return trust->crl_check == TG_CRL_CHAIN ? tg_forgive_last(good, ctx) : good;
}

int tg_store_issuer(X509 **ret_issuer, X509_STORE_CTX *ctx, X509 *certificate)
{
	return tg_pick_issuer(ret_issuer, ctx, certificate);
}
