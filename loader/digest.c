/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/digest.h"

#include <openssl/evp.h>

#include <string.h>

/* Every part goes in with its length or as a fixed-size number, so that no two policies run together. */
static bool add_number(EVP_MD_CTX *digest, uint64_t number)
{
	unsigned char bytes[8];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char)(number >> (8 * i));
	return EVP_DigestUpdate(digest, bytes, sizeof(bytes)) == 1;
}

static bool add_span(EVP_MD_CTX *digest, struct tg_span span)
{
	return add_number(digest, span.size) && EVP_DigestUpdate(digest, span.data, span.size) == 1;
}

static bool add_spans(EVP_MD_CTX *digest, const struct tg_span *spans, size_t count)
{
	bool good = add_number(digest, count);

	for (size_t i = 0; i < count; i++)
		good = good && add_span(digest, spans[i]);
	return good;
}

bool tg_policy_digest(const struct tg_policy *policy, const struct tg_trust *trust,
		      unsigned char ret[static TG_DIGEST_SIZE])
{
	EVP_MD_CTX *digest = EVP_MD_CTX_new();
	bool good = digest && EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1 && add_number(digest, policy->mode) &&
		    add_number(digest, policy->override) && add_number(digest, (uint64_t)(int64_t)policy->security_level) &&
		    add_number(digest, trust != NULL);

	if (good && trust)
		good = add_spans(digest, trust->cas, trust->ca_count) && add_spans(digest, trust->crls, trust->crl_count) &&
		       add_number(digest, trust->crl_check) && add_number(digest, (uint64_t)trust->verify_depth);
	good = good && add_number(digest, policy->rule_count);
	for (size_t i = 0; good && i < policy->rule_count; i++) {
		const struct tg_rule *rule = &policy->rules[i];

		good = add_number(digest, rule->kind) && add_number(digest, rule->wildcard) &&
		       add_number(digest, rule->prefix_length) && add_span(digest, rule->value);
	}
	good = good && EVP_DigestFinal_ex(digest, ret, NULL) == 1;
	EVP_MD_CTX_free(digest);
	return good;
}

/* A key that is not given is not one that is empty. */
static bool add_text(EVP_MD_CTX *digest, const char *text)
{
	const struct tg_span span = {(const unsigned char *)text, text ? strlen(text) : 0};

	return add_number(digest, text != NULL) && (!text || add_span(digest, span));
}

bool tg_handshake_digest(const struct tg_policy *policy, const struct tg_credentials *credentials,
			 unsigned char ret[static TG_DIGEST_SIZE])
{
	EVP_MD_CTX *digest = EVP_MD_CTX_new();
	bool good = digest && EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1 &&
		    add_number(digest, policy->min_protocol) && add_number(digest, policy->max_protocol) &&
		    add_number(digest, policy->override) && add_number(digest, (uint64_t)(int64_t)policy->security_level) &&
		    add_text(digest, policy->ciphers) && add_text(digest, policy->ciphersuites) &&
		    add_text(digest, policy->groups);

	for (size_t i = 0; good && i < credentials->pair_count; i++) {
		const struct tg_pair *pair = &credentials->pairs[i];

		good = add_span(digest, pair->leaf) && add_span(digest, pair->key) &&
		       add_spans(digest, pair->chain, pair->chain_count);
	}
	good = good && EVP_DigestFinal_ex(digest, ret, NULL) == 1;
	EVP_MD_CTX_free(digest);
	return good;
}
