/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/resolve.h"

#include "ipc/match.h"
#include "loader/address.h"
#include "loader/alpn.h"
#include "loader/describe.h"
#include "loader/digest.h"
#include "loader/pair.h"
#include "loader/plaintext.h"
#include "loader/protocol.h"
#include "loader/trial_server.h"
#include "loader/trust.h"

#include <string.h>

/* A trust that was loaded already: the same sections give the same lists. */
struct known_trust {
	struct tg_trust_source source;
	bool good;
	struct tg_trust trust;
};

struct resolving {
	struct tg_load *load;
	struct tg_document *document;
	struct tg_loaded_pairs *pairs; /* one for each section, loaded at first use */
	bool *pairs_loaded;
	struct known_trust *trusts;
	size_t trust_count;
	size_t trust_capacity;
	size_t credentials_capacity;
	size_t trusts_capacity;
	size_t policies_capacity;
};

/* Keys of a narrower section replace those of a wider one; certificate, key and passphrase only together. */
static void overlay(struct tg_effective *effective, const struct tg_section *section)
{
	static const enum tg_option_id together[] = {TG_OPT_CERT, TG_OPT_KEY, TG_OPT_KEY_PASSPHRASE_FILE};
	bool any = false;

	for (size_t i = 0; i < TG_OPT_COUNT; i++)
		if (section->options[i].count > 0)
			effective->from[i] = section;
	for (size_t i = 0; i < sizeof(together) / sizeof(together[0]); i++)
		any = any || section->options[together[i]].count > 0;
	for (size_t i = 0; any && i < sizeof(together) / sizeof(together[0]); i++)
		effective->from[together[i]] = section;
}

static int effective_number(const struct tg_effective *effective, enum tg_option_id id)
{
	return tg_config_number(effective->from[id], id);
}

static char *effective_text(const struct resolving *resolving, const struct tg_effective *effective, enum tg_option_id id)
{
	const struct tg_value *value = tg_effective_value(effective, id);

	return value ? tg_arena_text(resolving->load->arena, value->text) : NULL;
}

static const struct tg_loaded_pairs *pairs_of(struct resolving *resolving, const struct tg_section *section)
{
	size_t index = (size_t)(section - resolving->load->config.sections);

	if (!resolving->pairs_loaded[index]) {
		resolving->pairs_loaded[index] = true;
		tg_pairs_load(resolving->load, section, &resolving->pairs[index]);
	}
	return &resolving->pairs[index];
}

static bool pairs_equal(const struct tg_credentials *a, const struct tg_credentials *b)
{
	if (a->pair_count != b->pair_count)
		return false;
	for (size_t i = 0; i < a->pair_count; i++) {
		const struct tg_pair *one = &a->pairs[i], *other = &b->pairs[i];

		if (!tg_span_equal(one->leaf, other->leaf) || !tg_span_equal(one->key, other->key) ||
		    one->chain_count != other->chain_count)
			return false;
		for (size_t j = 0; j < one->chain_count; j++)
			if (!tg_span_equal(one->chain[j], other->chain[j]))
				return false;
	}
	return true;
}

static uint32_t intern_credentials(struct resolving *resolving, const struct tg_loaded_pairs *pairs)
{
	struct tg_document *document = resolving->document;
	struct tg_arena *arena = resolving->load->arena;
	struct tg_credentials credentials = {.pair_count = pairs->count};
	credentials.pairs = tg_arena_alloc(arena, (pairs->count + 1) * sizeof(*credentials.pairs));
	if (!credentials.pairs || !tg_arena_room(arena, &document->credentials, document->credentials_count,
						 &resolving->credentials_capacity, sizeof(*document->credentials)))
		return TG_NONE;
	for (size_t i = 0; i < pairs->count; i++)
		credentials.pairs[i] = pairs->items[i].pair;
	for (size_t i = 0; i < document->credentials_count; i++)
		if (pairs_equal(&document->credentials[i], &credentials))
			return (uint32_t)i;
	document->credentials[document->credentials_count] = credentials;
	return (uint32_t)document->credentials_count++;
}

static bool spans_equal(const struct tg_span *a, size_t a_count, const struct tg_span *b, size_t b_count)
{
	if (a_count != b_count)
		return false;
	for (size_t i = 0; i < a_count; i++)
		if (!tg_span_equal(a[i], b[i]))
			return false;
	return true;
}

