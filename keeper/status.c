/* SPDX-License-Identifier: Apache-2.0 */
#include "keeper/status.h"

#include "ipc/alpn.h"
#include "ipc/refusal.h"
#include "ipc/report.h"
#include "keeper/clock.h"
#include "keeper/escape.h"
#include "keeper/listeners.h"
#include "keeper/processes.h"
#include "loader/identity.h"
#include "loader/options.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOT_READY 2u
#define LOOK_MS 1500 /* for all processes of a tree */

const char *tg_mode_name(enum tg_mode mode)
{
	switch (mode) {
	case TG_MODE_OFF:
		return "off";
	case TG_MODE_SERVER:
		return "server";
	case TG_MODE_MUTUAL:
		return "mutual";
	case TG_MODE_OBSERVE:
		return "observe";
	case TG_MODE_OPTIONAL:
		break;
	}
	return "optional";
}

static void add_text(cJSON *object, const char *name, const char *text)
{
	char *safe = tg_escape_new(text == NULL ? "" : text);

	cJSON_AddStringToObject(object, name, safe == NULL ? "" : safe);
	free(safe);
}

static double load(const _Atomic uint64_t *value)
{
	return (double)atomic_load_explicit(value, memory_order_relaxed);
}

const struct tg_section_slot *tg_status_slot(const struct tg_report_page *report, const char *section)
{
	for (size_t i = 0; i < TG_SECTION_SLOTS; i++) {
		const struct tg_section_slot *slot = &report->sections[i];

		/* a name as long as the slot is kept without its end, hence one byte less */
		if (atomic_load_explicit(&slot->state, memory_order_acquire) == SLOT_READY &&
		    strncmp(slot->name, section, sizeof(slot->name) - 1) == 0)
			return slot;
	}
	return NULL;
}

static double load_plaintext(const struct tg_report_page *report, const struct tg_section_slot *slot,
			     enum tg_plaintext_event event)
{
	return slot == NULL ? 0 : load(&report->plaintext[slot - report->sections].counts[event]);
}

bool tg_status_section_used(const struct tg_report_page *report, const char *section)
{
	const struct tg_section_slot *slot = tg_status_slot(report, section);

	return slot != NULL && load(&slot->accepted) + load(&slot->refused) + load(&slot->aborted) +
				       load_plaintext(report, slot, TG_PLAINTEXT_DIRECT) +
				       load_plaintext(report, slot, TG_PLAINTEXT_RELAYED) >
				   0;
}

static void add_counters(cJSON *object, const struct tg_report_page *report, const struct tg_section_slot *slot)
{
	static const struct tg_section_slot none;
	cJSON *handshakes = cJSON_AddObjectToObject(object, "handshakes");
	cJSON *refused = cJSON_AddObjectToObject(object, "refused_by");

	for (unsigned i = 0; i < TG_REFUSAL_COUNT; i++)
		cJSON_AddNumberToObject(refused, tg_refusal_name(tg_refusal_shown(i)),
					(double)tg_report_refusals(report, slot, tg_refusal_shown(i)));
	if (slot == NULL)
		slot = &none;
	cJSON_AddNumberToObject(handshakes, "accepted", load(&slot->accepted));
	cJSON_AddNumberToObject(handshakes, "resumed", load(&slot->resumed));
	cJSON_AddNumberToObject(handshakes, "refused", load(&slot->refused));
	cJSON_AddNumberToObject(handshakes, "would_refuse", load(&slot->would_refuse));
	cJSON_AddNumberToObject(handshakes, "aborted", load(&slot->aborted));
}

/* The plaintext listener whose own section this is; NULL: it is none. Counters go by that, whatever name is asked for. */
static const struct tg_route *plaintext_route(const struct tg_document *document, const char *section)
{
	for (size_t i = 0; i < document->route_count; i++)
		if (document->routes[i].plaintext.terminated &&
		    strcmp(document->policies[document->routes[i].policy].section, section) == 0)
			return &document->routes[i];
	return NULL;
}

