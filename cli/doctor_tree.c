/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/doctor_tree.h"

#include "cli/doctor_ports.h"
#include "cli/process_facts.h"
#include "cli/text.h"
#include "keeper/processes.h"
#include "keeper/verdict.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct members {
	pid_t *pids; /* those that may be looked at */
	size_t count;
	size_t unseen; /* those that may not */
};

/* The number of its generation where it has reported to the keeper, else -1. */
static double reported(const cJSON *tree, pid_t pid)
{
	const cJSON *entry;

	for (entry = tg_json_first(cJSON_GetObjectItemCaseSensitive(tree, "processes")); entry != NULL; entry = entry->next)
		if (tg_text_number(entry, "pid") == pid)
			return tg_text_number(entry, "generation");
	return -1;
}

static void report_with_shim(pid_t pid, const char *name, const struct tg_process_facts *facts, const cJSON *tree,
			     struct tg_findings *findings)
{
	const double newest = tg_text_number(tree, "generation");
	const double generation = reported(tree, pid);

	if (facts->shim_deleted)
		tg_findings_add(
		    findings, TG_LIMIT, "process",
		    "%s: its shim was replaced on disk since it started (an upgrade): a restart takes the new one", name);
	if (!facts->holds)
		tg_findings_add(
		    findings, TG_FACT, "process",
		    "%s: the shim is in it without the policy (it does not serve, or is another user's): no TLS handshake "
		    "that it serves succeeds",
		    name);
	else if (generation < 0)
		tg_findings_add(findings, TG_FACT, "process", "%s: holds the policy, has not reported to the keeper yet",
				name);
	else if (generation == 0)
		tg_findings_add(findings, TG_FACT, "process", "%s: holds the policy, no handshake yet", name);
	else if (generation < newest)
		tg_findings_add(findings, TG_FACT, "process",
				"%s: holds generation %.0f; takes %.0f, the newest, at its next handshake", name,
				generation, newest);
	else
		tg_findings_add(findings, TG_FACT, "process", "%s: holds generation %.0f, the newest", name, generation);
}

static void report_process(pid_t pid, const struct tg_process_facts *facts, const cJSON *tree, struct tg_findings *findings)
{
	char exe[PATH_MAX];
	char name[PATH_MAX + 32];

	tg_process_exe(pid, exe, sizeof(exe));
	snprintf(name, sizeof(name), "process %d (%s)", (int)pid, exe);
	if (facts->shim && tree != NULL)
		report_with_shim(pid, name, facts, tree, findings);
	else if (!facts->shim && facts->libssl[0] != '\0')
		tg_findings_add(findings, tree == NULL ? TG_FACT : TG_LIMIT, "process", "%s: maps %s without the shim",
				name, facts->libssl);
	else if (!facts->shim)
		tg_findings_add(findings, TG_FACT, "process", "%s: without the shim, and without libssl", name);
	if (facts->libssl_deleted)
		tg_findings_add(findings, TG_LIMIT, "process",
				"%s: its libssl was replaced on disk since it started: a restart takes the new one", name);
	if (facts->seccomp != 0)
		tg_findings_add(findings, TG_FACT, "process",
				"%s: under a seccomp filter; the shim makes no calls of its own there", name);
	if (facts->no_new_privileges)
		tg_findings_add(findings, TG_FACT, "process", "%s: no_new_privs, which is no obstacle", name);
	if (facts->not_dumpable)
		tg_findings_add(findings, TG_FACT, "process", "%s: not dumpable: only root can look into it", name);
}

static bool has(const struct members *members, pid_t pid)
{
	for (size_t i = 0; i < members->count; i++)
		if (members->pids[i] == pid)
			return true;
	return false;
}

static void add_member(struct members *members, pid_t pid, const cJSON *tree, struct tg_findings *findings)
{
	struct tg_process_facts facts;
	pid_t *grown;
	int result;

	if (has(members, pid))
		return;
	result = tg_process_facts(pid, &facts);
	if (result == -EACCES)
		members->unseen++;
	if (result < 0 || facts.state == 'Z' || facts.state == 'X')
		return;
	grown = reallocarray(members->pids, members->count + 1, sizeof(*grown));
	if (grown == NULL)
		return;
	members->pids = grown;
	grown[members->count++] = pid;
	report_process(pid, &facts, tree, findings);
}

