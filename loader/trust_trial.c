/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/trust_trial.h"

#include "loader/describe.h"
#include "loader/digest.h"
#include "loader/trial_clients.h"
#include "loader/tried.h"

#include <openssl/x509v3.h>

struct trying {
	struct tg_load *load;
	const struct tg_trust *trust;
	const struct tg_listing *listing;
	int security_level;
	bool good;  /* no error */
	bool quiet; /* no message at all */
};

static bool lists(const struct tg_trust *trust, struct tg_span ca)
{
	for (size_t i = 0; i < trust->ca_count; i++)
		if (tg_span_equal(trust->cas[i], ca))
			return true;
	return false;
}

/* Was that so before? True where a trust that serves has this CA, and none of those that have it lets its clients in. */
static bool serving_has(const struct trying *trying, X509 *ca)
{
	const struct tg_document *serving = trying->load->serving;
	struct tg_span der = tg_certificate_der(trying->load->arena, ca);
	bool has = false, passes = false;

	for (size_t i = 0; serving && der.data && i < serving->trust_count && !passes; i++) {
		struct tg_clients_trial trial;
		struct tg_obstacle obstacle = {.error = X509_V_OK};

		if (!lists(&serving->trusts[i], der))
			continue;
		has = true;
		passes = !tg_clients_trial_begin(&trial, &serving->trusts[i], trying->security_level) ||
			 !tg_clients_trial_run(&trial, ca, &obstacle) || obstacle.error == X509_V_OK;
		tg_obstacle_clear(&obstacle);
		tg_clients_trial_clear(&trial);
	}
	return has && !passes;
}

static const struct tg_listed *crl_of(const struct trying *trying, const X509 *issuer)
{
	for (size_t i = 0; issuer && i < trying->listing->crl_count; i++) {
		const struct tg_listed *one = &trying->listing->crls[i];
		EVP_PKEY *key = X509_get0_pubkey(issuer);

		if (X509_NAME_cmp(X509_CRL_get_issuer(one->crl), X509_get_subject_name(issuer)) == 0 && key &&
		    X509_CRL_verify(one->crl, key) == 1)
			return one;
	}
	return NULL;
}

/* RFC 5280 5.2.5. */
static const char *scope_of(X509_CRL *crl)
{
	int critical = -1;
	ISSUING_DIST_POINT *scope = X509_CRL_get_ext_d2i(crl, NID_issuing_distribution_point, &critical, NULL);
	const char *text = NULL;

	if (!scope)
		return critical >= 0 ? "its issuing distribution point cannot be read" : NULL;
	if (scope->onlyattr > 0)
		text = "it is for attribute certificates alone (onlyContainsAttributeCerts)";
	else if (scope->indirectCRL > 0)
		text = "it is an indirect CRL, which OpenSSL does not take";
	else if (scope->onlysomereasons)
		text = "it is for some reasons of revocation alone (onlySomeReasons)";
	else if (scope->onlyCA > 0)
		text = "it is for the certificates of CAs alone (onlyContainsCACerts)";
	else if (scope->onlyuser > 0)
		text =
		    "it is not for the certificates of CAs (onlyContainsUserCerts), which crl_check = chain looks up too";
	else if (scope->distpoint)
		text = "it is for the certificates of another distribution point";
	ISSUING_DIST_POINT_free(scope);
	return text;
}

static void add_message(struct trying *trying, enum tlsgraft_severity severity, const struct tg_listed *where,
			const char *text)
{
	tg_message(trying->load->messages, severity, where->place, "%s: %s", where->file, text);
	trying->quiet = false;
	trying->good = trying->good && severity != TLSGRAFT_ERROR;
}

/* What to do, to be put behind the reason. */
static const char *advice_for(int error)
{
	switch (error) {
	case X509_V_ERR_EC_KEY_EXPLICIT_PARAMS:
		return ": issue it anew with a named curve";
	case X509_V_ERR_CERT_CHAIN_TOO_LONG:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
		return ": is verify_depth too small for the CAs above it?";
	case X509_V_ERR_PATH_LENGTH_EXCEEDED:
		return ": the path length that a CA above it allows is exceeded";
	default:
		return "";
	}
}