static void add_plaintext(cJSON *object, const struct tg_plaintext *plaintext, const struct tg_report_page *report,
			  const struct tg_section_slot *slot)
{
	const uint64_t last = slot == NULL ? 0
					   : atomic_load_explicit(&report->plaintext[slot - report->sections].last_client,
								  memory_order_relaxed);
	cJSON *counters = cJSON_AddObjectToObject(object, "plaintext");
	char date[TG_RFC3339_SIZE];

	cJSON_AddStringToObject(counters, "engine", tg_option_word(TG_OPT_ENGINE, (int)plaintext->engine));
	cJSON_AddStringToObject(counters, "accept_plaintext", tg_option_word(TG_OPT_ACCEPT_PLAINTEXT, plaintext->accept));
	cJSON_AddNumberToObject(counters, "clients", load_plaintext(report, slot, TG_PLAINTEXT_CLIENT));
	if (last == 0)
		cJSON_AddNullToObject(counters, "last");
	else
		cJSON_AddStringToObject(counters, "last", tg_rfc3339((int64_t)last, date));
	cJSON_AddNumberToObject(counters, "direct", load_plaintext(report, slot, TG_PLAINTEXT_DIRECT));
	cJSON_AddNumberToObject(counters, "relayed", load_plaintext(report, slot, TG_PLAINTEXT_RELAYED));
	cJSON_AddNumberToObject(counters, "closed", load_plaintext(report, slot, TG_PLAINTEXT_CLOSED));
	cJSON_AddNumberToObject(counters, "timed_out", load_plaintext(report, slot, TG_PLAINTEXT_TIMED_OUT));
	cJSON_AddBoolToObject(counters, "needs_relay", tg_report_has_moved(report, slot));
}

cJSON *tg_alpn_json(struct tg_span list)
{
	cJSON *array = cJSON_CreateArray();
	struct tg_span name;
	size_t at = 0;

	while (tg_alpn_next(list, &at, &name)) {
		char text[TG_ALPN_NAME_MAX + 1];

		memcpy(text, name.data, name.size);
		text[name.size] = '\0';
		cJSON_AddItemToArray(array, cJSON_CreateString(text));
	}
	return array;
}

/* Where TLS is terminated for the server: an [sni] has such policies by its listeners, and the first one speaks for all. */
static void add_alpn(cJSON *object, const struct tg_policy *policy, const struct tg_report_page *report,
		     const struct tg_section_slot *slot)
{
	cJSON *alpn = cJSON_AddObjectToObject(object, "alpn");

	cJSON_AddItemToObject(alpn, "protocols", tg_alpn_json(policy->alpn));
	cJSON_AddStringToObject(alpn, "required", tg_option_word(TG_OPT_ALPN_REQUIRED, policy->alpn_required));
	cJSON_AddNumberToObject(alpn, "unanswered",
				slot == NULL ? 0 : load(&report->alpn_unanswered[slot - report->sections]));
}

struct claimed {
	uint32_t pid;
	uint64_t generation;
};

static int compare_claimed(const void *a, const void *b)
{
	const uint32_t left = ((const struct claimed *)a)->pid;
	const uint32_t right = ((const struct claimed *)b)->pid;

	return left < right ? -1 : left > right;
}

size_t tg_status_processes(const struct tg_report_page *report, const char *tree, struct tg_process_slot *ret,
			   size_t capacity)
{
	const int64_t deadline = tg_monotonic_ms() + LOOK_MS;
	struct claimed *claimed = calloc(TG_PROCESS_SLOTS, sizeof(*claimed));
	size_t count = 0;

	if (claimed == NULL)
		return 0;
	for (size_t i = 0; i < TG_PROCESS_SLOTS; i++)
		claimed[i] = (struct claimed){
		    atomic_load_explicit(&report->processes[i].pid, memory_order_relaxed),
		    atomic_load_explicit(&report->processes[i].generation, memory_order_relaxed),
		};
	qsort(claimed, TG_PROCESS_SLOTS, sizeof(*claimed), compare_claimed);
	/* each process once, and not for ever: an attached process may have named thousands that are slow to look at */
	for (size_t i = 0; i < TG_PROCESS_SLOTS && count < capacity; i++) {
		const uint32_t pid = claimed[i].pid;

		if (pid == 0 || pid > INT_MAX || (i > 0 && claimed[i - 1].pid == pid))
			continue;
		if (tg_monotonic_ms() >= deadline)
			break;
		if (!tg_process_in_tree((pid_t)pid, tree))
			continue;
		atomic_init(&ret[count].pid, pid);
		atomic_init(&ret[count].reserved, 0);
		atomic_init(&ret[count].generation, claimed[i].generation);
		count++;
	}
	free(claimed);
	return count;
}

