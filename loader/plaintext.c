/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/plaintext.h"

#include "ipc/match.h"

struct tg_plaintext tg_plaintext_of(struct tg_load *load, const struct tg_section *listener)
{
	const struct tg_values *wait = &listener->options[TG_OPT_PLAINTEXT_WAIT];
	struct tg_plaintext plaintext = {0};

	if (tg_config_number(listener, TG_OPT_SERVER_SPEAKS) == 0) {
		for (size_t i = 0; i < TG_OPT_COUNT; i++) {
			const struct tg_option *option = tg_options_get(i);
			const struct tg_values *values = &listener->options[i];

			/* Where server_speaks is there with a bad value, that has been said. */
			if (!option->plaintext || values->count == 0 ||
			    (listener->given[TG_OPT_SERVER_SPEAKS] && listener->options[TG_OPT_SERVER_SPEAKS].count == 0))
				continue;
			struct tg_place place = tg_config_place(&load->config, listener, option->id, values->items[0].line);
			tg_message(load->messages, TLSGRAFT_ERROR, &place, "counts only with server_speaks = plaintext");
		}
		return plaintext;
	}
	plaintext.terminated = true;
	plaintext.accept = tg_config_number(listener, TG_OPT_ACCEPT_PLAINTEXT) != 0;
	plaintext.engine = (enum tg_engine)tg_config_number(listener, TG_OPT_ENGINE);
	plaintext.handshake_timeout = (uint32_t)tg_config_number(listener, TG_OPT_HANDSHAKE_TIMEOUT);
	plaintext.wait_ms = (uint32_t)tg_config_number(listener, TG_OPT_PLAINTEXT_WAIT);
	plaintext.proxy_header = (enum tg_proxy)tg_config_number(listener, TG_OPT_PROXY_PROTOCOL);
	/* No fault: who ends a migration by accept_plaintext = no must not be kept from it by what is left beside it. */
	if (plaintext.wait_ms > 0 && !plaintext.accept) {
		struct tg_place place =
		    tg_config_place(&load->config, listener, TG_OPT_PLAINTEXT_WAIT, wait->items[0].line);

		tg_message(load->messages, TLSGRAFT_WARNING, &place, "has no effect without accept_plaintext = yes");
		plaintext.wait_ms = 0;
	}
	return plaintext;
}

bool tg_plaintext_takes_name(struct tg_load *load, const struct tg_route *route, enum tg_mode of_route,
			     const struct tg_section *sni, enum tg_mode of_name)
{
	const struct tg_values *listeners = &sni->options[TG_OPT_LISTENER], *modes = &sni->options[TG_OPT_MODE];

	if (!route->plaintext.terminated)
		return true;
	if (of_route == TG_MODE_OFF) {
		if (listeners->count > 0) {
			struct tg_place place =
			    tg_config_place(&load->config, sni, TG_OPT_LISTENER, listeners->items[0].line);

			tg_message(
			    load->messages, TLSGRAFT_ERROR, &place,
			    "[listener %s] is off and its server speaks plaintext: everything is passed through, and no "
			    "name is ever seen",
			    listeners->items[0].text);
		}
		return false;
	}
	if (of_name == TG_MODE_OFF && modes->count > 0) {
		struct tg_place place = tg_config_place(&load->config, sni, TG_OPT_MODE, modes->items[0].line);

		tg_message(load->messages, TLSGRAFT_ERROR, &place,
			   "off serves the server's own certificate, and a server that speaks plaintext has none");
	}
	return true;
}

static bool terminated_at(const struct tg_document *document, const struct tg_address *address)
{
	const struct tg_route *route = tg_route_at(document, address);

	return route && route->plaintext.terminated;
}

/* Whether connections that `listed` stands for would be taken otherwise: for "*", those of either family. */
static bool changes_at(const struct tg_document *serving, const struct tg_document *loaded, const struct tg_address *listed)
{
	static const uint8_t families[] = {4, 6};

	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
		struct tg_address address = *listed;

		if (listed->family != 0 && listed->family != families[i])
			continue;
		address.family = families[i];
		address.any = false;
		if (terminated_at(serving, &address) != terminated_at(loaded, &address))
			return true;
	}
	return false;
}

/* Says it of each address that is listed now. */
static bool check_listed(struct tg_load *load, const struct tg_document *loaded)
{
	const struct tg_config *config = &load->config;
	bool any = false;

	for (size_t i = 0; i < config->section_count; i++) {
		const struct tg_section *section = &config->sections[i];
		const struct tg_values *addresses = &section->options[TG_OPT_LISTEN];
		const bool terminated = tg_config_number(section, TG_OPT_SERVER_SPEAKS) != 0;

		for (size_t k = 0; k < addresses->count; k++) {
			const struct tg_value *value = &addresses->items[k];
			struct tg_place place = tg_config_place(config, section, TG_OPT_LISTEN, value->line);

			if (!changes_at(load->serving, loaded, &value->address))
				continue;
			tg_message(load->messages, TLSGRAFT_ERROR, &place,
				   "'%s': server_speaks was %s there when the server started: a change takes a new start",
				   value->text, tg_option_word(TG_OPT_SERVER_SPEAKS, !terminated));
			any = true;
		}
	}
	return any;
}

void tg_plaintext_check_change(struct tg_load *load, const struct tg_document *loaded)
{
	const struct tg_document *serving = load->serving;

	if (!serving || check_listed(load, loaded))
		return;
	/* Of what is gone there is no line. */
	for (size_t i = 0; i < serving->route_count; i++) {
		const struct tg_route *route = &serving->routes[i];
		struct tg_place place = {load->config.name, 0, serving->policies[route->policy].section,
					 tg_options_get(TG_OPT_LISTEN)->key};

		for (size_t k = 0; k < route->address_count; k++)
			if (changes_at(serving, loaded, &route->addresses[k]))
				tg_message(load->messages, TLSGRAFT_ERROR, &place,
					   "port %u of a server that speaks plaintext is gone from here: a change takes a "
					   "new start",
					   route->addresses[k].port);
	}
}
