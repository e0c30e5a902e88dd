/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/identity.h"

#include "loader/alpn.h"
#include "loader/arena.h"
#include "loader/describe.h"
#include "loader/options.h"
#include "loader/private.h"
#include "loader/rules.h"
#include "loader/sorted.h"

#include <openssl/err.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct writer {
	FILE *stream;
	struct tg_arena *arena;
	bool any;
	bool no_memory;
};

static void item(struct writer *writer, const char *section)
{
	fprintf(writer->stream, "%s%s: ", writer->any ? "; " : "", section);
	writer->any = true;
}

static int compare_numbers(size_t a, size_t b)
{
	return a < b ? -1 : a > b;
}

static int compare_spans(const void *a, const void *b)
{
	const struct tg_span *one = a, *other = b;

	if (one->size != other->size)
		return compare_numbers(one->size, other->size);
	return one->size > 0 ? memcmp(one->data, other->data, one->size) : 0;
}

static int compare_sections(const void *a, const void *b)
{
	const struct tg_policy *one = a, *other = b;

	return strcmp(one->section, other->section);
}

static int compare_rules(const void *a, const void *b)
{
	const struct tg_rule *one = a, *other = b;

	if (one->kind != other->kind)
		return compare_numbers(one->kind, other->kind);
	if (one->wildcard != other->wildcard)
		return compare_numbers(one->wildcard, other->wildcard);
	if (one->prefix_length != other->prefix_length)
		return compare_numbers(one->prefix_length, other->prefix_length);
	return compare_spans(&one->value, &other->value);
}

/* As tg_sorted_make; where memory ran out, which is remembered, nothing will be found. */
static struct tg_sorted sort(struct writer *writer, const void *first, size_t count, size_t size, tg_compare *compare)
{
	struct tg_sorted sorted = {0};

	if (tg_sorted_make(first, count, size, compare, &sorted) < 0)
		writer->no_memory = true;
	return sorted;
}

static const struct tg_policy *policy_of(const struct tg_sorted *policies, const char *section)
{
	const struct tg_policy wanted = {.section = (char *)(uintptr_t)section};

	return tg_sorted_find(policies, &wanted);
}

/* "RSA 1a2b3c4d5e6f7081 serial 4F01, not after 2026-01-02". */
static void write_leaf(struct writer *writer, const struct tg_pair *pair)
{
	struct tg_certificate_facts facts;

	if (tg_certificate_facts(pair->leaf, &facts) != 0) {
		fputs("unreadable", writer->stream);
		return;
	}
	fprintf(writer->stream, "%s %.16s serial %s, not after %s", facts.key_type, facts.sha256, facts.serial,
		tg_date_text(writer->arena, facts.not_after));
	tg_certificate_facts_clear(&facts);
}

static const struct tg_credentials *credentials_of(const struct tg_document *document, const struct tg_policy *policy)
{
	return document && policy && policy->credentials != TG_NONE ? &document->credentials[policy->credentials] : NULL;
}

static bool same_chain(const struct tg_pair *a, const struct tg_pair *b)
{
	if (a->chain_count != b->chain_count)
		return false;
	for (size_t i = 0; i < a->chain_count; i++)
		if (!tg_span_equal(a->chain[i], b->chain[i]))
			return false;
	return true;
}

static void compare_certificates(struct writer *writer, const char *section, const struct tg_credentials *old,
				 const struct tg_credentials *new)
{
	size_t old_count = old ? old->pair_count : 0, new_count = new ? new->pair_count : 0;

	for (size_t i = 0; i < old_count || i < new_count; i++) {
		const struct tg_pair *before = i < old_count ? &old->pairs[i] : NULL;
		const struct tg_pair *after = i < new_count ? &new->pairs[i] : NULL;

		if (before && after && tg_span_equal(before->leaf, after->leaf)) {
			if (!same_chain(before, after)) {
				item(writer, section);
				fputs("chain changed", writer->stream);
			}
			continue;
		}
		item(writer, section);
		fputs("certificate ", writer->stream);
		if (before)
			write_leaf(writer, before);
		if (before && after)
			fputs(" -> ", writer->stream);
		if (after)
			write_leaf(writer, after);
		else
			fputs(" no more served", writer->stream);
	}
}

/* The CAs of `these` that are not among `those`, by name and fingerprint. */
static void write_cas(struct writer *writer, const char *section, const char *what, const struct tg_trust *these,
		      const struct tg_trust *those)
{
	struct tg_sorted known =
	    sort(writer, those ? those->cas : NULL, those ? those->ca_count : 0, sizeof(struct tg_span), compare_spans);

	for (size_t i = 0; these && i < these->ca_count; i++) {
		struct tg_certificate_facts facts;

		if (tg_sorted_find(&known, &these->cas[i]))
			continue;
		item(writer, section);
		if (tg_certificate_facts(these->cas[i], &facts) != 0) {
			fprintf(writer->stream, "ca %s", what);
			continue;
		}
		fprintf(writer->stream, "ca %s %s (%.16s)", what, facts.subject, facts.sha256);
		tg_certificate_facts_clear(&facts);
	}
	tg_sorted_free(&known);
}

