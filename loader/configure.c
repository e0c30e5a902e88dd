/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An identity on an SSL_CTX of a server's own. The SSL_CTX keeps the identity alive and its callbacks find the policy
 * through it; nothing changes on it later, a renewal makes a new SSL_CTX.
 */
#include "ipc/match.h"
#include "loader/alpn.h"
#include "loader/context.h"
#include "loader/private.h"
#include "loader/store.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <string.h>
#include <time.h>

struct binding {
	tlsgraft_identity *identity;
	const struct tg_policy *policy;
};

static CRYPTO_ONCE once = CRYPTO_ONCE_STATIC_INIT;
static int binding_index = -1;

static void binding_free(void *parent, void *pointer, CRYPTO_EX_DATA *data, int index, long number, void *user)
{
	struct binding *binding = pointer;

	(void)parent, (void)data, (void)index, (void)number, (void)user;
	if (binding)
		tlsgraft_identity_unref(binding->identity);
	OPENSSL_free(binding);
}

static void make_index(void)
{
	binding_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, binding_free);
}

static const struct binding *binding_of(const SSL *ssl)
{
	return SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), binding_index);
}

/* The kind of rule that a subject alternative name can satisfy; false: none. */
static bool kind_of(const GENERAL_NAME *name, enum tg_rule_kind *ret)
{
	switch (name->type) {
	case GEN_DNS:
		*ret = TG_RULE_DNS;
		return true;
	case GEN_URI:
		*ret = TG_RULE_URI;
		return true;
	case GEN_EMAIL:
		*ret = TG_RULE_EMAIL;
		return true;
	case GEN_IPADD:
		*ret = TG_RULE_IP;
		return true;
	default:
		return false;
	}
}

static bool name_matches(const struct tg_rule *rule, X509 *leaf)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
	bool matches = false;

	for (int i = 0; !matches && i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
		const ASN1_STRING *text;
		enum tg_rule_kind kind;

		if (!kind_of(name, &kind))
			continue;
		text = GENERAL_NAME_get0_value(name, NULL);
		matches = tg_rule_matches(rule, kind, ASN1_STRING_get0_data(text), (size_t)ASN1_STRING_length(text));
	}
	GENERAL_NAMES_free(names);
	return matches;
}

static bool common_name_matches(const struct tg_rule *rule, X509 *leaf)
{
	const X509_NAME *subject = X509_get_subject_name(leaf);
	int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
	unsigned char *text = NULL;
	bool matches;
	int size;

	/* Which of two common names would count? Neither. */
	if (at < 0 || X509_NAME_get_index_by_NID(subject, NID_commonName, at) >= 0)
		return false;
	size = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
	matches = size > 0 && tg_rule_matches(rule, TG_RULE_CN, text, (size_t)size);
	OPENSSL_free(text);
	return matches;
}

static bool allowed(const struct tg_policy *policy, X509 *leaf)
{
	unsigned char digest[TG_DIGEST_SIZE];
	bool matches = policy->rule_count == 0;

	for (size_t i = 0; !matches && i < policy->rule_count; i++) {
		const struct tg_rule *rule = &policy->rules[i];

		if (rule->kind == TG_RULE_CN)
			matches = common_name_matches(rule, leaf);
		else if (rule->kind == TG_RULE_SHA256)
			matches = X509_digest(leaf, EVP_sha256(), digest, NULL) == 1 &&
				  tg_rule_matches(rule, TG_RULE_SHA256, digest, sizeof(digest));
		else
			matches = name_matches(rule, leaf);
	}
	return matches;
}

static const struct tg_trust *trust_of(const struct binding *binding)
{
	const uint32_t trust = binding->policy->trust;

	return trust != TG_NONE ? &binding->identity->document->trusts[trust] : NULL;
}

static int verify(int good, X509_STORE_CTX *store)
{
	const SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	const struct binding *binding = ssl ? binding_of(ssl) : NULL;
	const struct tg_trust *trust = binding ? trust_of(binding) : NULL;

	if (trust)
		good = tg_store_callback(trust, good, store);
	if (!good || X509_STORE_CTX_get_error_depth(store) != 0)
		return good;
	/* A connection that was switched to an SSL_CTX without a policy has no rule to be judged by. */
	if (binding && allowed(binding->policy, X509_STORE_CTX_get_current_cert(store)))
		return 1;
	X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
	return 0;
}

/*
 * A ticket says when the full handshake was: in TLS 1.3 each resumption brings a new one, whose own time is that of the
 * resumption, while this travels along.
 */
static int note_begin(SSL *ssl, void *user)
{
	SSL_SESSION *session = SSL_get_session(ssl);
	const int64_t now = time(NULL);
	void *noted = NULL;
	size_t size = 0;

	(void)user;
	if (SSL_SESSION_get0_ticket_appdata(session, &noted, &size) == 1 && size == sizeof(now))
		return 1;
	return SSL_SESSION_set1_ticket_appdata(session, &now, sizeof(now));
}

