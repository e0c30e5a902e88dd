/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which certificates and CRLs of a trust answer for a client: what the shim, which judges clients, and the loader, which
 * tries beforehand whether any could be let in, must do alike. Each includes this in one file, with TG_CRYPTO(name) as its
 * way to call libcrypto. Immutable once set up; any thread.
 *
 * X509_verify_cert(3) takes the first issuer, and the newest CRL, of the right name, without a look at signatures. Where
 * several CAs have one name and certificates do not say by a key identifier which of them is meant, that is chance.
 */
#ifndef TG_IPC_ISSUER_H
#define TG_IPC_ISSUER_H

#include "ipc/policy.h"

#include <openssl/x509v3.h>

#include <stdlib.h>

/* `X509_verify` wants it writable and writes nothing. */
static bool tg_signed_by(X509 *certificate, const X509 *issuer)
{
	EVP_PKEY *key = TG_CRYPTO(X509_get0_pubkey)(issuer);

	return key != NULL && TG_CRYPTO(X509_verify)(certificate, key) == 1;
}

/* The CA of `certificate` among those of its issuer's name: the one that signed it, else the one that libcrypto takes. */
static int tg_pick_issuer(X509 **ret_issuer, X509_STORE_CTX *ctx, X509 *certificate)
{
	X509 *taken = NULL;
	int found = TG_CRYPTO(X509_STORE_CTX_get1_issuer)(&taken, ctx, certificate);

	if (found == 1 && !tg_signed_by(certificate, taken)) {
		OPENSSL_STACK *named = (OPENSSL_STACK *)TG_CRYPTO(X509_STORE_CTX_get1_certs)(
		    ctx, TG_CRYPTO(X509_get_issuer_name)(certificate));
		int count = TG_CRYPTO(OPENSSL_sk_num)(named);

		/* Each costs the verification of a signature, whoever the client is: the loader warns of more. */
		for (int i = 0; i < count && i < TG_SAME_NAME_MAX; i++) {
			X509 *other = TG_CRYPTO(OPENSSL_sk_value)(named, i);

			if (TG_CRYPTO(X509_check_issued)(other, certificate) != X509_V_OK ||
			    !tg_signed_by(certificate, other) || TG_CRYPTO(X509_up_ref)(other) != 1)
				continue;
			TG_CRYPTO(X509_free)(taken);
			taken = other;
			break;
		}
		TG_CRYPTO(OPENSSL_sk_pop_free)(named, (OPENSSL_sk_freefunc)(void *)TG_CRYPTO(X509_free));
	}
	if (found == 1)
		*ret_issuer = taken;
	return found;
}

/* The CRLs of the certificate that is being looked up: of those of its issuer's name, what its issuer signed. */
static STACK_OF(X509_CRL) * tg_pick_crls(const X509_STORE_CTX *ctx, const X509_NAME *name)
{
	STACK_OF(X509_CRL) *crls = TG_CRYPTO(X509_STORE_CTX_get1_crls)(ctx, name);
	OPENSSL_STACK *named = (OPENSSL_STACK *)crls;
	OPENSSL_STACK *chain = (OPENSSL_STACK *)TG_CRYPTO(X509_STORE_CTX_get0_chain)(ctx);
	int depth = TG_CRYPTO(X509_STORE_CTX_get_error_depth)(ctx), top = TG_CRYPTO(OPENSSL_sk_num)(chain) - 1;
	const X509 *issuer = TG_CRYPTO(OPENSSL_sk_value)(chain, depth < top ? depth + 1 : top);
	EVP_PKEY *key = issuer == NULL ? NULL : TG_CRYPTO(X509_get0_pubkey)(issuer);

	for (int i = TG_CRYPTO(OPENSSL_sk_num)(named) - 1; i >= 0 && key != NULL; i--) {
		X509_CRL *crl = TG_CRYPTO(OPENSSL_sk_value)(named, i);

		if (TG_CRYPTO(X509_CRL_verify)(crl, key) == 1)
			continue;
		TG_CRYPTO(OPENSSL_sk_delete)(named, i);
		TG_CRYPTO(X509_CRL_free)(crl);
	}
	return crls;
}

/*
 * Verification callback under crl_check = chain: the list of CAs ends where an issuer is not in it: nobody can have a CRL
 * for that last one, which is trusted because it is listed.
 */
static int tg_forgive_last(int good, X509_STORE_CTX *ctx)
{
	int error = TG_CRYPTO(X509_STORE_CTX_get_error)(ctx), depth = TG_CRYPTO(X509_STORE_CTX_get_error_depth)(ctx);
	OPENSSL_STACK *chain = (OPENSSL_STACK *)TG_CRYPTO(X509_STORE_CTX_get0_chain)(ctx);
	X509 *last = TG_CRYPTO(OPENSSL_sk_value)(chain, depth);

	if (good || depth == 0 || depth != TG_CRYPTO(OPENSSL_sk_num)(chain) - 1 ||
	    (error != X509_V_ERR_UNABLE_TO_GET_CRL && error != X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER) ||
	    (TG_CRYPTO(X509_get_extension_flags)(last) & EXFLAG_SS) != 0)
		return good;
	TG_CRYPTO(X509_STORE_CTX_set_error)(ctx, X509_V_OK);
	return 1;
}

static int tg_compare_subjects(const void *a, const void *b)
{
	return TG_CRYPTO(X509_subject_name_cmp)(*(X509 *const *)a, *(X509 *const *)b);
}

/* Whether one of the others issued it: all are tried, since who is taken for a top is not looked up in a CRL any more. */
static bool tg_is_issued_by_another(X509 *ca, X509 **cas, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (cas[i] != ca && TG_CRYPTO(X509_check_issued)(cas[i], ca) == X509_V_OK && tg_signed_by(ca, cas[i]))
			return true;
	return false;
}