static void add_processes(cJSON *object, const struct tg_status *status)
{
	struct tg_process_slot *slots = calloc(TG_PROCESS_SLOTS, sizeof(*slots));
	cJSON *list = cJSON_AddArrayToObject(object, "processes");
	size_t count;

	if (slots == NULL)
		return;
	count = tg_status_processes(status->report, status->tree, slots, TG_PROCESS_SLOTS);
	for (size_t i = 0; i < count; i++) {
		cJSON *process = cJSON_CreateObject();
		char exe[PATH_MAX];

		tg_process_exe((pid_t)slots[i].pid, exe, sizeof(exe));
		cJSON_AddNumberToObject(process, "pid", slots[i].pid);
		cJSON_AddNumberToObject(process, "generation", (double)slots[i].generation);
		cJSON_AddStringToObject(process, "exe", exe);
		cJSON_AddItemToArray(list, process);
	}
	free(slots);
}

static void add_ungoverned(cJSON *object, const struct tg_report_page *report)
{
	cJSON *list = cJSON_AddArrayToObject(object, "ungoverned");

	for (size_t i = 0; i < TG_UNGOVERNED_SLOTS; i++) {
		const struct tg_ungoverned_slot *slot = &report->ungoverned[i];
		struct tg_address address = {0};
		char text[TG_ADDRESS_TEXT_SIZE];
		uint16_t family;
		cJSON *entry;

		if (atomic_load_explicit(&slot->state, memory_order_acquire) != SLOT_READY)
			continue;
		family = slot->family;
		address.family = family == 4 ? 4 : 6;
		address.port = slot->port;
		memcpy(address.bytes, slot->address, sizeof(address.bytes));
		entry = cJSON_CreateObject();
		/* over a UNIX socket, say, which may well go on what came in by a port */
		cJSON_AddStringToObject(entry, "listen",
					family == 4 || family == 6 ? tg_address_text(&address, text) : "no IP address");
		cJSON_AddNumberToObject(entry, "handshakes", load(&slot->handshakes));
		cJSON_AddItemToArray(list, entry);
	}
}

static void add_unprotected(cJSON *object, const struct tg_status *status)
{
	cJSON *list = cJSON_AddArrayToObject(object, "unprotected");

	for (size_t i = 0; i < status->unprotected_count; i++) {
		const struct tg_unprotected *socket = &status->unprotected[i];
		char text[TG_ADDRESS_TEXT_SIZE];
		cJSON *entry = cJSON_CreateObject();

		cJSON_AddStringToObject(entry, "listen", tg_address_text(&socket->address, text));
		cJSON_AddBoolToObject(entry, "plaintext", socket->section != NULL);
		add_text(entry, "section", socket->section);
		cJSON_AddItemToArray(list, entry);
	}
}

static cJSON *certificate_json(struct tg_span leaf)
{
	struct tg_certificate_facts facts;
	char date[TG_RFC3339_SIZE];
	cJSON *object;

	if (tg_certificate_facts(leaf, &facts) < 0)
		return NULL;
	object = cJSON_CreateObject();
	cJSON_AddStringToObject(object, "key_type", facts.key_type);
	cJSON_AddStringToObject(object, "sha256", facts.sha256);
	add_text(object, "serial", facts.serial);
	add_text(object, "subject", facts.subject);
	cJSON_AddStringToObject(object, "not_after", tg_rfc3339(facts.not_after, date));
	cJSON_AddNumberToObject(object, "days_left", facts.days_left);
	tg_certificate_facts_clear(&facts);
	return object;
}