static bool too_old(SSL_SESSION *session, const struct tg_policy *policy)
{
	const int64_t now = time(NULL);
	int64_t begin;
	void *noted = NULL;
	size_t size = 0;

	if (policy->max_session_age == 0)
		return false;
	if (SSL_SESSION_get0_ticket_appdata(session, &noted, &size) != 1 || size != sizeof(begin))
		return true;
	memcpy(&begin, noted, sizeof(begin));
	/* One of the future: the clock has been set back, and nobody knows how old it is. */
	return begin > now || now - begin > policy->max_session_age;
}

/* A ticket carries the peer's certificate, not the day: what has expired since is asked for anew. */
static SSL_TICKET_RETURN judge_ticket(SSL *ssl, SSL_SESSION *session, const unsigned char *name, size_t name_size,
				      SSL_TICKET_STATUS status, void *user)
{
	const struct binding *binding = binding_of(ssl);
	X509 *peer = session ? SSL_SESSION_get0_peer(session) : NULL;
	const struct tg_trust *trust;

	(void)name, (void)name_size, (void)user;
	if (status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW)
		return SSL_TICKET_RETURN_IGNORE_RENEW;
	if (!binding)
		return SSL_TICKET_RETURN_IGNORE;
	if (too_old(session, binding->policy))
		return SSL_TICKET_RETURN_IGNORE_RENEW;
	if (peer &&
	    (X509_cmp_current_time(X509_get0_notAfter(peer)) <= 0 || X509_cmp_current_time(X509_get0_notBefore(peer)) >= 0))
		return SSL_TICKET_RETURN_IGNORE_RENEW;
	trust = trust_of(binding);
	if (trust && trust->crl_next_update != 0 && trust->crl_next_update < (int64_t)time(NULL))
		return SSL_TICKET_RETURN_IGNORE_RENEW;
	return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE : SSL_TICKET_RETURN_USE_RENEW;
}

static bool use_trust(SSL_CTX *ctx, const struct tg_trust *trust)
{
	STACK_OF(X509_NAME) *names = NULL;
	X509_STORE *store = tg_store_new(trust, &names);

	if (!store)
		return false;
	X509_STORE_set_flags(store, tg_store_flags(trust));
	SSL_CTX_set_cert_store(ctx, store);
	SSL_CTX_set0_CA_list(ctx, names);
	SSL_CTX_set_verify_depth(ctx, trust->verify_depth);
	return true;
}

/* Sessions in the cache would resume unseen; those in tickets pass judge_ticket. */
static bool use_sessions(SSL_CTX *ctx)
{
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	return SSL_CTX_set_session_ticket_cb(ctx, note_begin, judge_ticket, NULL) == 1;
}

static bool use_verification(SSL_CTX *ctx, const struct tg_document *document, const struct tg_policy *policy)
{
	int mode = SSL_VERIFY_PEER | (policy->mode == TG_MODE_MUTUAL ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0);

	if (policy->trust == TG_NONE) {
		if (policy->override)
			SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
		return policy->max_session_age == 0 || use_sessions(ctx);
	}
	SSL_CTX_set_verify(ctx, mode, verify);
	return use_sessions(ctx) && SSL_CTX_set_session_id_context(ctx, policy->digest, sizeof(policy->digest)) == 1 &&
	       use_trust(ctx, &document->trusts[policy->trust]);
}

static int attach(SSL_CTX *ctx, tlsgraft_identity *identity, const struct tg_policy *policy)
{
	struct binding *binding;

	if (CRYPTO_THREAD_run_once(&once, make_index) != 1 || binding_index < 0)
		return TLSGRAFT_NO_MEMORY;
	binding = OPENSSL_malloc(sizeof(*binding));
	if (!binding)
		return TLSGRAFT_NO_MEMORY;
	*binding = (struct binding){identity, policy};
	if (SSL_CTX_set_ex_data(ctx, binding_index, binding) != 1) {
		OPENSSL_free(binding);
		return TLSGRAFT_NO_MEMORY;
	}
	tlsgraft_identity_ref(identity);
	return TLSGRAFT_OK;
}

int tlsgraft_identity_configure(tlsgraft_identity *identity, const char *section, SSL_CTX *ssl_ctx)
{
	const struct tg_document *document = identity->document;
	const struct tg_policy *policy = NULL;
	const struct tg_credentials *credentials;
	int result;

	for (size_t i = 0; i < document->policy_count && !policy; i++)
		if (strcmp(document->policies[i].section, section) == 0)
			policy = &document->policies[i];
	if (!policy)
		return TLSGRAFT_NO_SUCH_SECTION;
	if (policy->mode == TG_MODE_OFF)
		return TLSGRAFT_OK;
	result = attach(ssl_ctx, identity, policy);
	if (result != TLSGRAFT_OK)
		return result;
	if (!tg_context_use_protocol(ssl_ctx, policy))
		return TLSGRAFT_REFUSED;
	tg_alpn_configure(ssl_ctx, policy);
	credentials = &document->credentials[policy->credentials];
	for (size_t i = 0; i < credentials->pair_count; i++)
		if (!tg_context_use_pair(ssl_ctx, &credentials->pairs[i]))
			return TLSGRAFT_REFUSED;
	return use_verification(ssl_ctx, document, policy) ? TLSGRAFT_OK : TLSGRAFT_REFUSED;
}