/*
 * Marks each CA whose issuer is not listed as trusted by itself, so that a chain goes on up to one of them, or to a
 * self-signed one, past other listed CAs: under crl_check = chain those are to be looked up, too.
 */
static bool tg_trust_tops(X509 **cas, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if ((TG_CRYPTO(X509_get_extension_flags)(cas[i]) & EXFLAG_SS) == 0 &&
		    !tg_is_issued_by_another(cas[i], cas, count) &&
		    TG_CRYPTO(X509_add1_trust_object)(cas[i], TG_CRYPTO(OBJ_nid2obj)(NID_client_auth)) != 1)
			return false;
	return true;
}

static X509_CRL *tg_read_crl(struct tg_span der)
{
	const unsigned char *at = der.data;

	return TG_CRYPTO(d2i_X509_CRL)(NULL, &at, (long)der.size);
}

static bool tg_fill_store(X509_STORE *store, const struct tg_trust *trust, X509 **cas)
{
	for (size_t i = 0; i < trust->ca_count; i++)
		if (TG_CRYPTO(X509_STORE_add_cert)(store, cas[i]) != 1)
			return false;
	for (size_t i = 0; i < trust->crl_count; i++) {
		X509_CRL *crl = tg_read_crl(trust->crls[i]);
		bool added = crl != NULL && TG_CRYPTO(X509_STORE_add_crl)(store, crl) == 1;

		TG_CRYPTO(X509_CRL_free)(crl);
		if (!added)
			return false;
	}
	return true;
}

/*
 * A store of all of `trust`, whose CAs `cas` are, decoded; NULL where memory ran out. Sorts `cas` and trusts some of them
 * by themselves: they may be used for nothing else. A fresh one each time: an X509_STORE never forgets an anchor.
 */
static X509_STORE *tg_make_store(const struct tg_trust *trust, X509 **cas)
{
	X509_STORE *store = TG_CRYPTO(X509_STORE_new)();
	bool named_alike = false;

	if (store == NULL || !tg_fill_store(store, trust, cas))
		goto fail;
	qsort(cas, trust->ca_count, sizeof(X509 *), tg_compare_subjects);
	for (size_t i = 1; i < trust->ca_count && !named_alike; i++)
		named_alike = tg_compare_subjects(&cas[i - 1], &cas[i]) == 0;
	if (named_alike) {
		TG_CRYPTO(X509_STORE_set_get_issuer)(store, tg_pick_issuer);
		TG_CRYPTO(X509_STORE_set_lookup_crls)(store, tg_pick_crls);
	}
	if (trust->crl_check != TG_CRL_CHAIN || tg_trust_tops(cas, trust->ca_count))
		return store;
fail:
	TG_CRYPTO(X509_STORE_free)(store);
	return NULL;
}

/* What X509_VERIFY_PARAM_set_flags(3) takes. */
static unsigned long tg_verify_flags(enum tg_crl_check crl_check)
{
	/* Whoever is listed in `ca` may sign, also an intermediate without its root; for the last see tg_trust_tops. */
	static const unsigned long flags[] = {
	    [TG_CRL_NONE] = X509_V_FLAG_PARTIAL_CHAIN,
	    [TG_CRL_LEAF] = X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_CRL_CHECK,
	    [TG_CRL_CHAIN] = X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL,
	};

	return X509_V_FLAG_TRUSTED_FIRST | flags[crl_check];
}

/*
 * Everything that a verification of a client asks for is said here: what X509_STORE_CTX_set_default(3) and the store would
 * bring along a program can change for its whole process (X509_VERIFY_PARAM_add0_table(3)).
 */
static X509_VERIFY_PARAM *tg_make_rules(const struct tg_trust *trust, int security_level)
{
	X509_VERIFY_PARAM *rules = TG_CRYPTO(X509_VERIFY_PARAM_new)();

	if (rules == NULL)
		return NULL;
	TG_CRYPTO(X509_VERIFY_PARAM_set_depth)(rules, trust->verify_depth);
	TG_CRYPTO(X509_VERIFY_PARAM_set_auth_level)(rules, security_level);
	if (TG_CRYPTO(X509_VERIFY_PARAM_set_purpose)(rules, X509_PURPOSE_SSL_CLIENT) == 1 &&
	    TG_CRYPTO(X509_VERIFY_PARAM_set_trust)(rules, X509_TRUST_SSL_CLIENT) == 1 &&
	    TG_CRYPTO(X509_VERIFY_PARAM_set_flags)(rules, tg_verify_flags(trust->crl_check)) == 1)
		return rules;
	TG_CRYPTO(X509_VERIFY_PARAM_free)(rules);
	return NULL;
}

/* Readies `ctx` for X509_verify_cert. False where memory ran out. */
static bool tg_begin_verification(X509_STORE_CTX *ctx, X509_STORE *store, const struct tg_trust *trust, X509 *leaf,
				  STACK_OF(X509) * sent, int security_level)
{
	X509_VERIFY_PARAM *rules = NULL;

	if (TG_CRYPTO(X509_STORE_CTX_init)(ctx, store, leaf, sent) == 1)
		rules = tg_make_rules(trust, security_level);
	if (rules == NULL)
		return false;
	TG_CRYPTO(X509_STORE_CTX_set0_param)(ctx, rules);
	if (trust->crl_check == TG_CRL_CHAIN)
		TG_CRYPTO(X509_STORE_CTX_set_verify_cb)(ctx, tg_forgive_last);
	return true;
}

#endif
