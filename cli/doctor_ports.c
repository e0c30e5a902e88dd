/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/doctor_ports.h"

#include "cli/port_verdict.h"
#include "cli/ports.h"
#include "cli/text.h"
#include "ipc/match.h"
#include "ipc/route.h"
#include "keeper/listeners.h"
#include "keeper/status.h"
#include "keeper/verdict.h"
#include "loader/identity.h"
#include "tlsgraft/loader.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define PORTS_MAX 64
#define NAME_SIZE 300
#define WHERE_SIZE 160

struct target {
	struct tg_address socket; /* what it listens on */
	bool optional;            /* one of two ways to a socket of both families: silence about a refusal */
	char names[TG_PORT_NAMES][NAME_SIZE];
	struct tg_expected unnamed;
	struct tg_expected named[TG_PORT_NAMES];
};

struct ports {
	const cJSON *sections;              /* of status; NULL: no policy */
	const struct tg_document *document; /* of the file, for which section governs what; NULL: not to be had */
	struct tg_port probed[PORTS_MAX];
	struct target targets[PORTS_MAX];
	size_t count;
	bool cut; /* there are more */
};

static const cJSON *section_of(const cJSON *sections, const char *name)
{
	const cJSON *section;

	for (section = tg_json_first(sections); section != NULL; section = section->next)
		if (strcmp(tg_text_string(section, "name"), name) == 0)
			return section;
	return NULL;
}

/* What the tree promises where the file leads: a section that only the file has is not served. */
static struct tg_expected expect(const struct ports *ports, const struct tg_address *address, const char *host)
{
	struct tg_expected expected = {.mode = "", .known = ports->document != NULL};
	const struct tg_policy *policy = NULL;
	const cJSON *section;

	if (ports->document == NULL || tg_route_find(ports->document, address, host, &policy) != TG_ROUTE_FOUND)
		return expected;
	section = section_of(ports->sections, policy->section);
	if (section == NULL)
		return expected;
	expected.section = policy->section;
	expected.mode = tg_text_string(section, "mode");
	/* one [sni] section, several listeners */
	if (strchr(expected.mode, ',') != NULL)
		expected.mode = tg_mode_name(policy->mode);
	expected.terminated = strcmp(tg_text_string(section, "server_speaks"), "tls") != 0 &&
			      tg_route_at(ports->document, address)->plaintext.terminated &&
			      strcmp(expected.mode, "off") != 0;
	expected.accepts = tg_route_at(ports->document, address)->plaintext.accept;
	return expected;
}

static void add_name(struct tg_port *port, struct target *target, const struct tg_name *name)
{
	char *text;

	if (port->name_count == TG_PORT_NAMES)
		return;
	text = target->names[port->name_count];
	if (snprintf(text, NAME_SIZE, "%s%s", name->wildcard ? "tlsgraft-doctor." : "", name->text) >= NAME_SIZE)
		return;
	port->names[port->name_count++] = text;
}

/* The names that the file gives the route of this address. */
static void add_names(const struct ports *ports, struct tg_port *port, struct target *target)
{
	const struct tg_policy *policy = NULL;

	if (ports->document == NULL || tg_route_find(ports->document, &port->address, NULL, &policy) != TG_ROUTE_FOUND)
		return;
	for (size_t i = 0; i < ports->document->route_count; i++) {
		const struct tg_route *route = &ports->document->routes[i];

		if (&ports->document->policies[route->policy] != policy)
			continue;
		for (size_t k = 0; k < route->name_count; k++)
			add_name(port, target, &route->names[k]);
		return;
	}
}