static bool same_crls(struct writer *writer, const struct tg_trust *old, const struct tg_trust *new)
{
	struct tg_sorted known = sort(writer, old->crls, old->crl_count, sizeof(struct tg_span), compare_spans);
	bool same = old->crl_count == new->crl_count;

	for (size_t i = 0; same && i < new->crl_count; i++)
		same = tg_sorted_find(&known, &new->crls[i]) != NULL;
	tg_sorted_free(&known);
	return same;
}

static void compare_trust(struct writer *writer, const char *section, const struct tg_trust *old,
			  const struct tg_trust *new)
{
	write_cas(writer, section, "added", new, old);
	write_cas(writer, section, "removed", old, new);
	if (!old || !new)
		return;
	if (!same_crls(writer, old, new)) {
		item(writer, section);
		fputs("crl changed", writer->stream);
		if (new->crl_next_update != 0)
			fprintf(writer->stream, ", next update %s", tg_date_text(writer->arena, new->crl_next_update));
	}
	if (old->crl_check != new->crl_check) {
		item(writer, section);
		fputs("crl_check changed", writer->stream);
	}
	if (old->verify_depth != new->verify_depth) {
		item(writer, section);
		fprintf(writer->stream, "verify_depth %d -> %d", old->verify_depth, new->verify_depth);
	}
}

