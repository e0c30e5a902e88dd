/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/identity.h"

#include "loader/arena.h"
#include "loader/describe.h"

#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SECONDS_A_DAY 86400

static char *serial_of(X509 *certificate)
{
	BIGNUM *number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), NULL);
	char *hex = number ? BN_bn2hex(number) : NULL;
	char *copy = hex ? strdup(hex) : NULL;

	OPENSSL_free(hex);
	BN_free(number);
	return copy;
}

static void print_name(FILE *stream, const GENERAL_NAME *name)
{
	char address[INET6_ADDRSTRLEN] = "";
	const char *kind;
	const ASN1_STRING *text;
	int type;

	switch (name->type) {
	case GEN_DNS:
		kind = "DNS";
		break;
	case GEN_URI:
		kind = "URI";
		break;
	case GEN_EMAIL:
		kind = "EMAIL";
		break;
	case GEN_IPADD:
		text = GENERAL_NAME_get0_value(name, &type);
		if (ASN1_STRING_length(text) == 4)
			inet_ntop(AF_INET, ASN1_STRING_get0_data(text), address, sizeof(address));
		else if (ASN1_STRING_length(text) == 16)
			inet_ntop(AF_INET6, ASN1_STRING_get0_data(text), address, sizeof(address));
		fprintf(stream, "IP:%s", address);
		return;
	default:
		fputs("other", stream);
		return;
	}
	text = GENERAL_NAME_get0_value(name, &type);
	fprintf(stream, "%s:", kind);
	/* Whoever made the certificate chose these bytes: nothing that a terminal or a log would act on gets through. */
	for (int i = 0; i < ASN1_STRING_length(text); i++) {
		unsigned char c = ASN1_STRING_get0_data(text)[i];

		fputc(c >= 0x20 && c < 0x7f ? c : '?', stream);
	}
}

/* "DNS:a, IP:1.2.3.4"; empty where there are none. malloc'ed. */
static char *names_of(X509 *certificate)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);

	for (int i = 0; stream && i < sk_GENERAL_NAME_num(names); i++) {
		fputs(i > 0 ? ", " : "", stream);
		print_name(stream, sk_GENERAL_NAME_value(names, i));
	}
	GENERAL_NAMES_free(names);
	if (stream && fclose(stream) == 0)
		return text;
	free(text);
	return NULL;
}

static char *subject_of(X509 *certificate)
{
	struct tg_arena *arena = tg_arena_new();
	const char *text = arena ? tg_subject_text(arena, certificate) : NULL;
	char *copy = text ? strdup(text) : NULL;

	tg_arena_free(arena);
	return copy;
}

static void fingerprint(struct tg_span der, char ret[static 65])
{
	unsigned char digest[TG_DIGEST_SIZE] = {0};

	EVP_Digest(der.data, der.size, digest, NULL, EVP_sha256(), NULL);
	for (size_t i = 0; i < sizeof(digest); i++)
		snprintf(ret + 2 * i, 3, "%02x", digest[i]);
}

int tg_certificate_facts(struct tg_span der, struct tg_certificate_facts *ret)
{
	const unsigned char *at = der.data;
	struct tg_certificate_facts facts = {0};
	X509 *certificate;
	int64_t days;
	int result = -ENOMEM;

	if (!der.data || der.size > INT_MAX)
		return -EBADMSG;
	ERR_set_mark();
	certificate = d2i_X509(NULL, &at, (long)der.size);
	if (!certificate) {
		ERR_pop_to_mark();
		return -EBADMSG;
	}
	if (X509_get0_pubkey(certificate))
		tg_key_type(X509_get0_pubkey(certificate), facts.key_type);
	else
		snprintf(facts.key_type, sizeof(facts.key_type), "unknown");
	fingerprint(der, facts.sha256);
	facts.serial = serial_of(certificate);
	facts.subject = subject_of(certificate);
	facts.names = names_of(certificate);
	facts.not_before = tg_time_of(X509_get0_notBefore(certificate));
	facts.not_after = tg_time_of(X509_get0_notAfter(certificate));
	days = facts.not_after == INT64_MAX ? INT_MAX : facts.not_after - (int64_t)time(NULL);
	if (facts.not_after != INT64_MAX)
		days = days >= 0 ? days / SECONDS_A_DAY : -((-days + SECONDS_A_DAY - 1) / SECONDS_A_DAY);
	facts.days_left = (int)days;
	if (facts.serial && facts.subject && facts.names) {
		*ret = facts;
		result = 0;
	} else {
		tg_certificate_facts_clear(&facts);
	}
	X509_free(certificate);
	ERR_pop_to_mark();
	return result;
}

void tg_certificate_facts_clear(struct tg_certificate_facts *facts)
{
	free(facts->serial);
	free(facts->subject);
	free(facts->names);
	*facts = (struct tg_certificate_facts){0};
}

int tg_crl_facts(struct tg_span der, struct tg_crl_facts *ret)
{
	const unsigned char *at = der.data;
	struct tg_arena *arena = tg_arena_new();
	struct tg_crl_facts facts = {0};
	X509_CRL *crl = NULL;
	const char *issuer;
	int result = -ENOMEM;

	if (!arena)
		return -ENOMEM;
	ERR_set_mark();
	if (der.data && der.size <= INT_MAX)
		crl = d2i_X509_CRL(NULL, &at, (long)der.size);
	if (!crl) {
		result = -EBADMSG;
		goto out;
	}
	issuer = tg_name_text(arena, X509_CRL_get_issuer(crl));
	facts.issuer = issuer ? strdup(issuer) : NULL;
	facts.this_update = tg_time_of(X509_CRL_get0_lastUpdate(crl));
	facts.next_update = tg_time_of(X509_CRL_get0_nextUpdate(crl));
	if (facts.issuer) {
		*ret = facts;
		result = 0;
	}
out:
	X509_CRL_free(crl);
	ERR_pop_to_mark();
	tg_arena_free(arena);
	return result;
}

void tg_crl_facts_clear(struct tg_crl_facts *facts)
{
	free(facts->issuer);
	*facts = (struct tg_crl_facts){0};
}
