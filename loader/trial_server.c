/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/trial_server.h"

#include "loader/context.h"
#include "loader/describe.h"
#include "loader/digest.h"
#include "loader/handshake.h"
#include "loader/tried.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <string.h>

/* A signature with more costs milliseconds. That the key signs has been tried when it was read. */
#define RSA_BITS_CHEAP 3072
#define USUAL_GROUPS "X25519:P-256:P-384:P-521"

static const struct {
	int number;
	const char *text;
} versions[] = {
    {TLS1_3_VERSION, "TLS 1.3"}, {TLS1_2_VERSION, "TLS 1.2"}, {TLS1_1_VERSION, "TLS 1.1"}, {TLS1_VERSION, "TLS 1.0"}};

enum { VERSIONS = sizeof(versions) / sizeof(versions[0]) };

/* One certificate, tried. */
struct outcome {
	bool served[VERSIONS];
	char reasons[VERSIONS][TG_HANDSHAKE_REASON];
	const char *chain; /* why a client does not take the chain; NULL: it does */
};

struct trying {
	struct tg_load *load;
	const struct tg_section *section;
	const struct tg_loaded_pairs *pairs;
	const struct tg_policy *policy;
	int security_level;
	bool in_bounds[VERSIONS]; /* which the policy's bounds leave */
	bool quiet;               /* no message */
};

/* A client's verification of one certificate. */
struct verification {
	struct trying *trying;
	X509 *top; /* what the client trusts */
	bool done;
	const char *reason; /* NULL: it is good */
};

static const char *advice_for(int error)
{
	switch (error) {
	case X509_V_ERR_EC_KEY_EXPLICIT_PARAMS:
		return ": issue it anew with a named curve";
	case X509_V_ERR_PATH_LENGTH_EXCEEDED:
		return ": a CA above it does not allow so long a path";
	case X509_V_ERR_PERMITTED_VIOLATION:
	case X509_V_ERR_EXCLUDED_VIOLATION:
		return ": a CA above it may not issue for its names";
	default:
		return "";
	}
}

/* `above`: the certificate that it is found at, where that is not the leaf. */
static void note_error(struct verification *verification, int error, const X509 *above)
{
	struct tg_arena *arena = verification->trying->load->arena;

	verification->reason =
	    tg_arena_format(arena, "%s%s%s%s", X509_verify_cert_error_string(error), above ? ", at " : "",
			    above ? tg_subject_text(arena, above) : "", advice_for(error));
}

/* X509_verify_cert(3) looks at that in a chain, and a leaf without its issuer is none. */
static bool curve_is_explicit(X509 *leaf)
{
	int is_explicit = 0;

	return EVP_PKEY_get_int_param(X509_get0_pubkey(leaf), OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS,
				      &is_explicit) == 1 &&
	       is_explicit;
}

/* RFC 5280 section 6, by what a client has: the topmost certificate, and what was sent. Dates have been judged. */
static bool verify(struct verification *verification, X509 *leaf, STACK_OF(X509) * sent)
{
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	X509_VERIFY_PARAM *rules;
	/* Some clients take anyExtendedKeyUsage for the use by servers, OpenSSL does not. */
	const bool any_use = (X509_get_extended_key_usage(leaf) & (XKU_ANYEKU | XKU_SSL_SERVER)) == XKU_ANYEKU;
	bool begun = store && ctx && X509_STORE_add_cert(store, verification->top) == 1 &&
		     X509_STORE_CTX_init(ctx, store, leaf, sent) == 1;

	if (begun) {
		rules = X509_STORE_CTX_get0_param(ctx);
		X509_VERIFY_PARAM_set_auth_level(rules, verification->trying->security_level);
		begun = X509_VERIFY_PARAM_set_purpose(rules, any_use ? X509_PURPOSE_ANY : X509_PURPOSE_SSL_SERVER) == 1 &&
			X509_VERIFY_PARAM_set_flags(rules, X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_NO_CHECK_TIME) == 1;
	}
	verification->done = begun;
	if (begun && curve_is_explicit(leaf))
		note_error(verification, X509_V_ERR_EC_KEY_EXPLICIT_PARAMS, NULL);
	else if (begun && X509_verify_cert(ctx) != 1)
		note_error(verification, X509_STORE_CTX_get_error(ctx),
			   X509_STORE_CTX_get_error_depth(ctx) > 0 ? X509_STORE_CTX_get_current_cert(ctx) : NULL);
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	return begun && !verification->reason;
}