/* Those of a policy's CAs, each once for a section. `next_update` is empty where a list never goes stale. */
static void add_crls(cJSON *list, const struct tg_status *status, uint32_t trust)
{
	const int64_t now = tg_wall_seconds();

	for (size_t i = 0; status->crls != NULL && i < status->crls->count; i++) {
		const struct tg_crl_entry *entry = &status->crls->entries[i];
		char date[TG_RFC3339_SIZE];
		cJSON *object;

		if (entry->trust != trust)
			continue;
		object = cJSON_CreateObject();
		cJSON_AddStringToObject(object, "issuer", entry->issuer);
		cJSON_AddStringToObject(object, "this_update", tg_rfc3339(entry->this_update, date));
		cJSON_AddStringToObject(object, "next_update",
					entry->next_update == INT64_MAX ? "" : tg_rfc3339(entry->next_update, date));
		cJSON_AddBoolToObject(object, "ends_soon", entry->warn_from <= now && entry->next_update >= now);
		cJSON_AddBoolToObject(object, "stale", entry->next_update < now);
		cJSON_AddItemToArray(list, object);
	}
}

/* Whether `route` leads to `policy`, as its own or as that of one of its names. */
static bool route_uses(const struct tg_route *route, uint32_t policy)
{
	if (route->policy == policy)
		return true;
	for (size_t i = 0; i < route->name_count; i++)
		if (route->names[i].policy == policy)
			return true;
	return false;
}

static void add_once(cJSON *list, const char *text)
{
	const cJSON *entry;

	for (entry = tg_json_first(list); entry != NULL; entry = entry->next)
		if (strcmp(entry->valuestring, text) == 0)
			return;
	cJSON_AddItemToArray(list, cJSON_CreateString(text));
}

static const struct tg_policy *plaintext_policy(const struct tg_document *document, const char *section)
{
	for (uint32_t i = 0; i < document->policy_count; i++)
		for (size_t k = 0; k < document->route_count && strcmp(document->policies[i].section, section) == 0; k++)
			if (document->routes[k].plaintext.terminated && route_uses(&document->routes[k], i))
				return &document->policies[i];
	return NULL;
}

/* What servers say on the ports of a section: an [sni] may have some of either kind. */
static const char *speech(const struct tg_document *document, const char *section)
{
	bool terminated[2] = {false, false};

	for (uint32_t i = 0; i < document->policy_count; i++)
		for (size_t k = 0; k < document->route_count && strcmp(document->policies[i].section, section) == 0; k++)
			if (route_uses(&document->routes[k], i))
				terminated[document->routes[k].plaintext.terminated] = true;
	return !terminated[1] ? "tls" : terminated[0] ? "tls,plaintext" : "plaintext";
}

/*
 * One section may have become several policies: an [sni] has one for each listener. They share their counters, so they are
 * one object; where their modes differ, all are named.
 */
static cJSON *section_json(const struct tg_status *status, const char *section)
{
	const struct tg_document *document = status->document;
	const struct tg_route *plaintext = plaintext_route(document, section);
	const struct tg_section_slot *slot = tg_status_slot(status->report, section);
	cJSON *object = cJSON_CreateObject();
	cJSON *listen, *certificates, *crls;
	uint32_t *seen = calloc(document->policy_count, sizeof(*seen));
	uint32_t trust = TG_NONE;
	char modes[64] = "";
	size_t seen_count = 0;

	add_text(object, "name", section);
	listen = cJSON_AddArrayToObject(object, "listen");
	certificates = cJSON_CreateArray();
	crls = cJSON_CreateArray();
	for (uint32_t i = 0; i < document->policy_count && seen != NULL; i++) {
		const struct tg_policy *policy = &document->policies[i];
		const char *mode = tg_mode_name(policy->mode);
		bool shown = policy->credentials == TG_NONE;

		if (strcmp(policy->section, section) != 0)
			continue;
		if (strstr(modes, mode) == NULL)
			snprintf(modes + strlen(modes), sizeof(modes) - strlen(modes), "%s%s", modes[0] ? "," : "", mode);
		for (size_t k = 0; k < document->route_count; k++) {
			const struct tg_route *route = &document->routes[k];

			for (size_t n = 0; n < route->address_count && route_uses(route, i); n++) {
				char text[TG_ADDRESS_TEXT_SIZE];

				add_once(listen, tg_address_text(&route->addresses[n], text));
			}
		}
		/* the policies of one section may have no other trust than one: keys that are left out are those of
		 * [server] */
		if (policy->trust != trust && policy->trust != TG_NONE) {
			trust = policy->trust;
			add_crls(crls, status, trust);
		}
		for (size_t k = 0; k < seen_count; k++)
			shown = shown || seen[k] == policy->credentials;
		if (shown)
			continue;
		seen[seen_count++] = policy->credentials;
		for (size_t k = 0; k < document->credentials[policy->credentials].pair_count; k++)
			cJSON_AddItemToArray(certificates,
					     certificate_json(document->credentials[policy->credentials].pairs[k].leaf));
	}
	cJSON_AddStringToObject(object, "mode", modes);
	cJSON_AddStringToObject(object, "server_speaks", speech(document, section));
	cJSON_AddItemToObject(object, "certificates", certificates);
	if (cJSON_GetArraySize(crls) > 0)
		cJSON_AddItemToObject(object, "crls", crls);
	else
		cJSON_Delete(crls);
	add_counters(object, status->report, slot);
	if (plaintext != NULL)
		add_plaintext(object, &plaintext->plaintext, status->report, slot);
	if (plaintext_policy(document, section) != NULL)
		add_alpn(object, plaintext_policy(document, section), status->report, slot);
	free(seen);
	return object;
}

