/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include "cli/ask.h"
#include "cli/find.h"
#include "cli/text.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define VERDICT_MS 20000 /* a key is waited for 3 s, behind another reading */
#define AGAIN_MS 250     /* until the keeper's reading process is back */
#define AGAIN_TIMES 4

#define EXIT_REFUSED 1
#define EXIT_NO_TREE 2

static const char usage[] =
    "usage: tlsgraft reload PID...\n"
    "\n"
    "Has the keeper of each tree read its files again, waits for the verdict and prints it. The server sees no signal.\n"
    "PID: any process of the tree, or its keeper.\n"
    "\n"
    "Exit status: 0 all accepted; 1 refused; 2 no such tree.\n";

static int print_verdict(const char *pid, const char *text)
{
	cJSON *verdict = cJSON_Parse(text);
	const char *name;
	int status = 0;

	tg_text_clean(verdict);
	name = tg_text_string(verdict, "verdict");
	if (strcmp(name, "accepted") == 0) {
		printf("%s: accepted: generation %.0f: %s; took %.1f ms\n", pid, tg_text_number(verdict, "generation"),
		       tg_text_string(verdict, "reason"), tg_text_number(verdict, "took_ms"));
	} else {
		tg_complain("%s: refused: %s; generation %.0f goes on; took %.1f ms", pid,
			    verdict == NULL ? "the keeper's answer cannot be read" : tg_text_string(verdict, "reason"),
			    tg_text_number(verdict, "generation"), tg_text_number(verdict, "took_ms"));
		status = EXIT_REFUSED;
	}
	cJSON_Delete(verdict);
	return status;
}

static int reload(const char *pid, const struct tg_found *found)
{
	char *text;
	int status;
	int result = tg_ask(found->tree, found->member, TG_REQUEST_RELOAD, VERDICT_MS, &text);

	/* the reading process died over it; again, for the one that takes its place */
	for (int i = 0; i < AGAIN_TIMES && result == -ECONNRESET; i++) {
		usleep(AGAIN_MS * 1000);
		result = tg_ask(found->tree, found->member, TG_REQUEST_RELOAD, VERDICT_MS, &text);
	}
	if (result == 0) {
		status = print_verdict(pid, text);
		free(text);
		return status;
	}
	if (result == -ECONNREFUSED || result == -ENOENT) {
		tg_complain("%s: its keeper is gone: it serves the last generation until it is started anew", pid);
		return EXIT_NO_TREE;
	}
	if (result == -EACCES || result == -EPERM)
		tg_complain("%s: the keeper does not answer this user", pid);
	else
		tg_complain("%s: the keeper does not answer: %s", pid, strerror(-result));
	return EXIT_REFUSED;
}

int tg_command_reload(int argc, char **argv)
{
	int status = 0;

	if (tg_answered(argc, argv, usage))
		return 0;
	if (argc < 2)
		return tg_usage_error("reload", "which process?");
	for (int i = 1; i < argc; i++) {
		pid_t pid;

		if (!tg_parse_pid(argv[i], &pid))
			return tg_usage_error("reload", "%s: %s", argv[i],
					      argv[i][0] == '-' ? "no such option" : "not a process id");
	}
	for (int i = 1; i < argc; i++) {
		struct tg_found found;
		pid_t pid = 0;
		int result;

		tg_parse_pid(argv[i], &pid);
		result = tg_find_tree(pid, &found);
		if (result < 0) {
			tg_complain("%s: %s", argv[i],
				    result == -ESRCH    ? "no such process"
				    : result == -EACCES ? "may not be looked at by this user"
							: "belongs to no tree");
			result = EXIT_NO_TREE;
		} else {
			result = reload(argv[i], &found);
		}
		if (result > status)
			status = result;
	}
	return status;
}
