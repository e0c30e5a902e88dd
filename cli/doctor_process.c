/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/doctor.h"

#include "cli/doctor_tree.h"
#include "cli/facts.h"
#include "cli/find.h"
#include "cli/graft.h"
#include "cli/process_facts.h"
#include "cli/text.h"
#include "cli/tree_json.h"
#include "keeper/processes.h"
#include "keeper/verdict.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define AGAIN_MS 300

/* Its program, by what it maps now. True where it could be grafted. */
static bool report_program(pid_t pid, const char *exe, bool plaintext, struct tg_findings *findings)
{
	struct tg_graft graft;
	bool can;
	const int result = tg_graft_judge_process(pid, plaintext, &graft);

	if (result < 0) {
		tg_findings_add(findings, TG_LIMIT, "graft", "%s cannot be looked at: %s", exe, strerror(-result));
		return false;
	}
	can = graft.can;
	tg_findings_move(findings, &graft.findings);
	tg_graft_clear(&graft);
	return can;
}

static bool is_keeper(const char *exe)
{
	const char *slash = strrchr(exe, '/');

	return slash != NULL && strncmp(slash, "/tlsgraft-keeper", 16) == 0;
}

static void report_unpreloaded(const struct tg_doctor *doctor, pid_t pid, const char *exe, bool can,
			       const struct tg_process_facts *facts, struct tg_findings *findings)
{
	struct tg_doctor_subject subject = {.path = exe, .real = exe};
	char link[64];
	struct stat status;

	tg_findings_add(findings, TG_NO, "shim", "the shim is not in it%s: start it with `tlsgraft run`",
			facts->shim_as_data ? " (its file is mapped as data, which runs nothing)" : "");
	snprintf(link, sizeof(link), "/proc/%d/exe", (int)pid);
	if (stat(link, &status) == 0 && (status.st_mode & (S_ISUID | S_ISGID)) != 0)
		tg_findings_add(findings, TG_NO, "shim",
				"%s: set-user-ID or set-group-ID: the dynamic loader drops the shim", exe);
	if (facts->unit[0] != '\0')
		subject.unit = facts->unit;
	if (can)
		tg_doctor_surroundings(doctor, &subject, findings);
}

/* What the keeper says of itself and of its newest reload. */
static void report_keeper(const cJSON *tree, struct tg_findings *findings)
{
	const cJSON *keeper = cJSON_GetObjectItemCaseSensitive(tree, "keeper");
	const cJSON *reload = cJSON_GetObjectItemCaseSensitive(tree, "reload");

	if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(keeper, "alive"))) {
		tg_findings_add(findings, TG_FACT, "keeper", "keeper %.0f answers, generation %.0f",
				tg_text_number(keeper, "pid"), tg_text_number(tree, "generation"));
		if (strcmp(tg_text_string(reload, "verdict"), "refused") == 0)
			tg_findings_add(findings, TG_LIMIT, "keeper", "the newest reload was refused: %s",
					tg_text_string(reload, "reason"));
	} else {
		tg_findings_add(
		    findings, TG_LIMIT, "keeper",
		    "its keeper does not answer: it is gone; the last generation is served on, and nothing renews it");
	}
}

static cJSON *find_tree(pid_t pid, const struct tg_process_facts *facts, struct tg_findings *findings)
{
	struct tg_found found;
	int error = tg_find_tree(pid, &found);
	cJSON *tree = error < 0 ? NULL : tg_tree_json(&found, &error);

	if (tree != NULL) {
		report_keeper(tree, findings);
		return tree;
	}
	if (facts->holds)
		tg_findings_add(findings, TG_LIMIT, "keeper", "its keeper does not answer: %s", strerror(-error));
	else if (facts->shim)
		tg_findings_add(
		    findings, TG_LIMIT, "shim",
		    "it holds no policy: it neither serves nor listens, `exe` does not name it, or its handshakes fail");
	return NULL;
}

static bool speaks_for_plaintext(const cJSON *tree)
{
	const cJSON *section;

	for (section = tg_json_first(cJSON_GetObjectItemCaseSensitive(tree, "sections")); section != NULL;
	     section = section->next)
		if (cJSON_HasObjectItem(section, "plaintext") && strcmp(tg_text_string(section, "mode"), "off") != 0)
			return true;
	return false;
}

int tg_doctor_process(const struct tg_doctor *doctor, pid_t pid, struct tg_findings *findings)
{
	struct tg_process_facts facts;
	char exe[PATH_MAX];
	cJSON *tree = NULL;
	int result = tg_process_facts(pid, &facts);

	/* in the midst of an exec, as of a master that starts anew, a process maps nothing yet: look twice */
	if (result == 0 && !facts.shim) {
		usleep(AGAIN_MS * 1000);
		result = tg_process_facts(pid, &facts);
	}
	if (result < 0)
		return result;
	if (facts.state == 'Z' || facts.state == 'X') {
		tg_findings_add(findings, TG_NO, "process", "it has ended; process %d has not collected it (a zombie)",
				(int)facts.parent);
		return 0;
	}
	tg_process_exe(pid, exe, sizeof(exe));
	if (exe[0] == '\0') {
		tg_findings_add(findings, TG_NO, "process",
				"it has no program: a thread of the kernel, or not ours to look at");
		return 0;
	}
	if (is_keeper(exe)) {
		tg_findings_add(findings, TG_FACT, "keeper", "it is a keeper: its tree is judged");
		tree = find_tree(pid, &facts, findings);
		if (tree == NULL)
			tg_findings_add(findings, TG_NO, "keeper", "its tree cannot be found");
	} else {
		struct tg_findings keeper = {0};
		bool can;

		tree = facts.shim ? find_tree(pid, &facts, &keeper) : NULL;
		can = report_program(
		    pid, exe, facts.shim ? speaks_for_plaintext(tree) : tg_facts_plaintext_file(doctor->config), findings);
		if (facts.shim)
			tg_findings_add(findings, TG_FACT, "shim", "the shim is in it");
		else
			report_unpreloaded(doctor, pid, exe, can, &facts, findings);
		tg_findings_move(findings, &keeper);
	}
	if (tree != NULL || !is_keeper(exe))
		tg_doctor_tree(is_keeper(exe) ? 0 : pid, tree, findings);
	cJSON_Delete(tree);
	return 0;
}
