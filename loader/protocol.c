#include "loader/protocol.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <string.h>

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
	try_names(load, effective, TG_OPT_CIPHERS, ":, ", SSL_CTX_set_cipher_list, "is no cipher suite of this OpenSSL");
	try_names(load, effective, TG_OPT_CIPHERSUITES, ":", SSL_CTX_set_ciphersuites,
		  "is no TLS 1.3 cipher suite of this OpenSSL");
	try_names(load, effective, TG_OPT_GROUPS, ":", set_groups, "is no group of this OpenSSL");
	if (ctx && tg_messages_errors(load->messages) == errors) {
		try_whole(load, effective, TG_OPT_CIPHERS, ctx, SSL_CTX_set_cipher_list, "leaves no cipher suite");
		try_whole(load, effective, TG_OPT_CIPHERSUITES, ctx, SSL_CTX_set_ciphersuites,
			  "is no list of cipher suites");
		try_whole(load, effective, TG_OPT_GROUPS, ctx, set_groups, "is no list of groups");
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