static int on_verify(X509_STORE_CTX *from, void *user)
{
	if (verify(user, X509_STORE_CTX_get0_cert(from), X509_STORE_CTX_get0_untrusted(from)))
		return 1;
	X509_STORE_CTX_set_error(from, X509_V_ERR_APPLICATION_VERIFICATION);
	return 0;
}

static SSL_CTX *make_server(const struct trying *trying, const struct tg_pair *pair)
{
	SSL_CTX *server = SSL_CTX_new(TLS_server_method());

	if (!server)
		return NULL;
	tg_handshake_prepare(server);
	SSL_CTX_set_mode(server, SSL_MODE_NO_AUTO_CHAIN);
	SSL_CTX_set_num_tickets(server, 0);
	SSL_CTX_set_dh_auto(server, 1); /* the server brings its own parameters */
	if (trying->policy->trust != TG_NONE)
		SSL_CTX_set_verify(server, SSL_VERIFY_PEER, NULL);
	if (tg_context_use_protocol(server, trying->policy) && tg_context_use_pair(server, pair))
		return server;
	SSL_CTX_free(server);
	return NULL;
}

/* The policy's groups, which may all be unusual, and the leaf's curve, which a client must know too. */
static bool use_groups(const struct trying *trying, SSL_CTX *client, const X509 *leaf)
{
	const char *groups = trying->policy->groups ? trying->policy->groups : USUAL_GROUPS;
	char *own = tg_arena_format(trying->load->arena, "%s", groups); /* libssl's macros take what can be written */
	char curve[64], *both = NULL;
	size_t length;

	if (EVP_PKEY_get_group_name(X509_get0_pubkey(leaf), curve, sizeof(curve), &length) == 1)
		both = tg_arena_format(trying->load->arena, "%s:%s", groups, curve);
	/* A list that has one twice is none. */
	return (both && SSL_CTX_set1_groups_list(client, both) == 1) || (own && SSL_CTX_set1_groups_list(client, own) == 1);
}

/* `groups`: see use_groups; else libssl's own. `signs`: see serves. */
static SSL_CTX *make_client(const struct trying *trying, const X509 *leaf, int version, bool groups, bool signs)
{
	const struct tg_policy *policy = trying->policy;
	SSL_CTX *client = SSL_CTX_new(TLS_client_method());

	if (!client)
		return NULL;
	SSL_CTX_set_security_level(client, trying->security_level);
	if (SSL_CTX_set_min_proto_version(client, version) == 1 && SSL_CTX_set_max_proto_version(client, version) == 1 &&
	    SSL_CTX_set_cipher_list(client, signs ? "ALL:eNULL:!aNULL" : "kRSA") == 1 &&
	    (!policy->ciphersuites || SSL_CTX_set_ciphersuites(client, policy->ciphersuites) == 1) &&
	    (!groups || use_groups(trying, client, leaf)))
		return client;
	SSL_CTX_free(client);
	return NULL;
}

