/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include "cli/elf_file.h"
#include "cli/given.h"
#include "cli/graft.h"
#include "cli/launch.h"
#include "cli/paths.h"
#include "ipc/ports.h"
#include "ipc/socket.h"
#include "keeper/users.h"
#include "loader/identity.h"
#include "tlsgraft/loader.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char usage[] =
    "usage: tlsgraft run [-c FILE] [--user NAME] [--] CMD ARG...\n"
    "\n"
    "Checks FILE and that CMD can be grafted, starts a keeper, and becomes CMD.\n"
    "\n"
    "  -c FILE      the INI file; else $TLSGRAFT_CONFIG, else " TG_DEFAULT_CONFIG "\n"
    "  --user NAME  keeps the keeper's rights, and starts CMD as NAME\n"
    "\n"
    "Exit status: CMD's own; 78 FILE is bad; 126 CMD cannot be grafted; 127 there is no CMD; 137 CMD was killed because\n"
    "the shim did not report from inside it.\n";

struct user {
	const char *name; /* NULL: stay who we are */
	uid_t uid;
	gid_t gid;
};

struct run {
	char *config;
	struct user user;
	char **command;
	char *program; /* CMD as found in PATH */
	char *ports;   /* on which the file speaks TLS for a plaintext server (ipc/ports.h) */
	char shim[PATH_MAX];
	char keeper[PATH_MAX];
};

/* 0 or an exit status. */
static int parse(int argc, char **argv, struct run *run)
{
	const char *config = NULL;
	int i;

	for (i = 1; i < argc && argv[i][0] == '-'; i++) {
		const char **value = NULL;

		if (strcmp(argv[i], "--") == 0) {
			i++;
			break;
		}
		if (strcmp(argv[i], "-c") == 0)
			value = &config;
		else if (strcmp(argv[i], "--user") == 0)
			value = &run->user.name;
		else if (strncmp(argv[i], "--user=", 7) == 0)
			run->user.name = argv[i] + 7;
		else {
			tg_usage_error("run", "%s: no such option", argv[i]);
			return TG_EXIT_USAGE;
		}
		if (value != NULL) {
			if (i + 1 == argc) {
				tg_usage_error("run", "%s: its value is missing", argv[i]);
				return TG_EXIT_USAGE;
			}
			*value = argv[++i];
		}
	}
	if (i >= argc) {
		tg_usage_error("run", "which command?");
		return TG_EXIT_USAGE;
	}
	run->command = argv + i;
	run->config = tg_absolute(config == NULL ? tg_default_config() : config);
	if (run->config == NULL) {
		tg_complain("working folder: %s", strerror(errno));
		return TG_EXIT_OTHER;
	}
	return 0;
}

static int find_user(struct user *user)
{
	const struct passwd *entry;

	if (user->name == NULL)
		return 0;
	errno = 0;
	entry = getpwnam(user->name);
	if (entry == NULL)
		return tg_usage_error("run", "--user %s: %s", user->name, errno == 0 ? "no such user" : strerror(errno));
	user->uid = entry->pw_uid;
	user->gid = entry->pw_gid;
	return 0;
}

static int become(const struct user *user)
{
	if (user->name == NULL)
		return 0;
	if (initgroups(user->name, user->gid) < 0 || setresgid(user->gid, user->gid, user->gid) < 0 ||
	    setresuid(user->uid, user->uid, user->uid) < 0)
		return -errno;
	return 0;
}

/* All errors of the file on stderr. The keeper will read it again and print the warnings. 0 or an exit status. */
static int check_file(struct run *run)
{
	tlsgraft_identity *identity = NULL;
	tlsgraft_messages *messages = NULL;
	uid_t ids[TG_USERS_MAX];
	const char *bad = NULL;
	int status = 0;

	if (tg_load_for(run->user.name, run->config, NULL, &identity, &messages) != TLSGRAFT_OK) {
		status = TG_EXIT_BAD_FILE;
		if (messages == NULL)
			tg_complain("%s: out of memory", run->config);
		for (size_t i = 0; messages != NULL && i < tlsgraft_messages_count(messages); i++)
			tg_complain("%s%s", tlsgraft_messages_severity(messages, i) == TLSGRAFT_WARNING ? "warning: " : "",
				    tlsgraft_messages_text(messages, i));
	} else if (tg_users_resolve(tg_identity_settings(identity), NULL, ids, &bad) < 0) {
		status = TG_EXIT_BAD_FILE;
		tg_complain("%s: [tlsgraft] user: no such user \"%s\"", run->config, bad);
	}
	if (status == 0)
		run->ports = tg_ports_text(tg_identity_document(identity));
	if (status == 0 && run->ports == NULL) {
		status = TG_EXIT_OTHER;
		tg_complain("%s: %s", run->config, strerror(ENOMEM));
	}
	tlsgraft_identity_unref(identity);
	tlsgraft_messages_free(messages);
	return status;
}

/* Where execvp(3) would find `name`: 0 with the path, -ENOENT, or -EACCES where a file of that name cannot be executed. */
static int find_program(const char *name, char **ret)
{
	const char *path = getenv("PATH");
	int result = -ENOENT;

	if (name[0] == '\0')
		return -ENOENT;
	if (strchr(name, '/') != NULL)
		path = "";
	else if (path == NULL)
		path = "/bin:/usr/bin";
	for (;;) {
		const int length = (int)strcspn(path, ":");
		char *candidate;

		if (asprintf(&candidate, "%.*s%s%s", length, path, length > 0 ? "/" : "", name) < 0)
			return -ENOMEM;
		if (access(candidate, F_OK) == 0) {
			if (access(candidate, X_OK) == 0) {
				*ret = candidate;
				return 0;
			}
			result = -EACCES;
		} else if (errno == EACCES) {
			result = -EACCES;
		}
		free(candidate);
		if (path[length] == '\0')
			return result;
		path += length + 1;
	}
}