static void report_obstacle(struct trying *trying, const struct tg_listed *ca, const struct tg_obstacle *obstacle)
{
	struct tg_arena *arena = trying->load->arena;
	const enum tlsgraft_severity severity = tg_severity(serving_has(trying, ca->ca));
	const struct tg_listed *crl = crl_of(trying, obstacle->issuer ? obstacle->issuer : ca->ca);
	const char *subject = tg_subject_text(arena, ca->ca);
	const char *reason = X509_verify_cert_error_string(obstacle->error), *scope;

	if (obstacle->error == X509_V_ERR_CERT_REVOKED && crl) {
		/* That may be what the CRL is for. */
		add_message(trying, TLSGRAFT_WARNING, crl,
			    tg_arena_format(arena, "revokes %s: no client of %s is let in",
					    obstacle->at ? tg_subject_text(arena, obstacle->at) : "a client", subject));
	} else if (tg_obstacle_is_crl(obstacle) && crl) {
		scope = scope_of(crl->crl);
		add_message(trying, severity, crl,
			    tg_arena_format(
				arena,
				"the CRL of %s cannot be used: %s: with it no client of %s can be let in; a full CRL of "
				"that CA is needed",
				tg_name_text(arena, X509_CRL_get_issuer(crl->crl)), scope ? scope : reason, subject));
	} else {
		add_message(trying, severity, ca,
			    tg_arena_format(arena, "%s: no client of this CA can be let in: %s%s%s%s", subject, reason,
					    obstacle->at ? ", at " : "",
					    obstacle->at ? tg_subject_text(arena, obstacle->at) : "",
					    advice_for(obstacle->error)));
	}
}

static void report_scope(struct trying *trying, const struct tg_listed *ca, X509_CRL *only)
{
	struct tg_arena *arena = trying->load->arena;

	for (size_t i = 0; i < trying->listing->crl_count; i++)
		if (X509_CRL_match(trying->listing->crls[i].crl, only) == 0)
			add_message(trying, TLSGRAFT_WARNING, &trying->listing->crls[i],
				    tg_arena_format(
					arena,
					"the CRL of %s has the scope of one distribution point: clients whose certificates "
					"do not name it are refused",
					tg_subject_text(arena, ca->ca)));
}

static void try_all(struct trying *trying)
{
	struct tg_clients_trial trial;
	bool done = tg_clients_trial_begin(&trial, trying->trust, trying->security_level);

	for (size_t i = 0; i < trying->listing->ca_count && done; i++) {
		const struct tg_listed *ca = &trying->listing->cas[i];
		struct tg_obstacle obstacle;

		done = tg_clients_trial_run(&trial, ca->ca, &obstacle);
		if (!done)
			break;
		if (obstacle.error != X509_V_OK)
			report_obstacle(trying, ca, &obstacle);
		else if (obstacle.only)
			report_scope(trying, ca, obstacle.only);
		tg_obstacle_clear(&obstacle);
	}
	tg_clients_trial_clear(&trial);
	if (!done)
		tg_arena_fail(trying->load->arena);
}

bool tg_trust_try(struct tg_load *load, const struct tg_trust *trust, const struct tg_listing *listing, int security_level)
{
	const struct tg_policy level = {.security_level = security_level};
	struct trying trying = {.load = load,
				.trust = trust,
				.listing = listing,
				.security_level = security_level,
				.good = true,
				.quiet = true};
	unsigned char digest[TG_DIGEST_SIZE];

	if (!tg_policy_digest(&level, trust, digest)) {
		tg_arena_fail(load->arena);
		return false;
	}
	if (!tg_tried_has(&load->tried, digest) && (!load->tried_before || !tg_tried_has(load->tried_before, digest)))
		try_all(&trying);
	if (trying.quiet)
		tg_tried_add(&load->tried, load->arena, digest);
	return trying.good;
}