/* One certificate in one version. */
static bool serves(struct verification *verification, SSL_CTX *server, X509 *leaf, int version, bool whole,
		   char reason[static TG_HANDSHAKE_REASON])
{
	const struct trying *trying = verification->trying;
	/* RFC 8446 4.4.2.2; before it, a key may decrypt instead. OpenSSL's clients do not look, others do. */
	const bool signs = (X509_get_key_usage(leaf) & KU_DIGITAL_SIGNATURE) != 0;
	bool good = false;

	snprintf(reason, TG_HANDSHAKE_REASON, "its key usage lacks digitalSignature");
	for (int groups = 0; groups < 2 && !good && !verification->reason; groups++) {
		SSL_CTX *client =
		    !signs && version == TLS1_3_VERSION ? NULL : make_client(trying, leaf, version, groups != 0, signs);

		if (!client)
			continue;
		SSL_CTX_set_verify(client, SSL_VERIFY_PEER, NULL);
		SSL_CTX_set_cert_verify_callback(client, on_verify, verification);
		good = tg_handshake_try(server, client, whole ? TG_HANDSHAKE_WHOLE : TG_HANDSHAKE_CHOICE, reason);
		SSL_CTX_free(client);
	}
	return good;
}

static bool signs_cheaply(X509 *leaf)
{
	const EVP_PKEY *key = X509_get0_pubkey(leaf);
	const int type = EVP_PKEY_get_base_id(key);

	return (type != EVP_PKEY_RSA && type != EVP_PKEY_RSA_PSS) || EVP_PKEY_get_bits(key) <= RSA_BITS_CHEAP;
}

static void try_pair(struct trying *trying, const struct tg_loaded_pair *pair, struct outcome *ret)
{
	const int count = sk_X509_num(pair->certificates);
	X509 *leaf = sk_X509_value(pair->certificates, 0);
	struct verification verification = {.trying = trying, .top = sk_X509_value(pair->certificates, count - 1)};
	SSL_CTX *server = make_server(trying, &pair->pair);
	bool any = false;

	*ret = (struct outcome){.chain = NULL};
	if (!server) {
		const char *reason = ERR_reason_error_string(ERR_peek_last_error());

		ret->chain = reason ? tg_arena_text(trying->load->arena, reason) : "libssl does not take it";
		return;
	}
	for (size_t i = 0; i < VERSIONS && !verification.reason; i++) {
		const bool whole = !verification.done && signs_cheaply(leaf);

		if (trying->in_bounds[i])
			ret->served[i] = serves(&verification, server, leaf, versions[i].number, whole, ret->reasons[i]);
		any = any || ret->served[i];
	}
	if (any && !verification.done)
		verify(&verification, leaf, pair->certificates);
	ret->chain = verification.reason;
	SSL_CTX_free(server);
}

/*
 * Which versions the policy leaves. The old two are looked at where nothing newer is allowed. False where libssl does not
 * take what the policy says, which has been said of its keys.
 */
static bool find_versions(struct trying *trying)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	bool good = ctx && tg_context_use_protocol(ctx, trying->policy);
	const long minimum = good ? SSL_CTX_get_min_proto_version(ctx) : 0;
	const long maximum = good ? SSL_CTX_get_max_proto_version(ctx) : 0;

	for (size_t i = 0; i < VERSIONS; i++) {
		const int version = versions[i].number;

		trying->in_bounds[i] = version >= minimum && (maximum == 0 || version <= maximum) &&
				       (version >= TLS1_2_VERSION || (maximum != 0 && maximum < TLS1_2_VERSION));
	}
	SSL_CTX_free(ctx);
	return good;
}

/* Has what serves the same fault? It has where it serves the same by the same rules. */
static bool serving_has(const struct trying *trying, const struct tg_pair *pair)
{
	const struct tg_document *serving = trying->load->serving;
	struct tg_pair one = *pair;
	const struct tg_credentials alone = {.pairs = &one, .pair_count = 1};
	unsigned char wanted[TG_DIGEST_SIZE], found[TG_DIGEST_SIZE];

	if (!serving || !tg_handshake_digest(trying->policy, &alone, wanted))
		return false;
	for (size_t i = 0; i < serving->policy_count; i++) {
		const struct tg_policy *policy = &serving->policies[i];
		const struct tg_credentials *credentials =
		    policy->credentials != TG_NONE ? &serving->credentials[policy->credentials] : NULL;

		for (size_t j = 0; credentials && j < credentials->pair_count; j++) {
			const struct tg_credentials other = {.pairs = &credentials->pairs[j], .pair_count = 1};

			if (tg_handshake_digest(policy, &other, found) && memcmp(found, wanted, sizeof(found)) == 0)
				return true;
		}
	}
	return false;
}