static int check_program(struct run *run)
{
	struct tg_graft graft;
	int result = find_program(run->command[0], &run->program);

	if (result < 0) {
		tg_complain("%s: %s", run->command[0], result == -ENOENT ? "no such command" : strerror(-result));
		return result == -ENOENT ? TG_EXIT_NO_COMMAND : TG_EXIT_CANNOT;
	}
	result = tg_graft_judge(run->program,
				run->ports[0] == '\0' ? TG_GRAFT_NO_PLAINTEXT
				: tg_given_socket()   ? TG_GRAFT_GIVEN
						      : TG_GRAFT_PLAINTEXT,
				&graft);
	if (result < 0) {
		tg_complain("%s: %s", run->program, strerror(-result));
		return TG_EXIT_CANNOT;
	}
	if (!graft.can)
		tg_complain("%s", graft.why);
	else if (graft.launcher)
		tg_complain("%s: a launcher: what it starts is grafted, where that can be", run->program);
	for (size_t i = 0; graft.can && !graft.launcher && i < graft.findings.count; i++)
		if (graft.findings.items[i].kind == TG_LIMIT)
			tg_complain("%s: %s", run->program, graft.findings.items[i].text);
	result = graft.can ? 0 : TG_EXIT_CANNOT;
	tg_graft_clear(&graft);
	return result;
}

/* Whether the user who will run CMD can load the shim: looked at as that user, in a child. 0 or a negative errno. */
static int try_shim(const struct run *run)
{
	struct tg_elf elf;
	int status;
	pid_t child;

	if (run->user.name == NULL) {
		const int result = tg_elf_open(run->shim, &elf);

		if (result == 0)
			tg_elf_close(&elf);
		return result;
	}
	child = fork();
	if (child < 0)
		return -errno;
	if (child == 0) {
		int result = become(&run->user);

		if (result == 0)
			result = tg_elf_open(run->shim, &elf);
		_exit(-result & 0xff);
	}
	while (waitpid(child, &status, 0) < 0)
		/* where SIGCHLD is ignored, the shim's own report is what remains */
		if (errno != EINTR)
			return 0;
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -EIO;
}

static int check_parts(struct run *run)
{
	int result = tg_path_shim(run->shim);

	if (result == 0)
		result = try_shim(run);
	if (result < 0) {
		tg_complain("%s: the shim cannot be loaded: %s", run->shim,
			    result == -ENOEXEC || result == -EBADMSG ? "not a shared library" : strerror(-result));
		return TG_EXIT_CANNOT;
	}
	if (strpbrk(run->shim, " :") != NULL) {
		tg_complain("%s: the dynamic loader would split this path of the shim at its space or colon", run->shim);
		return TG_EXIT_CANNOT;
	}
	result = tg_path_keeper(run->keeper);
	if (result == 0 && access(run->keeper, X_OK) < 0)
		result = -errno;
	if (result < 0) {
		tg_complain("%s: the keeper cannot be started: %s", run->keeper, strerror(-result));
		return TG_EXIT_CANNOT;
	}
	return 0;
}

static int set_environment(const struct run *run, const char *tree)
{
	const char *before = getenv("LD_PRELOAD");
	char pid[16];
	char *preload;
	int result;

	if (asprintf(&preload, "%s%s%s", run->shim, before == NULL || before[0] == '\0' ? "" : ":",
		     before == NULL ? "" : before) < 0)
		return -ENOMEM;
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	result = setenv("LD_PRELOAD", preload, 1) < 0 || setenv("TLSGRAFT_CONFIG", run->config, 1) < 0 ||
			 setenv("TLSGRAFT_KEEPER", tree, 1) < 0 || setenv("TLSGRAFT_RUN", pid, 1) < 0 ||
			 setenv("TLSGRAFT_PLAINTEXT", run->ports, 1) < 0
		     ? -errno
		     : 0;
	free(preload);
	return result;
}

/* Returns only where it failed. */
static int go(struct run *run)
{
	char tree[TG_TREE_LENGTH + 1];
	int result = tg_launch_keeper(run->keeper, run->config, run->user.name, tree);

	if (result != 0)
		return result;
	result = set_environment(run, tree);
	if (result == 0)
		result = become(&run->user);
	if (result < 0) {
		tg_complain("%s: %s", run->user.name == NULL ? "environment" : run->user.name, strerror(-result));
		return TG_EXIT_CANNOT;
	}
	execvp(run->command[0], run->command);
	result = errno;
	tg_complain("%s: %s", run->command[0], strerror(result));
	return result == ENOENT ? TG_EXIT_NO_COMMAND : TG_EXIT_CANNOT;
}

/* Started for one connection (inetd), what we say is not for its client. False: we could not but say it. */
static bool leave_client_alone(void)
{
	FILE *nowhere;

	if (!tg_socket_is_internet(STDERR_FILENO))
		return true;
	nowhere = fopen("/dev/null", "we");
	if (nowhere != NULL)
		stderr = nowhere;
	return nowhere != NULL;
}

int tg_command_run(int argc, char **argv)
{
	struct run run = {0};
	int status;

	if (!leave_client_alone())
		return TG_EXIT_OTHER;
	if (tg_answered(argc, argv, usage))
		return 0;
	status = parse(argc, argv, &run);
	if (status == 0)
		status = find_user(&run.user);
	if (status == 0)
		status = check_file(&run);
	if (status == 0)
		status = check_program(&run);
	if (status == 0)
		status = check_parts(&run);
	if (status == 0)
		status = go(&run);
	free(run.config);
	free(run.program);
	free(run.ports);
	return status;
}