static void write_rules(struct writer *writer, const char *section, const char *what, const struct tg_policy *these,
			const struct tg_policy *those)
{
	struct tg_sorted known = sort(writer, those->rules, those->rule_count, sizeof(struct tg_rule), compare_rules);

	for (size_t i = 0; i < these->rule_count; i++) {
		char *text;

		if (tg_sorted_find(&known, &these->rules[i]))
			continue;
		text = tg_rule_text(&these->rules[i]);
		item(writer, section);
		fprintf(writer->stream, "allow %s %s", what, text ? text : "a rule");
		free(text);
	}
	tg_sorted_free(&known);
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static const struct tg_trust *trust_of(const struct tg_document *document, const struct tg_policy *policy)
{
	return document && policy && policy->trust != TG_NONE ? &document->trusts[policy->trust] : NULL;
}

static void compare_policies(struct writer *writer, const struct tg_document *old_document, const struct tg_policy *old,
			     const struct tg_document *new_document, const struct tg_policy *new)
{
	const char *section = new->section;

	if (old->mode != new->mode) {
		item(writer, section);
		fprintf(writer->stream, "mode %s -> %s", tg_option_word(TG_OPT_MODE, (int)old->mode),
			tg_option_word(TG_OPT_MODE, (int)new->mode));
	}
	compare_certificates(writer, section, credentials_of(old_document, old), credentials_of(new_document, new));
	compare_trust(writer, section, trust_of(old_document, old), trust_of(new_document, new));
	write_rules(writer, section, "added", new, old);
	write_rules(writer, section, "removed", old, new);
	if (old->max_session_age != new->max_session_age) {
		item(writer, section);
		fprintf(writer->stream, "max_session_age %" PRIu32 " -> %" PRIu32, old->max_session_age,
			new->max_session_age);
	}
	if (old->recheck != new->recheck) {
		item(writer, section);
		fprintf(writer->stream, "recheck %s", tg_option_word(TG_OPT_RECHECK, new->recheck));
	}
	if (old->min_protocol != new->min_protocol || old->max_protocol != new->max_protocol ||
	    old->security_level != new->security_level || old->override != new->override ||
	    !same_text(old->ciphers, new->ciphers) || !same_text(old->ciphersuites, new->ciphersuites) ||
	    !same_text(old->groups, new->groups)) {
		item(writer, section);
		fputs("protocol settings changed", writer->stream);
	}
}

static void compare_word(struct writer *writer, const char *section, enum tg_option_id id, int old, int new)
{
	if (old == new)
		return;
	item(writer, section);
	fprintf(writer->stream, "%s %s", tg_options_get(id)->key, tg_option_word(id, new));
}

static void compare_alpn(struct writer *writer, const struct tg_policy *old, const struct tg_policy *new)
{
	if (!tg_span_equal(old->alpn, new->alpn)) {
		item(writer, new->section);
		fputs("alpn ", writer->stream);
		tg_alpn_print(writer->stream, old->alpn);
		fputs(" -> ", writer->stream);
		tg_alpn_print(writer->stream, new->alpn);
	}
	compare_word(writer, new->section, TG_OPT_ALPN_REQUIRED, old->alpn_required, new->alpn_required);
}

/* Which addresses and names lead where. */
static bool same_routes(const struct tg_document *a, const struct tg_document *b)
{
	bool same = a->route_count == b->route_count;

	for (size_t i = 0; same && i < a->route_count; i++) {
		const struct tg_route *one = &a->routes[i], *other = &b->routes[i];

		same = one->is_server == other->is_server && one->address_count == other->address_count &&
		       one->name_count == other->name_count &&
		       strcmp(a->policies[one->policy].section, b->policies[other->policy].section) == 0;
		for (size_t j = 0; same && j < one->address_count; j++)
			same = one->addresses[j].family == other->addresses[j].family &&
			       one->addresses[j].port == other->addresses[j].port &&
			       memcmp(one->addresses[j].bytes, other->addresses[j].bytes, 16) == 0;
		for (size_t j = 0; same && j < one->name_count; j++)
			same = one->names[j].wildcard == other->names[j].wildcard &&
			       strcmp(one->names[j].text, other->names[j].text) == 0;
	}
	return same;
}

static const struct tg_route *plaintext_route(const struct tg_document *document, const char *section)
{
	for (size_t i = 0; document && i < document->route_count; i++)
		if (document->routes[i].plaintext.terminated &&
		    strcmp(document->policies[document->routes[i].policy].section, section) == 0)
			return &document->routes[i];
	return NULL;
}

static void compare_number(struct writer *writer, const char *section, enum tg_option_id id, uint32_t old, uint32_t new)
{
	if (old == new)
		return;
	item(writer, section);
	fprintf(writer->stream, "%s %" PRIu32 " -> %" PRIu32, tg_options_get(id)->key, old, new);
}

/* Of listeners that both have: whether the server speaks plaintext does not change. */
static void compare_plaintext(struct writer *writer, const struct tg_document *old, const struct tg_document *new)
{
	for (size_t i = 0; i < new->route_count; i++) {
		const char *section = new->policies[new->routes[i].policy].section;
		const struct tg_plaintext *now = &new->routes[i].plaintext;
		const struct tg_route *route = now->terminated ? plaintext_route(old, section) : NULL;

		if (!route)
			continue;
		compare_word(writer, section, TG_OPT_ACCEPT_PLAINTEXT, route->plaintext.accept, now->accept);
		compare_number(writer, section, TG_OPT_PLAINTEXT_WAIT, route->plaintext.wait_ms, now->wait_ms);
		compare_word(writer, section, TG_OPT_ENGINE, (int)route->plaintext.engine, (int)now->engine);
		compare_number(writer, section, TG_OPT_HANDSHAKE_TIMEOUT, route->plaintext.handshake_timeout,
			       now->handshake_timeout);
		compare_word(writer, section, TG_OPT_PROXY_PROTOCOL, (int)route->plaintext.proxy_header,
			     (int)now->proxy_header);
	}
}

static void compare_documents(struct writer *writer, const struct tg_document *old, const struct tg_document *new)
{
	struct tg_sorted before_all = sort(writer, old ? old->policies : NULL, old ? old->policy_count : 0,
					   sizeof(struct tg_policy), compare_sections);
	struct tg_sorted all = sort(writer, new->policies, new->policy_count, sizeof(struct tg_policy), compare_sections);

	for (size_t i = 0; i < new->policy_count; i++) {
		const struct tg_policy *policy = &new->policies[i], *before = policy_of(&before_all, policy->section);

		/* An [sni] has a policy on each route: said once. */
		if (policy_of(&all, policy->section) != policy)
			continue;
		if (before) {
			compare_policies(writer, old, before, new, policy);
			compare_alpn(writer, before, policy);
			continue;
		}
		item(writer, policy->section);
		fprintf(writer->stream, "new, mode %s", tg_option_word(TG_OPT_MODE, (int)policy->mode));
		compare_certificates(writer, policy->section, NULL, credentials_of(new, policy));
		compare_trust(writer, policy->section, NULL, trust_of(new, policy));
	}
	for (size_t i = 0; old && i < old->policy_count; i++) {
		if (policy_of(&all, old->policies[i].section) ||
		    policy_of(&before_all, old->policies[i].section) != &old->policies[i])
			continue;
		item(writer, old->policies[i].section);
		fputs("removed", writer->stream);
	}
	tg_sorted_free(&before_all);
	tg_sorted_free(&all);
	compare_plaintext(writer, old, new);
	if (old && !same_routes(old, new)) {
		fprintf(writer->stream, "%saddresses or names changed", writer->any ? "; " : "");
		writer->any = true;
	}
}

char *tlsgraft_identity_difference(const tlsgraft_identity *serving, const tlsgraft_identity *loaded)
{
	char *text = NULL;
	size_t size = 0;
	struct writer writer = {.arena = tg_arena_new()};

	if (!writer.arena)
		return NULL;
	writer.stream = open_memstream(&text, &size);
	if (writer.stream) {
		compare_documents(&writer, serving ? serving->document : NULL, loaded->document);
		if (!writer.any)
			fputs(serving && tlsgraft_identity_equal(serving, loaded) ? "nothing changed"
										  : "keys or details changed",
			      writer.stream);
		if (fclose(writer.stream) != 0 || writer.no_memory) {
			free(text);
			text = NULL;
		}
	}
	tg_arena_free(writer.arena);
	return text;
}