static void add_message(struct trying *trying, enum tlsgraft_severity severity, size_t pair, const char *text)
{
	const struct tg_loaded_pair *item = &trying->pairs->items[pair];
	struct tg_place place = tg_config_place(&trying->load->config, trying->section, TG_OPT_CERT, item->line);

	tg_message(trying->load->messages, severity, &place, "%s: %s", item->text, text);
	trying->quiet = false;
}

static bool serves_any(const struct outcome *outcome)
{
	for (size_t i = 0; i < VERSIONS; i++)
		if (outcome->served[i])
			return true;
	return false;
}

/* "TLS 1.3: no shared cipher; TLS 1.2: ...", or the one reason of all. */
static const char *all_reasons(struct trying *trying, const struct outcome *outcome)
{
	const char *text = "", *last = NULL;
	bool same = true;

	for (size_t i = 0; i < VERSIONS; i++) {
		if (!trying->in_bounds[i])
			continue;
		same = same && (!last || strcmp(last, outcome->reasons[i]) == 0);
		last = outcome->reasons[i];
		text = tg_arena_format(trying->load->arena, "%s%s%s: %s", text ? text : "", *text ? "; " : "",
				       versions[i].text, last);
		if (!text)
			return "";
	}
	return same && last ? tg_arena_text(trying->load->arena, last) : text;
}

static void judge_outcomes(struct trying *trying, const struct outcome *outcomes)
{
	struct tg_arena *arena = trying->load->arena;
	const size_t count = trying->pairs->count;
	bool any = false;

	for (size_t i = 0; i < count; i++) {
		const struct outcome *outcome = &outcomes[i];
		const char *reason = outcome->chain;

		any = any || (!reason && serves_any(outcome));
		if (!reason && !serves_any(outcome))
			reason = all_reasons(trying, outcome);
		if (reason)
			add_message(trying, tg_severity(serving_has(trying, &trying->pairs->items[i].pair)), i,
				    tg_arena_format(arena, "no client can be served with it: %s", reason));
	}
	for (size_t version = 0; version < VERSIONS && any; version++) {
		bool served = !trying->in_bounds[version];

		for (size_t i = 0; i < count; i++)
			served = served || outcomes[i].served[version];
		/* What is wrong with a key usage has been said where the file was read. */
		if (!served && !strstr(outcomes[0].reasons[version], "digitalSignature"))
			add_message(trying, TLSGRAFT_WARNING, 0,
				    tg_arena_format(arena, "no client can be served in %s: %s", versions[version].text,
						    outcomes[0].reasons[version]));
	}
}

void tg_server_try(struct tg_load *load, const struct tg_section *section, const struct tg_loaded_pairs *pairs,
		   const struct tg_policy *policy, const struct tg_credentials *credentials, int security_level)
{
	struct trying trying = {.load = load,
				.section = section,
				.pairs = pairs,
				.policy = policy,
				.security_level = security_level,
				.quiet = true};
	struct outcome *outcomes = tg_arena_alloc(load->arena, (pairs->count + 1) * sizeof(*outcomes));
	unsigned char digest[TG_DIGEST_SIZE];

	if (!outcomes || !tg_handshake_digest(policy, credentials, digest)) {
		tg_arena_fail(load->arena);
		return;
	}
	if (tg_tried_has(&load->tried, digest))
		return;
	if (!load->tried_before || !tg_tried_has(load->tried_before, digest)) {
		if (!find_versions(&trying))
			return;
		for (size_t i = 0; i < pairs->count; i++)
			try_pair(&trying, &pairs->items[i], &outcomes[i]);
		ERR_clear_error();
		judge_outcomes(&trying, outcomes);
	}
	if (trying.quiet)
		tg_tried_add(&load->tried, load->arena, digest);
}