static uint32_t intern_trust(struct resolving *resolving, const struct tg_trust *trust)
{
	struct tg_document *document = resolving->document;
	struct tg_trust *items;

	if (!tg_arena_room(resolving->load->arena, &document->trusts, document->trust_count, &resolving->trusts_capacity,
			   sizeof(*document->trusts)))
		return TG_NONE;
	items = document->trusts;
	for (size_t i = 0; i < document->trust_count; i++)
		if (items[i].crl_check == trust->crl_check && items[i].verify_depth == trust->verify_depth &&
		    spans_equal(items[i].cas, items[i].ca_count, trust->cas, trust->ca_count) &&
		    spans_equal(items[i].crls, items[i].crl_count, trust->crls, trust->crl_count))
			return (uint32_t)i;
	items[document->trust_count] = *trust;
	return (uint32_t)document->trust_count++;
}

/* What was loaded from these sections; NULL where it cannot be used. */
static const struct tg_trust *trust_of(struct resolving *resolving, const struct tg_effective *effective,
				       int security_level)
{
	struct known_trust known = {
	    .source =
		{
		    .ca = effective->from[TG_OPT_CA],
		    .crl = effective->from[TG_OPT_CRL],
		    .crl_check = (enum tg_crl_check)effective_number(effective, TG_OPT_CRL_CHECK),
		    .verify_depth = effective_number(effective, TG_OPT_VERIFY_DEPTH),
		    .security_level = security_level,
		},
	};
	for (size_t i = 0; i < resolving->trust_count; i++) {
		const struct tg_trust_source *other = &resolving->trusts[i].source;

		if (other->ca == known.source.ca && other->crl == known.source.crl &&
		    other->crl_check == known.source.crl_check && other->verify_depth == known.source.verify_depth &&
		    other->security_level == security_level)
			return resolving->trusts[i].good ? &resolving->trusts[i].trust : NULL;
	}
	known.good = tg_trust_load(resolving->load, &known.source, &known.trust);
	if (!tg_arena_room(resolving->load->arena, &resolving->trusts, resolving->trust_count, &resolving->trust_capacity,
			   sizeof(known)))
		return NULL;
	resolving->trusts[resolving->trust_count] = known;
	resolving->trust_count++;
	return known.good ? &resolving->trusts[resolving->trust_count - 1].trust : NULL;
}

static bool at_fault(const struct tg_section *section, enum tg_option_id id)
{
	return section->given[id] && section->options[id].count == 0;
}

static void missing(struct resolving *resolving, const struct tg_section *section, enum tg_option_id id, const char *why)
{
	const struct tg_section *server = tg_config_section(&resolving->load->config, TG_SECTION_SERVER);
	struct tg_place place = tg_config_place(&resolving->load->config, section, id, 0);

	/* Where the key is there with a bad value, that has been said. */
	if (!at_fault(section, id) && !(server && at_fault(server, id)))
		tg_message(resolving->load->messages, TLSGRAFT_ERROR, &place, "%s", why);
}

static void check_crl_check(struct resolving *resolving, const struct tg_effective *effective)
{
	const struct tg_value *value = tg_effective_value(effective, TG_OPT_CRL_CHECK);
	struct tg_place place;

	if (!value || effective->from[TG_OPT_CRL])
		return;
	place = tg_config_place(&resolving->load->config, effective->from[TG_OPT_CRL_CHECK], TG_OPT_CRL_CHECK, value->line);
	tg_message(resolving->load->messages, TLSGRAFT_WARNING, &place, "has no effect without crl");
}

