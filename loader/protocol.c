/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/protocol.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <string.h>
#include <strings.h>

const struct tg_value *tg_effective_value(const struct tg_effective *effective, enum tg_option_id id)
{
	const struct tg_section *section = effective->from[id];

	return section && section->options[id].count > 0 ? &section->options[id].items[0] : NULL;
}

static void fault(struct tg_load *load, const struct tg_effective *effective, enum tg_option_id id, const char *what,
		  int length, const char *reason)
{
	const struct tg_section *section = effective->from[id];
	struct tg_place place = tg_config_place(&load->config, section, id, tg_effective_value(effective, id)->line);

	tg_message(load->messages, TLSGRAFT_ERROR, &place, "'%.*s' %s", length, what, reason);
}

/*
 * libssl takes a list as soon as it knows one name of it, so each name is tried alone. What a name excludes (! or -) may be
 * unknown: it is absent then, as wished.
 */
static void try_names(struct tg_load *load, const struct tg_effective *effective, enum tg_option_id id,
		      const char *separators, int (*set)(SSL_CTX *, const char *), const char *reason)
{
	const struct tg_value *value = tg_effective_value(effective, id);
	const char *text = value ? value->text : "";

	while (*text != '\0') {
		size_t length = strcspn(text, separators);
		SSL_CTX *trial = SSL_CTX_new(TLS_server_method());
		char *name = tg_arena_copy(load->arena, text, length);

		if (trial && name && length > 0 && !strchr("!-+@", *name) && set(trial, name) != 1)
			fault(load, effective, id, text, (int)length, reason);
		SSL_CTX_free(trial);
		text += length;
		text += strspn(text, separators);
	}
}

static int set_groups(SSL_CTX *ctx, const char *text)
{
	/* SSL_CTX_set1_groups_list, whose macro takes a const away. */
	return (int)SSL_CTX_ctrl(ctx, SSL_CTRL_SET_GROUPS_LIST, 0, (void *)(uintptr_t)text);
}

/* The names are good; the list as a whole must be so too. False, and a message, where it is not. */
static void try_whole(struct tg_load *load, const struct tg_effective *effective, enum tg_option_id id, SSL_CTX *ctx,
		      int (*set)(SSL_CTX *, const char *), const char *reason)
{
	const struct tg_value *value = tg_effective_value(effective, id);

	if (value && set(ctx, value->text) != 1)
		fault(load, effective, id, value->text, (int)strlen(value->text), reason);
}

static void warn(struct tg_load *load, const struct tg_effective *effective, enum tg_option_id id, const char *reason)
{
	const struct tg_value *value = tg_effective_value(effective, id);
	struct tg_place place = tg_config_place(&load->config, effective->from[id], id, value->line);

	tg_message(load->messages, TLSGRAFT_WARNING, &place, "'%s' %s", value->text, reason);
}

static bool has_name(const char *list, const char *name)
{
	const size_t length = strlen(name);

	for (; *list != '\0'; list += strspn(list, ":")) {
		const size_t one = strcspn(list, ":");

		if (one == length && strncasecmp(list, name, length) == 0)
			return true;
		list += one;
	}
	return false;
}

/* In TLS 1.2 groups are also the curves that certificates may have (RFC 8422 5.1), those of clients too. */
static void check_groups(struct tg_load *load, const struct tg_effective *effective)
{
	static const char *const curves[] = {"P-256",     "P-384",     "P-521",    "prime256v1",
					     "secp256r1", "secp384r1", "secp521r1"};
	const struct tg_value *groups = tg_effective_value(effective, TG_OPT_GROUPS);
	const struct tg_value *minimum = tg_effective_value(effective, TG_OPT_MIN_PROTOCOL);
	const struct tg_value *mode = tg_effective_value(effective, TG_OPT_MODE);

	if (!groups || !mode || mode->number == TG_MODE_OFF || mode->number == TG_MODE_SERVER ||
	    (minimum && minimum->number >= TLS1_3_VERSION))
		return;
	for (size_t i = 0; i < sizeof(curves) / sizeof(curves[0]); i++)
		if (has_name(groups->text, curves[i]))
			return;
	warn(load, effective, TG_OPT_GROUPS,
	     "has none of P-256, P-384 and P-521: in TLS 1.2 clients with an ECDSA certificate are refused");
}

int tg_protocol_check(struct tg_load *load, const struct tg_effective *effective)
{
	const struct tg_value *minimum = tg_effective_value(effective, TG_OPT_MIN_PROTOCOL);
	const struct tg_value *maximum = tg_effective_value(effective, TG_OPT_MAX_PROTOCOL);
	const struct tg_value *level = tg_effective_value(effective, TG_OPT_SECURITY_LEVEL);
	size_t errors = tg_messages_errors(load->messages);
	SSL_CTX *ctx;
	int result;

	ERR_set_mark();
	ctx = SSL_CTX_new(TLS_server_method());
	/* A server that says nothing of it has the level of its libssl, and the stricter counts. */
	if (ctx && level && level->number < SSL_CTX_get_security_level(ctx) &&
	    !tg_config_number(effective->from[TG_OPT_OVERRIDE], TG_OPT_OVERRIDE))
		warn(
		    load, effective, TG_OPT_SECURITY_LEVEL,
		    "is below what OpenSSL demands by itself, and the stricter counts: it has no effect without override = "
		    "yes, unless the server lowers its own level");
	try_names(load, effective, TG_OPT_CIPHERS, ":, ", SSL_CTX_set_cipher_list, "is no cipher suite of this OpenSSL");
	try_names(load, effective, TG_OPT_CIPHERSUITES, ":", SSL_CTX_set_ciphersuites,
		  "is no TLS 1.3 cipher suite of this OpenSSL");
	try_names(load, effective, TG_OPT_GROUPS, ":", set_groups, "is no group of this OpenSSL");
	if (ctx && tg_messages_errors(load->messages) == errors) {
		try_whole(load, effective, TG_OPT_CIPHERS, ctx, SSL_CTX_set_cipher_list, "leaves no cipher suite");
		try_whole(load, effective, TG_OPT_CIPHERSUITES, ctx, SSL_CTX_set_ciphersuites,
			  "is no list of cipher suites");
		try_whole(load, effective, TG_OPT_GROUPS, ctx, set_groups, "is no list of groups");
		check_groups(load, effective);
	}
	if (minimum && maximum && minimum->number > maximum->number)
		fault(load, effective, TG_OPT_MAX_PROTOCOL, maximum->text, (int)strlen(maximum->text),
		      "is older than min_protocol");
	/* After the cipher list, whose @SECLEVEL would otherwise win. */
	if (ctx && level)
		SSL_CTX_set_security_level(ctx, level->number);
	result = ctx ? SSL_CTX_get_security_level(ctx) : 0;
	SSL_CTX_free(ctx);
	ERR_pop_to_mark();
	return result;
}
