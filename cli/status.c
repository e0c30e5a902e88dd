/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include "cli/find.h"
#include "cli/text.h"
#include "cli/tree_json.h"
#include "keeper/verdict.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXIT_BAD 1
#define EXIT_NO_TREE 2

static const char usage[] =
    "usage: tlsgraft status [PID...] [--json]\n"
    "\n"
    "What each server tree serves, and how its newest reload ended. PID: any process of the tree, or its keeper; without\n"
    "one, every tree that this user may see.\n"
    "\n"
    "Exit status: 0; 1 a reload was refused, a certificate or CRL is within its warning window, a section has matched no\n"
    "listening socket for 10 s, a plaintext server listens beyond its section, the relay cannot run, or a keeper does\n"
    "not answer; 2 no such tree, or a named one does not answer.\n";

static int add_tree(cJSON *list, const struct tg_found *found, const char *named)
{
	int error;
	cJSON *object = tg_tree_json(found, &error);

	if (object != NULL) {
		cJSON_AddItemToArray(list, object);
		return 0;
	}
	/* without a PID, a tree that just ended is no fault */
	if (error == -ECONNREFUSED || error == -ENOENT) {
		if (named == NULL)
			return 0;
		tg_complain("%s: no such tree", named);
		return EXIT_NO_TREE;
	}
	if (error == -EACCES || error == -EPERM) {
		/* without a PID, only what this user may see was asked for */
		if (named != NULL)
			tg_complain("%s: the keeper does not answer this user", named);
	} else {
		tg_complain("%s: the keeper does not answer: %s", named == NULL ? found->tree : named,
			    error == -ETIMEDOUT ? "it is busy, or stopped" : strerror(-error));
		/* a tree is there of which nothing is known */
		return named == NULL ? EXIT_BAD : EXIT_NO_TREE;
	}
	return named == NULL ? 0 : EXIT_NO_TREE;
}

static int add_all(cJSON *list)
{
	int status = 0;
	struct tg_found *found = NULL;
	const ssize_t count = tg_find_all(&found);

	if (count < 0) {
		tg_complain("/proc: %s", strerror((int)-count));
		return TG_EXIT_OTHER;
	}
	for (ssize_t i = 0; i < count; i++)
		if (add_tree(list, &found[i], NULL) != 0)
			status = EXIT_BAD;
	free(found);
	return status;
}

static int add_named(cJSON *list, int count, char **pids)
{
	struct tg_found *seen = calloc((size_t)count, sizeof(*seen));
	int seen_count = 0;
	int status = 0;

	for (int i = 0; i < count && seen != NULL; i++) {
		struct tg_found found;
		pid_t pid = 0;
		int result;
		bool again = false;

		tg_parse_pid(pids[i], &pid);
		result = tg_find_tree(pid, &found);
		if (result < 0) {
			tg_complain("%s: %s", pids[i],
				    result == -ESRCH    ? "no such process"
				    : result == -EACCES ? "may not be looked at by this user"
							: "belongs to no tree");
			status = EXIT_NO_TREE;
			continue;
		}
		for (int k = 0; k < seen_count; k++)
			again = again || strcmp(seen[k].tree, found.tree) == 0;
		if (again)
			continue;
		seen[seen_count++] = found;
		if (add_tree(list, &found, pids[i]) != 0)
			status = EXIT_NO_TREE;
	}
	free(seen);
	return status;
}

/* 0, or an exit status where there is no memory for the text. */
static int print(const cJSON *list, bool json)
{
	const cJSON *tree;
	char *text;

	if (json) {
		text = cJSON_Print(list);
		if (text == NULL)
			tg_complain("out of memory");
		else
			puts(text);
		free(text);
		return text == NULL ? TG_EXIT_OTHER : 0;
	}
	for (tree = tg_json_first(list); tree != NULL; tree = tree->next)
		tg_text_tree(tree);
	return 0;
}

int tg_command_status(int argc, char **argv)
{
	char **pids = argv + 1;
	int count = 0;
	bool json = false;
	cJSON *list;
	const cJSON *tree;
	int status;

	if (tg_answered(argc, argv, usage))
		return 0;
	for (int i = 1; i < argc; i++) {
		pid_t pid;

		if (strcmp(argv[i], "--json") == 0)
			json = true;
		else if (argv[i][0] == '-')
			return tg_usage_error("status", "%s: no such option", argv[i]);
		else if (!tg_parse_pid(argv[i], &pid))
			return tg_usage_error("status", "%s: not a process id", argv[i]);
		else
			pids[count++] = argv[i];
	}
	list = cJSON_CreateArray();
	status = count > 0 ? add_named(list, count, pids) : add_all(list);
	if (list == NULL || print(list, json) != 0)
		status = TG_EXIT_OTHER;
	if (!json && count == 0 && status == 0 && cJSON_GetArraySize(list) == 0)
		puts("no tree of servers under tlsgraft");
	for (tree = tg_json_first(list); tree != NULL; tree = tree->next)
		if (status == 0 && tg_text_is_bad(tree))
			status = EXIT_BAD;
	cJSON_Delete(list);
	return status;
}
