/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/trial_clients.h"

#include "loader/made_up.h"
#include "loader/store.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

/* What the callbacks of one verification know. */
struct run {
	const struct tg_trust *trust;
	X509 *leaf;
	X509 *ca;
	bool came_to_signature;
};

static struct run *run_of(const X509_STORE_CTX *ctx)
{
	return X509_STORE_CTX_get_ex_data(ctx, 0);
}

/* Of several CAs of one name the one that is tried issued the leaf: as the store has it, its trust included. */
static int issuer_of(X509 **ret, X509_STORE_CTX *ctx, X509 *certificate)
{
	const struct run *run = run_of(ctx);
	STACK_OF(X509) * named;
	int found = 0;

	if (!run || certificate != run->leaf)
		return tg_store_issuer(ret, ctx, certificate);
	if (X509_check_issued(run->ca, certificate) != X509_V_OK)
		return 0;
	named = X509_STORE_CTX_get1_certs(ctx, X509_get_issuer_name(certificate));
	for (int i = 0; i < sk_X509_num(named) && !found; i++) {
		X509 *one = sk_X509_value(named, i);

		if (X509_cmp(one, run->ca) != 0 || X509_up_ref(one) != 1)
			continue;
		*ret = one;
		found = 1;
	}
	sk_X509_pop_free(named, X509_free);
	return found;
}

static int on_step(int good, X509_STORE_CTX *ctx)
{
	struct run *run = run_of(ctx);

	if (good || X509_STORE_CTX_get_error(ctx) != X509_V_ERR_CERT_SIGNATURE_FAILURE ||
	    X509_STORE_CTX_get_error_depth(ctx) != 0)
		return tg_store_callback(run->trust, good, ctx);
	run->came_to_signature = true;
	X509_STORE_CTX_set_error(ctx, X509_V_OK);
	return 1;
}

bool tg_clients_trial_begin(struct tg_clients_trial *trial, const struct tg_trust *trust, int security_level)
{
	*trial = (struct tg_clients_trial){
	    .trust = trust,
	    .store = tg_store_new(trust, NULL),
	    .key = EVP_EC_gen("P-521"),
	    .security_level = security_level,
	};
	if (trial->store)
		X509_STORE_set_get_issuer(trial->store, issuer_of);
	return trial->store && trial->key;
}

void tg_clients_trial_clear(struct tg_clients_trial *trial)
{
	X509_STORE_free(trial->store);
	EVP_PKEY_free(trial->key);
	*trial = (struct tg_clients_trial){0};
}

static void note(X509_STORE_CTX *ctx, struct tg_obstacle *ret)
{
	STACK_OF(X509) *chain = X509_STORE_CTX_get0_chain(ctx);
	int depth = X509_STORE_CTX_get_error_depth(ctx);

	ret->error = X509_STORE_CTX_get_error(ctx);
	if (ret->error == X509_V_OK)
		ret->error = X509_V_ERR_UNSPECIFIED;
	if (depth > 0 && depth < sk_X509_num(chain))
		ret->at = sk_X509_value(chain, depth);
	if (depth + 1 < sk_X509_num(chain))
		ret->issuer = sk_X509_value(chain, depth + 1);
	if (ret->at && X509_up_ref(ret->at) != 1)
		ret->at = NULL;
	if (ret->issuer && X509_up_ref(ret->issuer) != 1)
		ret->issuer = NULL;
}

/* One client. False where memory ran out. */
static bool run_with(const struct tg_clients_trial *trial, X509 *ca, DIST_POINT_NAME *point, struct tg_obstacle *ret)
{
	struct run run = {.trust = trial->trust, .leaf = tg_made_up(ca, trial->key, point), .ca = ca};
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	bool begun = run.leaf && ctx && tg_store_begin(ctx, trial->store, trial->trust, run.leaf, trial->security_level) &&
		     X509_STORE_CTX_set_ex_data(ctx, 0, &run) == 1;

	if (begun) {
		X509_STORE_CTX_set_verify_cb(ctx, on_step);
		X509_STORE_CTX_set_flags(ctx, X509_V_FLAG_NO_CHECK_TIME);
		if (X509_verify_cert(ctx) != 1 || !run.came_to_signature)
			note(ctx, ret);
	}
	X509_STORE_CTX_free(ctx);
	X509_free(run.leaf);
	return begun;
}

/* A CRL of one distribution point is for certificates that name it. */
static bool run_with_points(const struct tg_clients_trial *trial, X509 *ca, struct tg_obstacle *ret)
{
	for (size_t i = 0; i < trial->trust->crl_count && !ret->only; i++) {
		const unsigned char *at = trial->trust->crls[i].data;
		X509_CRL *crl = d2i_X509_CRL(NULL, &at, (long)trial->trust->crls[i].size);
		struct tg_obstacle obstacle = {.error = X509_V_OK};
		ISSUING_DIST_POINT *scope = NULL;
		bool done = crl != NULL;

		if (crl && X509_NAME_cmp(X509_CRL_get_issuer(crl), X509_get_subject_name(ca)) == 0)
			scope = X509_CRL_get_ext_d2i(crl, NID_issuing_distribution_point, NULL, NULL);
		if (scope && scope->distpoint) {
			done = run_with(trial, ca, scope->distpoint, &obstacle);
			if (done && obstacle.error == X509_V_OK) {
				ret->only = crl;
				crl = NULL;
			}
		}
		ISSUING_DIST_POINT_free(scope);
		tg_obstacle_clear(&obstacle);
		X509_CRL_free(crl);
		if (!done)
			return false;
	}
	return true;
}

bool tg_clients_trial_run(const struct tg_clients_trial *trial, X509 *ca, struct tg_obstacle *ret)
{
	bool done;

	*ret = (struct tg_obstacle){.error = X509_V_OK};
	ERR_set_mark();
	done = run_with(trial, ca, NULL, ret);
	if (done && ret->error == X509_V_ERR_DIFFERENT_CRL_SCOPE)
		done = run_with_points(trial, ca, ret);
	ERR_pop_to_mark();
	if (done && ret->only)
		ret->error = X509_V_OK;
	if (!done)
		tg_obstacle_clear(ret);
	return done;
}

void tg_obstacle_clear(struct tg_obstacle *obstacle)
{
	X509_free(obstacle->at);
	X509_free(obstacle->issuer);
	X509_CRL_free(obstacle->only);
	*obstacle = (struct tg_obstacle){.error = X509_V_OK};
}

bool tg_obstacle_is_crl(const struct tg_obstacle *obstacle)
{
	switch (obstacle->error) {
	case X509_V_ERR_UNABLE_TO_GET_CRL:
	case X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER:
	case X509_V_ERR_UNABLE_TO_DECRYPT_CRL_SIGNATURE:
	case X509_V_ERR_CRL_SIGNATURE_FAILURE:
	case X509_V_ERR_CRL_NOT_YET_VALID:
	case X509_V_ERR_CRL_HAS_EXPIRED:
	case X509_V_ERR_ERROR_IN_CRL_LAST_UPDATE_FIELD:
	case X509_V_ERR_ERROR_IN_CRL_NEXT_UPDATE_FIELD:
	case X509_V_ERR_KEYUSAGE_NO_CRL_SIGN:
	case X509_V_ERR_UNHANDLED_CRITICAL_CRL_EXTENSION:
	case X509_V_ERR_DIFFERENT_CRL_SCOPE:
	case X509_V_ERR_CRL_PATH_VALIDATION_ERROR:
		return true;
	default:
		return false;
	}
}
