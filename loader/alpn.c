/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/alpn.h"

#include "ipc/alpn.h"

#include <string.h>
#include <strings.h>

/* The registry has bytes of any kind; names that are used are printable, and what is not is a slip of the hand. */
const char *tg_alpn_parse(const char *text, size_t length)
{
	if (length == 0)
		return "an empty protocol name";
	if (length > TG_ALPN_NAME_MAX)
		return "a protocol name has at most 255 bytes";
	for (size_t i = 0; i < length; i++) {
		if (text[i] == ' ' || text[i] == '\t')
			return "a protocol name holds no space: several are separated by commas";
		if (text[i] == '"' || text[i] == '\'')
			return "a protocol name is written without quotes";
		if (text[i] < '!' || text[i] > '~')
			return "a protocol name consists of printable ASCII characters";
	}
	return NULL;
}

const char *tg_alpn_meant(const char *name)
{
	static const char *const known[] = {"h2",   "http/1.1", "http/1.0", "postgresql", "imap", "pop3", "managesieve",
					    "mqtt", "ftp",      "dot",      "irc",        "smb",  "nntp", "coap"};
	/* HTTP/2's name for what is not TLS, and names that look like it */
	static const char *const other[] = {"h2c", "http/2", "http/2.0", "http2"};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcasecmp(name, known[i]) == 0)
			return strcmp(name, known[i]) == 0 ? NULL : known[i];
	for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++)
		if (strcasecmp(name, other[i]) == 0)
			return "h2";
	return NULL;
}

static struct tg_span list_of(struct tg_arena *arena, const struct tg_values *values)
{
	struct tg_span list = {0};
	unsigned char *at;

	for (size_t i = 0; i < values->count; i++)
		list.size += 1 + strlen(values->items[i].text);
	at = tg_arena_alloc(arena, list.size);
	if (!at)
		return (struct tg_span){0};
	list.data = at;
	for (size_t i = 0; i < values->count; i++) {
		const size_t size = strlen(values->items[i].text);

		*at++ = (unsigned char)size;
		memcpy(at, values->items[i].text, size);
		at += size;
	}
	return list;
}

void tg_alpn_resolve(struct tg_load *load, const struct tg_effective *effective, struct tg_policy *policy)
{
	const struct tg_section *protocols = effective->from[TG_OPT_ALPN];
	const struct tg_section *required = effective->from[TG_OPT_ALPN_REQUIRED];

	if (protocols)
		policy->alpn = list_of(load->arena, &protocols->options[TG_OPT_ALPN]);
	policy->alpn_required = tg_config_number(required, TG_OPT_ALPN_REQUIRED) != 0;
	/* Where the list is there with a bad value, that has been said. */
	if (!policy->alpn_required || policy->alpn.size > 0 || required->given[TG_OPT_ALPN])
		return;
	struct tg_place place = tg_config_place(&load->config, required, TG_OPT_ALPN_REQUIRED,
						tg_effective_value(effective, TG_OPT_ALPN_REQUIRED)->line);
	tg_message(load->messages, TLSGRAFT_ERROR, &place,
		   "without alpn there is no protocol that a client could agree on");
}

void tg_alpn_check_sni(struct tg_load *load, const struct tg_section *sni, const struct tg_section *listener)
{
	static const enum tg_option_id keys[] = {TG_OPT_ALPN, TG_OPT_ALPN_REQUIRED};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		const struct tg_values *values = &sni->options[keys[i]];

		if (values->count == 0)
			continue;
		struct tg_place place = tg_config_place(&load->config, sni, keys[i], values->items[0].line);
		tg_message(
		    load->messages, TLSGRAFT_ERROR, &place,
		    "counts only with server_speaks = plaintext, and these names are also those of [%s], whose server "
		    "speaks TLS itself: name a plaintext listener by 'listener = '",
		    listener ? listener->title : "server");
	}
}

void tg_alpn_print(FILE *stream, struct tg_span list)
{
	struct tg_span name;
	size_t at = 0;

	if (list.size == 0)
		fputs("none", stream);
	while (tg_alpn_next(list, &at, &name))
		fprintf(stream, "%s%.*s", name.data == list.data + 1 ? "" : ", ", (int)name.size, (const char *)name.data);
}

static int choose(SSL *ssl, const unsigned char **out, unsigned char *out_size, const unsigned char *in, unsigned in_size,
		  void *arg)
{
	const struct tg_policy *policy = arg;
	struct tg_span name;

	(void)ssl;
	if (!tg_alpn_select(policy->alpn, (struct tg_span){in, in_size}, &name))
		return policy->alpn_required ? SSL_TLSEXT_ERR_ALERT_FATAL : SSL_TLSEXT_ERR_NOACK;
	*out = name.data;
	*out_size = (unsigned char)name.size;
	return SSL_TLSEXT_ERR_OK;
}

/* Who offers no ALPN never comes to the callback that chooses. */
static int require(SSL *ssl, int *alert, void *arg)
{
	const unsigned char *data;
	size_t size;

	(void)arg;
	if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_application_layer_protocol_negotiation, &data, &size) == 1)
		return SSL_CLIENT_HELLO_SUCCESS;
	*alert = SSL_AD_NO_APPLICATION_PROTOCOL;
	return SSL_CLIENT_HELLO_ERROR;
}

void tg_alpn_configure(SSL_CTX *ctx, const struct tg_policy *policy)
{
	if (policy->alpn.size == 0)
		return;
	SSL_CTX_set_alpn_select_cb(ctx, choose, (void *)(uintptr_t)policy);
	if (policy->alpn_required)
		SSL_CTX_set_client_hello_cb(ctx, require, NULL);
}
