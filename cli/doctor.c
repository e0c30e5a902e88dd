/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/doctor.h"

#include "cli/cli.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
    "usage: tlsgraft doctor [-c FILE] [--root FOLDER] [--json] EXE|PID\n"
    "\n"
    "Says whether and how a program can be grafted, without running it; of a running process whether the\n"
    "shim is really in it and holding, and what each of its ports answers to a client: it connects.\n"
    "\n"
    "  -c FILE        the INI file that would be used; else $TLSGRAFT_CONFIG, else " TG_DEFAULT_CONFIG "\n"
    "  --root FOLDER  look for systemd units and AppArmor profiles below FOLDER\n"
    "  --json         one object on stdout\n"
    "\n"
    "Exit status: 0 yes; 1 with limits; 126 no.\n";

struct request {
	struct tg_doctor doctor;
	const char *operand;
	bool json;
};

/* 0 or an exit status. */
static int parse(int argc, char **argv, struct request *request)
{
	for (int i = 1; i < argc; i++) {
		const char **value = NULL;

		if (strcmp(argv[i], "--json") == 0) {
			request->json = true;
			continue;
		}
		if (strcmp(argv[i], "-c") == 0)
			value = &request->doctor.config;
		else if (strcmp(argv[i], "--root") == 0)
			value = &request->doctor.root;
		else if (argv[i][0] == '-')
			return tg_usage_error("doctor", "%s: no such option", argv[i]);
		if (value != NULL) {
			if (i + 1 == argc)
				return tg_usage_error("doctor", "%s: its value is missing", argv[i]);
			*value = argv[++i];
			continue;
		}
		if (request->operand != NULL)
			return tg_usage_error("doctor", "one program or process at a time");
		request->operand = argv[i];
	}
	if (request->operand == NULL) {
		tg_usage_error("doctor", "which program or process?");
		return TG_EXIT_USAGE;
	}
	return 0;
}

/* A name without a slash that is no file here is looked for as a shell would, and where daemons are. */
static char *find_program(const char *name)
{
	static const char *const folders[] = {"/usr/local/sbin", "/usr/local/bin", "/usr/sbin",
					      "/usr/bin",        "/sbin",          "/bin"};

	if (strchr(name, '/') == NULL && access(name, F_OK) < 0) {
		for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
			char *path;

			if (asprintf(&path, "%s/%s", folders[i], name) < 0)
				return NULL;
			if (access(path, X_OK) == 0)
				return path;
			free(path);
		}
	}
	return strdup(name);
}

static int print_findings(const char *name, bool process, const struct tg_findings *findings, bool json)
{
	static const char *const words[2][3] = {{"can be grafted", "can be grafted, with limits", "cannot be grafted"},
						{"holds", "holds, with limits", "does not hold"}};
	const int status = tg_findings_status(findings);
	cJSON *object;
	char *text;

	if (!json) {
		printf("%s%s: %s\n", process ? "process " : "", name,
		       words[process][status == TG_EXIT_CANNOT ? 2 : status]);
		tg_findings_print(findings);
		return status;
	}
	object = cJSON_CreateObject();
	cJSON_AddStringToObject(object, "subject", name);
	cJSON_AddStringToObject(object, "verdict", status == TG_EXIT_CANNOT ? "no" : status == 0 ? "yes" : "limits");
	cJSON_AddItemToObject(object, "findings", tg_findings_json(findings));
	text = cJSON_Print(object);
	puts(text == NULL ? "{}" : text);
	free(text);
	cJSON_Delete(object);
	return status;
}

int tg_command_doctor(int argc, char **argv)
{
	struct request request = {.doctor = {.root = ""}};
	struct tg_findings findings = {0};
	char *config = NULL;
	char *program = NULL;
	pid_t pid;
	int result;
	int status;

	if (tg_answered(argc, argv, usage))
		return 0;
	status = parse(argc, argv, &request);
	if (status != 0 || request.operand == NULL)
		return status;
	config = tg_absolute(request.doctor.config == NULL ? tg_default_config() : request.doctor.config);
	if (config == NULL) {
		tg_complain("working folder: %s", strerror(errno));
		return TG_EXIT_OTHER;
	}
	request.doctor.config = config;
	if (tg_parse_pid(request.operand, &pid)) {
		result = tg_doctor_process(&request.doctor, pid, &findings);
	} else {
		program = find_program(request.operand);
		result = program == NULL ? -ENOMEM : tg_doctor_program(&request.doctor, program, &findings);
	}
	if (result < 0) {
		tg_complain("%s: %s", request.operand,
			    program != NULL || (result != -ENOENT && result != -ESRCH) ? strerror(-result)
			    : kill(pid, 0) == 0 || errno == EPERM
				? "hidden from this user: /proc is mounted with hidepid, or as ProtectProc= does it"
				: "no such process");
		status = TG_EXIT_CANNOT;
	} else {
		status =
		    print_findings(program == NULL ? request.operand : program, program == NULL, &findings, request.json);
	}
	tg_findings_free(&findings);
	free(program);
	free(config);
	return status;
}
