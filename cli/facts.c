/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/facts.h"

#include "keeper/clock.h"
#include "keeper/escape.h"
#include "keeper/listeners.h"
#include "keeper/status.h"
#include "loader/identity.h"
#include "loader/options.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DAY 86400

static void add_text(cJSON *object, const char *name, const char *text)
{
	char *safe = tg_escape_new(text == NULL ? "" : text);

	cJSON_AddStringToObject(object, name, safe == NULL ? "" : safe);
	free(safe);
}

static void add_pair(cJSON *list, const struct tg_pair *pair)
{
	struct tg_certificate_facts facts;
	char date[TG_RFC3339_SIZE];
	cJSON *object;

	if (tg_certificate_facts(pair->leaf, &facts) < 0)
		return;
	object = cJSON_CreateObject();
	cJSON_AddStringToObject(object, "key_type", facts.key_type);
	cJSON_AddStringToObject(object, "sha256", facts.sha256);
	add_text(object, "serial", facts.serial);
	add_text(object, "subject", facts.subject);
	add_text(object, "names", facts.names);
	cJSON_AddStringToObject(object, "not_before", tg_rfc3339(facts.not_before, date));
	cJSON_AddStringToObject(object, "not_after", tg_rfc3339(facts.not_after, date));
	cJSON_AddNumberToObject(object, "days_left", facts.days_left);
	cJSON_AddNumberToObject(object, "chain", (double)pair->chain_count);
	cJSON_AddItemToArray(list, object);
	tg_certificate_facts_clear(&facts);
}

static void add_crl(cJSON *list, struct tg_span der)
{
	struct tg_crl_facts facts;
	char date[TG_RFC3339_SIZE];
	cJSON *object;

	if (tg_crl_facts(der, &facts) < 0)
		return;
	object = cJSON_CreateObject();
	add_text(object, "issuer", facts.issuer);
	cJSON_AddStringToObject(object, "this_update", tg_rfc3339(facts.this_update, date));
	/* empty: it never goes stale */
	cJSON_AddStringToObject(object, "next_update",
				facts.next_update == INT64_MAX ? "" : tg_rfc3339(facts.next_update, date));
	cJSON_AddNumberToObject(object, "age_days", (int)((tg_wall_seconds() - facts.this_update) / DAY));
	cJSON_AddItemToArray(list, object);
	tg_crl_facts_clear(&facts);
}

static void add_plaintext(cJSON *object, const struct tg_plaintext *plaintext)
{
	cJSON *keys = cJSON_AddObjectToObject(object, "plaintext");

	cJSON_AddStringToObject(keys, "engine", tg_option_word(TG_OPT_ENGINE, (int)plaintext->engine));
	cJSON_AddStringToObject(keys, "accept_plaintext", tg_option_word(TG_OPT_ACCEPT_PLAINTEXT, plaintext->accept));
	cJSON_AddNumberToObject(keys, "plaintext_wait", plaintext->wait_ms);
	cJSON_AddNumberToObject(keys, "handshake_timeout", plaintext->handshake_timeout);
	cJSON_AddStringToObject(keys, "proxy_protocol",
				tg_option_word(TG_OPT_PROXY_PROTOCOL, (int)plaintext->proxy_header));
}

static cJSON *policy_json(const struct tg_document *document, const struct tg_route *route, uint32_t index)
{
	const struct tg_policy *policy = &document->policies[index];
	cJSON *object = cJSON_CreateObject();
	cJSON *listen, *names, *certificates, *crls;

	add_text(object, "name", policy->section);
	listen = cJSON_AddArrayToObject(object, "listen");
	for (size_t i = 0; i < route->address_count; i++) {
		char text[TG_ADDRESS_TEXT_SIZE];

		cJSON_AddItemToArray(listen, cJSON_CreateString(tg_address_text(&route->addresses[i], text)));
	}
	names = cJSON_AddArrayToObject(object, "names");
	for (size_t i = 0; i < route->name_count && index != route->policy; i++) {
		char text[512];

		if (route->names[i].policy != index)
			continue;
		snprintf(text, sizeof(text), "%s%s", route->names[i].wildcard ? "*." : "", route->names[i].text);
		cJSON_AddItemToArray(names, cJSON_CreateString(text));
	}
	cJSON_AddStringToObject(object, "mode", tg_mode_name(policy->mode));
	cJSON_AddStringToObject(object, "server_speaks", tg_option_word(TG_OPT_SERVER_SPEAKS, route->plaintext.terminated));
	if (route->plaintext.terminated) {
		add_plaintext(object, &route->plaintext);
		cJSON_AddItemToObject(object, "alpn", tg_alpn_json(policy->alpn));
		cJSON_AddStringToObject(object, "alpn_required",
					tg_option_word(TG_OPT_ALPN_REQUIRED, policy->alpn_required));
	}
	certificates = cJSON_AddArrayToObject(object, "certificates");
	if (policy->credentials != TG_NONE)
		for (size_t i = 0; i < document->credentials[policy->credentials].pair_count; i++)
			add_pair(certificates, &document->credentials[policy->credentials].pairs[i]);
	cJSON_AddNumberToObject(object, "cas",
				policy->trust == TG_NONE ? 0 : (double)document->trusts[policy->trust].ca_count);
	crls = cJSON_AddArrayToObject(object, "crls");
	if (policy->trust != TG_NONE)
		for (size_t i = 0; i < document->trusts[policy->trust].crl_count; i++)
			add_crl(crls, document->trusts[policy->trust].crls[i]);
	cJSON_AddNumberToObject(object, "allow", (double)policy->rule_count);
	if (policy->max_session_age > 0)
		cJSON_AddNumberToObject(object, "max_session_age", policy->max_session_age);
	cJSON_AddStringToObject(object, "recheck", tg_option_word(TG_OPT_RECHECK, policy->recheck));
	return object;
}

bool tg_facts_plaintext(const tlsgraft_identity *identity)
{
	const struct tg_document *document = tg_identity_document(identity);

	for (size_t i = 0; i < document->route_count; i++)
		if (document->routes[i].plaintext.terminated &&
		    document->policies[document->routes[i].policy].mode != TG_MODE_OFF)
			return true;
	return false;
}

bool tg_facts_plaintext_file(const char *config)
{
	tlsgraft_identity *identity = NULL;
	tlsgraft_messages *messages = NULL;
	const bool terminated =
	    tlsgraft_load(config, NULL, &identity, &messages) == TLSGRAFT_OK && tg_facts_plaintext(identity);

	tlsgraft_messages_free(messages);
	tlsgraft_identity_unref(identity);
	return terminated;
}

cJSON *tg_facts_json(const tlsgraft_identity *identity)
{
	const struct tg_document *document = tg_identity_document(identity);
	cJSON *list = cJSON_CreateArray();

	for (size_t i = 0; i < document->route_count; i++) {
		const struct tg_route *route = &document->routes[i];

		cJSON_AddItemToArray(list, policy_json(document, route, route->policy));
		for (size_t k = 0; k < route->name_count; k++) {
			bool first = route->names[k].policy != route->policy;

			for (size_t n = 0; n < k; n++)
				first = first && route->names[n].policy != route->names[k].policy;
			if (first)
				cJSON_AddItemToArray(list, policy_json(document, route, route->names[k].policy));
		}
	}
	return list;
}