static bool same_address(const struct tg_address *a, const struct tg_address *b)
{
	return a->family == b->family && a->port == b->port && memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

static void add_target(struct ports *ports, pid_t member, const struct tg_address *socket, const struct tg_address *to,
		       bool optional)
{
	struct tg_port *port = &ports->probed[ports->count];
	struct target *target = &ports->targets[ports->count];

	for (size_t i = 0; i < ports->count; i++) {
		if (ports->probed[i].member == member && same_address(&ports->probed[i].address, to)) {
			ports->targets[i].optional = ports->targets[i].optional && optional;
			return;
		}
	}
	if (ports->count == PORTS_MAX) {
		ports->cut = true;
		return;
	}
	*port = (struct tg_port){.member = member, .address = *to};
	*target = (struct target){.socket = *socket, .optional = optional};
	add_names(ports, port, target);
	target->unnamed = expect(ports, to, NULL);
	for (size_t i = 0; i < port->name_count; i++)
		target->named[i] = expect(ports, to, port->names[i]);
	ports->count++;
}

/* A wildcard is asked at loopback, and wherever the file has something to say of its port. */
static void add_socket(struct ports *ports, pid_t member, const struct tg_address *socket)
{
	struct tg_address v4 = {.family = 4, .port = socket->port, .bytes = {127, 0, 0, 1}};
	struct tg_address v6 = {.family = 6, .port = socket->port};

	v6.bytes[15] = 1;
	if (!socket->any) {
		add_target(ports, member, socket, socket, false);
		return;
	}
	if (socket->family == 6)
		add_target(ports, member, socket, &v6, false);
	add_target(ports, member, socket, &v4, socket->family == 6);
	for (size_t i = 0; ports->document != NULL && i < ports->document->route_count; i++) {
		const struct tg_route *route = &ports->document->routes[i];

		for (size_t k = 0; k < route->address_count; k++)
			if (!route->addresses[k].any && route->addresses[k].port == socket->port &&
			    (route->addresses[k].family == socket->family || socket->family == 6))
				add_target(ports, member, socket, &route->addresses[k], true);
	}
}

/* Network namespace of a process; 0: cannot be told. */
static ino_t network_of(pid_t pid)
{
	char path[64];
	struct stat status;

	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
	return stat(path, &status) == 0 ? status.st_ino : 0;
}

/* The sockets of those processes that share the network namespace of pids[from], where none before it does. */
static int add_network(struct ports *ports, const pid_t *pids, size_t count, size_t from)
{
	const ino_t network = network_of(pids[from]);
	struct tg_listeners listeners = {0};
	pid_t *group = calloc(count, sizeof(*group));
	size_t size = 0;
	int result = 0;

	if (group == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		if (network_of(pids[i]) != network)
			continue;
		if (i < from)
			goto out;
		group[size++] = pids[i];
	}
	result = tg_listeners_find(group, size, INT64_MAX, &listeners);
	for (size_t i = 0; result == 0 && i < listeners.count; i++)
		add_socket(ports, pids[from], &listeners.addresses[i]);
	tg_listeners_free(&listeners);
out:
	free(group);
	return result;
}

static void judge_ports(const struct ports *ports, struct tg_findings *findings)
{
	for (size_t i = 0; i < ports->count; i++) {
		const struct tg_port *port = &ports->probed[i];
		const struct target *target = &ports->targets[i];
		char address[TG_ADDRESS_TEXT_SIZE], socket[TG_ADDRESS_TEXT_SIZE], where[WHERE_SIZE];

		if (target->optional && port->answers.error != 0)
			continue;
		tg_address_text(&port->address, address);
		if (same_address(&port->address, &target->socket))
			snprintf(where, sizeof(where), "port %s", address);
		else
			snprintf(where, sizeof(where), "port %s (listens on %s)", address,
				 tg_address_text(&target->socket, socket));
		tg_port_judge(port, where, &target->unnamed, target->named, ports->sections, findings);
	}
	if (ports->cut)
		tg_findings_add(findings, TG_LIMIT, "port", "more than %d ports: the others were not looked at", PORTS_MAX);
	if (ports->count == 0)
		tg_findings_add(findings, TG_FACT, "port", "listens on no TCP port");
}

void tg_doctor_ports(const pid_t *pids, size_t count, const cJSON *tree, struct tg_findings *findings)
{
	tlsgraft_identity *identity = NULL;
	tlsgraft_messages *messages = NULL;
	struct ports *ports = calloc(1, sizeof(*ports));
	int result = ports == NULL ? -ENOMEM : 0;

	if (ports != NULL && tree != NULL) {
		const char *config = tg_text_string(tree, "config");
		const bool named = config[0] == '/';

		ports->sections = cJSON_GetObjectItemCaseSensitive(tree, "sections");
		if (named && tlsgraft_load(config, NULL, &identity, &messages) == TLSGRAFT_OK)
			ports->document = tg_identity_document(identity);
		else
			tg_findings_add(findings, TG_LIMIT, "config",
					"%s cannot be read as it is now%s: which section governs which port is told by the "
					"certificates alone",
					named ? config : "the file that the tree was started with",
					named ? " (see `tlsgraft check`)" : "");
	}
	for (size_t i = 0; i < count && result == 0; i++)
		result = add_network(ports, pids, count, i);
	if (result == 0)
		result = tg_ports_ask(ports->probed, ports->count);
	if (result == 0)
		judge_ports(ports, findings);
	else
		tg_findings_add(findings, TG_LIMIT, "port", "ports cannot be looked at: %s", strerror(-result));
	tlsgraft_identity_unref(identity);
	tlsgraft_messages_free(messages);
	free(ports);
}