/* Of a listener whose server speaks plaintext. */
static void report_plaintext(const cJSON *section, struct tg_findings *findings)
{
	const cJSON *plaintext = cJSON_GetObjectItemCaseSensitive(section, "plaintext");
	const char *last = tg_text_string(plaintext, "last");

	if (!cJSON_IsObject(plaintext) || strcmp(tg_text_string(section, "mode"), "off") == 0)
		return;
	tg_findings_add(
	    findings, TG_FACT, "section",
	    "[%s] speaks TLS for a plaintext server: %.0f connections direct, %.0f relayed, %.0f closed, %.0f timed "
	    "out so far",
	    tg_text_string(section, "name"), tg_text_number(plaintext, "direct"), tg_text_number(plaintext, "relayed"),
	    tg_text_number(plaintext, "closed"), tg_text_number(plaintext, "timed_out"));
	if (strcmp(tg_text_string(plaintext, "accept_plaintext"), "yes") == 0)
		tg_findings_add(findings, TG_LIMIT, "section",
				"[%s] lets clients in without TLS (accept_plaintext): %.0f so far%s%s",
				tg_text_string(section, "name"), tg_text_number(plaintext, "clients"),
				last[0] == '\0' ? "" : ", the last at ", last);
}

static void report_sections(const cJSON *tree, struct tg_findings *findings)
{
	const cJSON *entry;

	for (entry = tg_json_first(cJSON_GetObjectItemCaseSensitive(tree, "unmatched_sections")); entry != NULL;
	     entry = entry->next)
		tg_findings_add(findings, TG_LIMIT, "section", "[%s] matches no listening socket",
				entry->valuestring == NULL ? "" : entry->valuestring);
	for (entry = tg_json_first(cJSON_GetObjectItemCaseSensitive(tree, "ungoverned")); entry != NULL;
	     entry = entry->next)
		tg_findings_add(findings, TG_LIMIT, "section", "%.0f handshakes so far on %s, which no section governs",
				tg_text_number(entry, "handshakes"), tg_text_string(entry, "listen"));
	for (entry = tg_json_first(cJSON_GetObjectItemCaseSensitive(tree, "sections")); entry != NULL;
	     entry = entry->next) {
		const cJSON *handshakes = cJSON_GetObjectItemCaseSensitive(entry, "handshakes");

		tg_findings_add(findings, TG_FACT, "section", "[%s] %s: %.0f handshakes accepted, %.0f refused so far",
				tg_text_string(entry, "name"), tg_text_string(entry, "mode"),
				tg_text_number(handshakes, "accepted"), tg_text_number(handshakes, "refused"));
		report_plaintext(entry, findings);
	}
}

void tg_doctor_tree(pid_t pid, const cJSON *tree, struct tg_findings *findings)
{
	struct members members = {0};
	pid_t *below = NULL;
	const cJSON *entry;
	ssize_t count;

	for (entry = tg_json_first(cJSON_GetObjectItemCaseSensitive(tree, "processes")); entry != NULL; entry = entry->next)
		add_member(&members, (pid_t)tg_text_number(entry, "pid"), tree, findings);
	if (pid != 0)
		add_member(&members, pid, tree, findings);
	count = tg_process_descendants(members.pids, members.count, &below);
	for (ssize_t i = 0; i < count; i++)
		add_member(&members, below[i], tree, findings);
	free(below);
	if (members.unseen > 0)
		tg_findings_add(findings, TG_LIMIT, "process",
				"%zu more processes may not be looked at by this user: they and their ports are not judged",
				members.unseen);
	if (tree != NULL)
		report_sections(tree, findings);
	tg_doctor_ports(members.pids, members.count, tree, findings);
	free(members.pids);
}
