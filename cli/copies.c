/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/copies.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/*
 * Each pattern is kept in halves: whole, they would be found in this program too. Both patterns must be there, so that a
 * program which merely talks about a library is not taken for one that holds it.
 */
struct pattern {
	const char *first;
	const char *second;
};

static const struct {
	const char *name;
	bool is_libssl;
	struct pattern patterns[2];
	const char *version; /* what a digit of the version follows */
	bool versioned;      /* the version's text is the only sure pattern */
} known[] = {
    /* names of source files that go with every error: whatever of a server is linked in has these */
    {"BoringSSL", true, {{"handshake_", "server.cc"}, {"Boring", "SSL"}}, NULL, false},
    {"LibreSSL", true, {{"SSLv3 read ", "client hello"}, {"Libre", "SSL "}}, "LibreSSL ", false},
    {"OpenSSL", true, {{"ssl/statem/", "statem_srvr.c"}, {"ssl/", "ssl_lib.c"}}, "OpenSSL ", false},
    {"OpenSSL", true, {{"s3_", "srvr.c"}, {"ssl_", "lib.c"}}, "OpenSSL ", false},
    {"rustls", false, {{"/rust", "ls-"}, {"rust", "ls"}}, "/rustls-", true},
    {"mbed TLS", false, {{"mbedtls_", "ssl_"}, {"ssl_t", "ls"}}, "mbed TLS ", false},
    {"wolfSSL", false, {{"wolf", "SSL "}, {"wolfSSL_", "CTX_new"}}, "wolfSSL ", false},
    {"GnuTLS", false, {{"GnuTLS ", "error"}, {"gnutls_", "handshake"}}, NULL, false},
    {"s2n-tls", false, {{"s2n_", "negotiate"}, {"s2n_connection_", "new"}}, NULL, false},
};

static bool has_pattern(const struct tg_elf *elf, const struct pattern *pattern)
{
	char text[64];
	size_t at = 0;

	snprintf(text, sizeof(text), "%s%s", pattern->first, pattern->second);
	return tg_elf_text(elf, text, &at) != NULL;
}

bool tg_copies_version(const struct tg_elf *elf, const char *before, char ret[TG_COPY_TEXT_SIZE])
{
	const char *const end = (const char *)elf->data + elf->size;
	const char *found;
	size_t at = 0;

	while ((found = tg_elf_text(elf, before, &at)) != NULL) {
		const char *digits = found + strlen(before);
		const char *dot;
		size_t length = 0;

		if (digits >= end || !isdigit((unsigned char)*digits))
			continue;
		while (digits + length < end && length < TG_COPY_TEXT_SIZE - 1 &&
		       (isalnum((unsigned char)digits[length]) || strchr(".+-~ ", digits[length]) != NULL) &&
		       digits[length] != '\0')
			length++;
		/* "3.0.17 1 Jul 2025", "0.23.5/src": not "3.0 legacy provider" */
		dot = memchr(digits, '.', length);
		if (dot == NULL || memchr(dot + 1, '.', length - (size_t)(dot + 1 - digits)) == NULL)
			continue;
		snprintf(ret, TG_COPY_TEXT_SIZE, "%.*s", (int)length, digits);
		return true;
	}
	return false;
}

size_t tg_copies_find(const struct tg_elf *elf, struct tg_copy ret[TG_COPIES_MAX])
{
	bool libssl = false;
	size_t count = 0;

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]) && count < TG_COPIES_MAX; i++) {
		struct tg_copy copy = {.name = known[i].name, .is_libssl = known[i].is_libssl};

		/* its kin carry some of OpenSSL's texts too */
		if ((known[i].is_libssl && libssl) || !has_pattern(elf, &known[i].patterns[0]) ||
		    !has_pattern(elf, &known[i].patterns[1]))
			continue;
		if (known[i].version != NULL && !tg_copies_version(elf, known[i].version, copy.version) &&
		    known[i].versioned)
			continue;
		libssl = libssl || copy.is_libssl;
		ret[count++] = copy;
	}
	if (!libssl && count < TG_COPIES_MAX && tg_elf_defines(elf, "SSL_CTX_new")) {
		ret[count] = (struct tg_copy){.name = "OpenSSL", .is_libssl = true};
		tg_copies_version(elf, "OpenSSL ", ret[count].version);
		count++;
	}
	return count;
}
