/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/policy/allow.h"

#include "ipc/match.h"

#include <string.h>

static bool any_rule(const struct tg_policy *policy, enum tg_rule_kind kind, const unsigned char *data, int size)
{
	for (size_t i = 0; size > 0 && i < policy->rule_count; i++)
		if (tg_rule_matches(&policy->rules[i], kind, data, (size_t)size))
			return true;
	return false;
}

static bool has_kind(const struct tg_policy *policy, enum tg_rule_kind kind)
{
	for (size_t i = 0; i < policy->rule_count; i++)
		if (policy->rules[i].kind == kind)
			return true;
	return false;
}

/* A name of two CNs says two things: it matches neither. */
static bool common_name(const struct tg_openssl *o, const struct tg_policy *policy, X509 *leaf)
{
	X509_NAME *name = o->X509_get_subject_name(leaf);
	int first = o->X509_NAME_get_index_by_NID(name, NID_commonName, -1);
	unsigned char *text = NULL;

	if (first < 0 || o->X509_NAME_get_index_by_NID(name, NID_commonName, first) >= 0)
		return false;
	int size = o->ASN1_STRING_to_UTF8(&text, o->X509_NAME_ENTRY_get_data(o->X509_NAME_get_entry(name, first)));
	bool matched = size > 0 && any_rule(policy, TG_RULE_CN, text, size);
	if (size >= 0)
		o->CRYPTO_free(text, __FILE__, __LINE__);
	return matched;
}

static bool alternative_name(const struct tg_openssl *o, const struct tg_policy *policy, const GENERAL_NAME *name)
{
	enum tg_rule_kind kind;

	switch (name->type) {
	case GEN_DNS:
		kind = TG_RULE_DNS;
		break;
	case GEN_URI:
		kind = TG_RULE_URI;
		break;
	case GEN_EMAIL:
		kind = TG_RULE_EMAIL;
		break;
	case GEN_IPADD:
		kind = TG_RULE_IP;
		break;
	default:
		return false;
	}
	return any_rule(policy, kind, o->ASN1_STRING_get0_data(name->d.ia5), o->ASN1_STRING_length(name->d.ia5));
}

static bool alternative_names(const struct tg_openssl *o, const struct tg_policy *policy, X509 *leaf)
{
	GENERAL_NAMES *names = o->X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
	if (names == NULL)
		return false;
	bool matched = false;
	int count = o->OPENSSL_sk_num((const OPENSSL_STACK *)names);
	for (int i = 0; !matched && i < count; i++)
		matched = alternative_name(o, policy, o->OPENSSL_sk_value((const OPENSSL_STACK *)names, i));
	o->GENERAL_NAMES_free(names);
	return matched;
}

static bool fingerprint(const struct tg_openssl *o, const struct tg_policy *policy, X509 *leaf)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned size = 0;

	return o->X509_digest(leaf, o->EVP_sha256(), digest, &size) == 1 &&
	       any_rule(policy, TG_RULE_SHA256, digest, (int)size);
}

bool tg_allow(const struct tg_policy *policy, X509 *leaf)
{
	const struct tg_openssl *o = tg_openssl();

	if (policy->rule_count == 0)
		return true;
	if (has_kind(policy, TG_RULE_CN) && common_name(o, policy, leaf))
		return true;
	if (has_kind(policy, TG_RULE_SHA256) && fingerprint(o, policy, leaf))
		return true;
	return alternative_names(o, policy, leaf);
}