static void add_sections(cJSON *object, const struct tg_status *status)
{
	const struct tg_document *document = status->document;
	cJSON *list = cJSON_AddArrayToObject(object, "sections");

	for (size_t i = 0; i < document->policy_count; i++) {
		bool first = true;

		for (size_t k = 0; k < i; k++)
			first = first && strcmp(document->policies[k].section, document->policies[i].section) != 0;
		if (first)
			cJSON_AddItemToArray(list, section_json(status, document->policies[i].section));
	}
}

const char *tg_status_unserved(enum tg_engine engine, bool needs_relay, bool any_closed)
{
	if (engine == TG_ENGINE_RELAY)
		return any_closed ? "connections were closed: the relay did not take them, or there was no policy" : NULL;
	if (needs_relay && engine == TG_ENGINE_DIRECT)
		return "connections were closed, or calls on them failed: the server passes them to another process "
		       "while it uses them, or uses stdio, splice or aio, which engine = direct cannot follow; "
		       "engine = relay carries them";
	if (needs_relay && any_closed)
		return "a connection was closed: the server passes them to another process while it uses them; the relay "
		       "has "
		       "the next ones from the beginning, and by engine = relay the first one, too";
	return any_closed
		   ? "connections were closed: two processes used them, they ended in the middle of a handshake, or no "
		     "TLS could be spoken; the first two kinds engine = relay carries"
		   : NULL;
}

cJSON *tg_status_json(const struct tg_status *status)
{
	cJSON *object = cJSON_CreateObject();
	cJSON *keeper, *unmatched;

	if (object == NULL)
		return NULL;
	add_text(object, "config", status->config);
	keeper = cJSON_AddObjectToObject(object, "keeper");
	cJSON_AddNumberToObject(keeper, "pid", status->keeper_pid);
	cJSON_AddBoolToObject(keeper, "alive", status->keeper_alive);
	if (status->relay_pid > 0)
		cJSON_AddNumberToObject(keeper, "relay", status->relay_pid);
	if (status->relay_failure != NULL && status->relay_failure[0] != '\0')
		add_text(keeper, "relay_failure", status->relay_failure);
	cJSON_AddNumberToObject(object, "generation", (double)status->generation);
	cJSON_AddNumberToObject(object, "warn_days", status->warn_days);
	cJSON_AddItemToObject(object, "reload", tg_verdict_json(status->verdict));
	add_processes(object, status);
	add_ungoverned(object, status->report);
	unmatched = cJSON_AddArrayToObject(object, "unmatched_sections");
	for (size_t i = 0; i < status->unmatched_count; i++) {
		char *safe = tg_escape_new(status->unmatched[i]);

		if (safe != NULL)
			cJSON_AddItemToArray(unmatched, cJSON_CreateString(safe));
		free(safe);
	}
	add_unprotected(object, status);
	add_sections(object, status);
	return object;
}