static bool text_equal(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static bool policy_equal(const struct tg_policy *a, const struct tg_policy *b)
{
	/* The digest stands for mode, trust and rules. */
	return strcmp(a->section, b->section) == 0 && a->override == b->override && a->credentials == b->credentials &&
	       a->trust == b->trust && memcmp(a->digest, b->digest, sizeof(a->digest)) == 0 &&
	       a->min_protocol == b->min_protocol && a->max_protocol == b->max_protocol &&
	       a->security_level == b->security_level && text_equal(a->ciphers, b->ciphers) &&
	       text_equal(a->ciphersuites, b->ciphersuites) && text_equal(a->groups, b->groups) &&
	       a->max_session_age == b->max_session_age && a->recheck == b->recheck &&
	       a->alpn_required == b->alpn_required && tg_span_equal(a->alpn, b->alpn);
}

static uint32_t intern_policy(struct resolving *resolving, const struct tg_policy *policy)
{
	struct tg_document *document = resolving->document;
	struct tg_policy *items;

	if (!tg_arena_room(resolving->load->arena, &document->policies, document->policy_count,
			   &resolving->policies_capacity, sizeof(*document->policies)))
		return TG_NONE;
	items = document->policies;
	for (size_t i = 0; i < document->policy_count; i++)
		if (policy_equal(&items[i], policy))
			return (uint32_t)i;
	items[document->policy_count] = *policy;
	return (uint32_t)document->policy_count++;
}

static void take_rules(struct resolving *resolving, const struct tg_effective *effective, struct tg_policy *policy)
{
	const struct tg_section *section = effective->from[TG_OPT_ALLOW];
	const struct tg_values *values = section ? &section->options[TG_OPT_ALLOW] : NULL;

	if (!values)
		return;
	policy->rules = tg_arena_alloc(resolving->load->arena, values->count * sizeof(*policy->rules));
	for (size_t i = 0; policy->rules && i < values->count; i++)
		policy->rules[policy->rule_count++] = values->items[i].rule;
}

static bool verifies(enum tg_mode mode)
{
	return mode == TG_MODE_OPTIONAL || mode == TG_MODE_MUTUAL || mode == TG_MODE_OBSERVE;
}

/* The policy of `section` with what it inherits; its index, or TG_NONE where a fault was found. */
static uint32_t policy_of(struct resolving *resolving, const struct tg_section *section,
			  const struct tg_effective *effective)
{
	struct tg_load *load = resolving->load;
	const struct tg_value *mode = tg_effective_value(effective, TG_OPT_MODE);
	const struct tg_value *minimum = tg_effective_value(effective, TG_OPT_MIN_PROTOCOL);
	const struct tg_value *maximum = tg_effective_value(effective, TG_OPT_MAX_PROTOCOL);
	const struct tg_value *level = tg_effective_value(effective, TG_OPT_SECURITY_LEVEL);
	const struct tg_value *age = tg_effective_value(effective, TG_OPT_MAX_SESSION_AGE);
	const struct tg_section *certs = effective->from[TG_OPT_CERT];
	struct tg_policy policy = {
	    .section = tg_arena_text(load->arena, section->title),
	    .override = effective_number(effective, TG_OPT_OVERRIDE) != 0,
	    .credentials = TG_NONE,
	    .trust = TG_NONE,
	    .min_protocol = minimum ? (uint16_t)minimum->number : 0,
	    .max_protocol = maximum ? (uint16_t)maximum->number : 0,
	    .security_level = level ? level->number : -1,
	    .ciphers = effective_text(resolving, effective, TG_OPT_CIPHERS),
	    .ciphersuites = effective_text(resolving, effective, TG_OPT_CIPHERSUITES),
	    .groups = effective_text(resolving, effective, TG_OPT_GROUPS),
	    .max_session_age = age ? (uint32_t)age->number : 0,
	    .recheck = effective_number(effective, TG_OPT_RECHECK) != 0,
	};
	const size_t errors = tg_messages_errors(load->messages);
	int security_level = tg_protocol_check(load, effective);
	tg_alpn_resolve(load, effective, &policy);
	const struct tg_trust *trust = NULL;

	if (!policy.section)
		return TG_NONE;
	if (!mode)
		missing(resolving, section, TG_OPT_MODE, "is missing: off, server, optional or mutual");
	else
		policy.mode = (enum tg_mode)mode->number;
	/* What is named is judged even where this mode does not use it. */
	if (certs) {
		const struct tg_loaded_pairs *pairs = pairs_of(resolving, certs);

		if (policy.mode != TG_MODE_OFF)
			tg_pairs_check_strength(load, certs, pairs, security_level);
		if (policy.mode != TG_MODE_OFF && pairs->good)
			policy.credentials = intern_credentials(resolving, pairs);
	}
	if (mode && policy.mode != TG_MODE_OFF && (!certs || certs->options[TG_OPT_CERT].count == 0))
		missing(resolving, section, TG_OPT_CERT, "is missing: every mode but off serves one");
	if (effective->from[TG_OPT_CA])
		trust = trust_of(resolving, effective, security_level);
	if (verifies(policy.mode)) {
		if (!effective->from[TG_OPT_CA])
			missing(resolving, section, TG_OPT_CA, "is missing: this mode verifies clients");
		check_crl_check(resolving, effective);
		take_rules(resolving, effective, &policy);
		policy.trust = trust ? intern_trust(resolving, trust) : TG_NONE;
	} else {
		trust = NULL;
	}
	/* What has a fault of its own would only show it once more. */
	if (policy.credentials != TG_NONE && tg_messages_errors(load->messages) == errors)
		tg_server_try(load, certs, pairs_of(resolving, certs), &policy,
			      &resolving->document->credentials[policy.credentials], security_level);
	if (tg_messages_errors(load->messages) > 0 || !tg_policy_digest(&policy, trust, policy.digest))
		return TG_NONE;
	return intern_policy(resolving, &policy);
}

/* Where there is none at all, that is a fault of its own. */
static enum tg_mode mode_of(const struct tg_effective *effective)
{
	const struct tg_value *mode = tg_effective_value(effective, TG_OPT_MODE);

	return mode ? (enum tg_mode)mode->number : TG_MODE_SERVER;
}

static bool applies(const struct tg_section *sni, const struct tg_section *listener)
{
	const struct tg_values *only = &sni->options[TG_OPT_LISTENER];

	return only->count == 0 || (listener && strcmp(only->items[0].text, listener->argument) == 0);
}

/* The [sni] section before that one, or itself, that gives the same name on this route; NULL: none. */
static const struct tg_section *taken_by(const struct tg_config *config, const struct tg_section *listener, size_t section,
					 size_t value)
{
	const struct tg_name *name = &config->sections[section].options[TG_OPT_NAMES].items[value].name;

	for (size_t i = 0; i <= section; i++) {
		const struct tg_section *other = &config->sections[i];
		const struct tg_values *names = &other->options[TG_OPT_NAMES];

		if (other->kind != TG_SECTION_SNI || !applies(other, listener))
			continue;
		for (size_t j = 0; j < (i == section ? value : names->count); j++)
			if (names->items[j].name.wildcard == name->wildcard &&
			    strcmp(names->items[j].name.text, name->text) == 0)
				return other;
	}
	return NULL;
}

/*
 * Who may say a name in SNI, or none, chooses the policy by it, and a server may then answer for another host of its own
 * (the Host header of HTTP): an [sni] section that demands less opens more than its own host, and one that demands more is
 * passed by who names another.
 */
static void warn_of_difference(struct resolving *resolving, const struct tg_section *sni, uint32_t policy, uint32_t base)
{
	const struct tg_document *document = resolving->document;
	const struct tg_values *modes = &sni->options[TG_OPT_MODE];

	if (modes->count == 0 || policy >= document->policy_count || base >= document->policy_count)
		return;
	int difference =
	    tg_mode_strictness(document->policies[policy].mode) - tg_mode_strictness(document->policies[base].mode);
	if (difference == 0)
		return;
	struct tg_place place = tg_config_place(&resolving->load->config, sni, TG_OPT_MODE, modes->items[0].line);
	tg_message(
	    resolving->load->messages, TLSGRAFT_WARNING, &place,
	    "demands %s of clients than other names of the same port: a client may ask for %s in SNI and for %s in the "
	    "protocol, so the server must tell its hosts apart itself",
	    difference < 0 ? "less" : "more", difference < 0 ? "this name" : "another name, or none,",
	    difference < 0 ? "another host" : "this host");
}

/* The host names of all [sni] sections that apply on a route. */
static void add_names(struct resolving *resolving, struct tg_route *route, const struct tg_section *listener,
		      const struct tg_effective *base)
{
	const struct tg_config *config = &resolving->load->config;
	size_t capacity = 0;

	for (size_t i = 0; i < config->section_count; i++) {
		const struct tg_section *sni = &config->sections[i];
		const struct tg_values *names = &sni->options[TG_OPT_NAMES];
		struct tg_effective effective = *base;
		uint32_t policy;

		if (sni->kind != TG_SECTION_SNI || !applies(sni, listener))
			continue;
		overlay(&effective, sni);
		if (!route->plaintext.terminated)
			tg_alpn_check_sni(resolving->load, sni, listener);
		if (!tg_plaintext_takes_name(resolving->load, route, mode_of(base), sni, mode_of(&effective)))
			continue;
		policy = policy_of(resolving, sni, &effective);
		warn_of_difference(resolving, sni, policy, route->policy);
		for (size_t j = 0; j < names->count; j++) {
			const struct tg_section *taken = taken_by(config, listener, i, j);
			struct tg_place place = tg_config_place(config, sni, TG_OPT_NAMES, names->items[j].line);
			if (taken) {
				tg_message(resolving->load->messages, TLSGRAFT_ERROR, &place,
					   "'%s' is a name of [%s] already", names->items[j].text, taken->title);
				continue;
			}
			if (!tg_arena_room(resolving->load->arena, &route->names, route->name_count, &capacity,
					   sizeof(*route->names)))
				return;
			route->names[route->name_count] = names->items[j].name;
			route->names[route->name_count++].policy = policy;
		}
	}
}

static void add_route(struct resolving *resolving, const struct tg_section *server, const struct tg_section *listener)
{
	struct tg_route *route = &resolving->document->routes[resolving->document->route_count++];
	struct tg_effective effective = {0};

	route->is_server = !listener;
	if (server)
		overlay(&effective, server);
	if (listener) {
		const struct tg_values *addresses = &listener->options[TG_OPT_LISTEN];

		overlay(&effective, listener);
		if (addresses->count == 0)
			missing(resolving, listener, TG_OPT_LISTEN, "is missing: the address that this section is about");
		route->addresses =
		    tg_arena_alloc(resolving->load->arena, (addresses->count + 1) * sizeof(*route->addresses));
		for (size_t i = 0; route->addresses && i < addresses->count; i++)
			route->addresses[route->address_count++] = addresses->items[i].address;
		route->plaintext = tg_plaintext_of(resolving->load, listener);
	}
	route->policy = policy_of(resolving, listener ? listener : server, &effective);
	add_names(resolving, route, listener, &effective);
}

/* An address in two places would leave it to chance which section a connection gets. */
static void check_addresses(struct resolving *resolving)
{
	const struct tg_config *config = &resolving->load->config;

	for (size_t i = 0; i < config->section_count; i++) {
		const struct tg_section *section = &config->sections[i];
		const struct tg_values *values = &section->options[TG_OPT_LISTEN];

		for (size_t j = 0; j < values->count; j++) {
			const struct tg_section *taken = NULL;

			for (size_t k = 0; k <= i && !taken; k++) {
				const struct tg_values *others = &config->sections[k].options[TG_OPT_LISTEN];

				for (size_t m = 0; m < (k == i ? j : others->count) && !taken; m++)
					if (tg_address_equal(&others->items[m].address, &values->items[j].address))
						taken = &config->sections[k];
			}
			if (taken) {
				struct tg_place place =
				    tg_config_place(config, section, TG_OPT_LISTEN, values->items[j].line);

				tg_message(resolving->load->messages, TLSGRAFT_ERROR, &place,
					   "'%s' is an address of [%s] already", values->items[j].text, taken->title);
			}
		}
	}
}

static bool listener_exists(const struct tg_config *config, const char *name)
{
	for (size_t i = 0; i < config->section_count; i++)
		if (config->sections[i].kind == TG_SECTION_LISTENER && strcmp(config->sections[i].argument, name) == 0)
			return true;
	return false;
}

static void check_sni(struct resolving *resolving)
{
	const struct tg_config *config = &resolving->load->config;

	for (size_t i = 0; i < config->section_count; i++) {
		const struct tg_section *section = &config->sections[i];
		const struct tg_values *only = &section->options[TG_OPT_LISTENER];

		if (section->kind != TG_SECTION_SNI)
			continue;
		if (section->options[TG_OPT_NAMES].count == 0)
			missing(resolving, section, TG_OPT_NAMES, "is missing: the host names that this section is about");
		if (only->count > 0 && !listener_exists(config, only->items[0].text)) {
			struct tg_place place = tg_config_place(config, section, TG_OPT_LISTENER, only->items[0].line);

			tg_message(resolving->load->messages, TLSGRAFT_ERROR, &place, "there is no section [listener %s]",
				   only->items[0].text);
		}
	}
}

void tg_resolve(struct tg_load *load, struct tg_document *ret)
{
	const struct tg_config *config = &load->config;
	const struct tg_section *server = tg_config_section(config, TG_SECTION_SERVER);
	struct resolving resolving = {.load = load, .document = ret};

	*ret = (struct tg_document){0};
	ret->routes = tg_arena_alloc(load->arena, (config->section_count + 1) * sizeof(*ret->routes));
	resolving.pairs = tg_arena_alloc(load->arena, (config->section_count + 1) * sizeof(*resolving.pairs));
	resolving.pairs_loaded = tg_arena_alloc(load->arena, (config->section_count + 1) * sizeof(*resolving.pairs_loaded));
	if (!ret->routes || !resolving.pairs || !resolving.pairs_loaded)
		return;
	check_addresses(&resolving);
	check_sni(&resolving);
	if (server)
		add_route(&resolving, server, NULL);
	for (size_t i = 0; i < config->section_count; i++)
		if (config->sections[i].kind == TG_SECTION_LISTENER)
			add_route(&resolving, server, &config->sections[i]);
	if (tg_messages_errors(load->messages) == 0)
		tg_plaintext_check_change(load, ret);
	if (ret->route_count == 0) {
		struct tg_place place = {config->name, 0, NULL, NULL};

		tg_message(load->messages, TLSGRAFT_ERROR, &place,
			   "governs nothing: there is neither a [server] nor a [listener]");
	}
	for (size_t i = 0; i < config->section_count; i++)
		tg_pairs_clear(&resolving.pairs[i]);
}
