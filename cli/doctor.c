#include "cli/cli.h"

#include "cli/ask.h"
#include "cli/find.h"
#include "cli/graft.h"
#include "cli/text.h"
#include "keeper/processes.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ANSWER_MS 5000
#define EXIT_LIMITS 1
#define HELD_MAX 8

static const char usage[] = "usage: tlsgraft doctor EXE|PID\n"
			    "\n"
			    "Says whether and how a program can be grafted, and for a running process whether the shim is\n"
			    "really in it and holding. The program is not run.\n"
			    "\n"
			    "Exit status: 0 yes; 1 with limits; 126 no.\n";

/* Servers with ports that begin in plaintext, and the server's own switch that closes them: no libssl hook can see them. */
static const struct {
	const char *program;
	const char *remedy;
} starttls[] = {
    {"postgres", "only hostssl lines in pg_hba.conf"},
    {"mariadbd", "require_secure_transport = ON"},
    {"mysqld", "require_secure_transport = ON"},
    {"vsftpd", "force_local_logins_ssl=YES and force_local_data_ssl=YES"},
    {"proftpd", "TLSRequired on"},
    {"master", "smtpd_tls_security_level = encrypt (Postfix)"},
    {"smtpd", "smtpd_tls_security_level = encrypt (Postfix)"},
    {"dovecot", "ssl = required"},
    {"imap-login", "ssl = required (Dovecot)"},
    {"pop3-login", "ssl = required (Dovecot)"},
};

static void print_graft(const char *name, const struct tg_graft *graft, size_t limits)
{
	if (!graft->can)
		printf("%s: cannot be grafted\n  %s\n", name, graft->why);
	else
		printf("%s: can be grafted%s\n", name, limits > 0 ? ", with limits" : "");
	for (size_t i = 0; i < graft->fact_count; i++)
		printf("  %s\n", graft->facts[i]);
	for (size_t i = 0; graft->can && i < graft->limit_count; i++)
		printf("  limit: %s\n", graft->limits[i]);
}

/* Judges a program and prints it; the exit status. */
static int doctor_program(const char *path, const char *name)
{
	const char *slash = strrchr(name, '/');
	const char *base = slash == NULL ? name : slash + 1;
	const char *remedy = NULL;
	struct tg_graft graft;
	const int result = tg_graft_judge(path, &graft);
	size_t limits;

	if (result < 0) {
		tg_complain("%s: %s", name, strerror(-result));
		return TG_EXIT_CANNOT;
	}
	for (size_t i = 0; i < sizeof(starttls) / sizeof(starttls[0]); i++)
		if (strcmp(base, starttls[i].program) == 0)
			remedy = starttls[i].remedy;
	limits = graft.limit_count + (remedy != NULL ? 1 : 0);
	print_graft(name, &graft, limits);
	if (graft.can && remedy != NULL)
		printf("  limit: its STARTTLS ports answer in plaintext before TLS begins, which the shim cannot see; "
		       "close them "
		       "with the server's own switch: %s\n",
		       remedy);
	return !graft.can ? TG_EXIT_CANNOT : limits > 0 ? EXIT_LIMITS : 0;
}

static bool maps_shim(pid_t pid)
{
	char path[64];
	char *line = NULL;
	size_t size = 0;
	bool found = false;
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	maps = fopen(path, "re");
	while (maps != NULL && !found && getline(&line, &size, maps) > 0)
		found = strstr(line, "/libtlsgraft.so") != NULL;
	free(line);
	if (maps != NULL)
		fclose(maps);
	return found;
}

static int doctor_tree(pid_t pid, const struct tg_held *held)
{
	char *text = NULL;
	cJSON *tree;
	const int result = tg_ask(held->tree, pid, TG_REQUEST_STATUS, ANSWER_MS, &text);

	if (result < 0) {
		printf(
		    "  limit: its keeper does not answer (%s): the last generation is served on, and nothing renews it\n",
		    strerror(-result));
		return EXIT_LIMITS;
	}
	tree = cJSON_Parse(text);
	tg_text_clean(tree);
	printf("  keeper %.0f answers, generation %.0f\n",
	       tg_text_number(cJSON_GetObjectItemCaseSensitive(tree, "keeper"), "pid"), tg_text_number(tree, "generation"));
	cJSON_Delete(tree);
	free(text);
	return 0;
}

/* The exit status of a running process: is the shim in it, and does it hold a policy? */
static int doctor_process(pid_t pid, const char *name)
{
	struct tg_held held[HELD_MAX];
	const int count = tg_process_held(pid, held, HELD_MAX);
	char link[64], exe[PATH_MAX];
	int judged;

	if (count < 0) {
		tg_complain("%s: %s", name,
			    count == -ENOENT || count == -ESRCH ? "no such process" : "may not be looked at by this user");
		return TG_EXIT_CANNOT;
	}
	tg_process_exe(pid, exe, sizeof(exe));
	snprintf(link, sizeof(link), "/proc/%d/exe", (int)pid);
	/* the file itself, also where it was replaced since */
	judged = doctor_program(link, exe);
	printf("process %d:\n", (int)pid);
	if (!maps_shim(pid)) {
		printf("  the shim is not in it: start it with `tlsgraft run`\n");
		return TG_EXIT_CANNOT;
	}
	printf("  the shim is in it\n");
	for (int i = 0; i < count; i++) {
		int status;

		if (!held[i].report || !held[i].writable)
			continue;
		printf("  it holds the policy of tree %s\n", held[i].tree);
		status = doctor_tree(pid, &held[i]);
		return status > judged ? status : judged;
	}
	printf(
	    "  limit: it holds no policy: it neither serves nor listens, `exe` does not name it, or its handshakes fail\n");
	return judged > EXIT_LIMITS ? judged : EXIT_LIMITS;
}

int tg_command_doctor(int argc, char **argv)
{
	pid_t pid;

	if (tg_answered(argc, argv, usage))
		return 0;
	if (argc > 1 && argv[1][0] == '-')
		return tg_usage_error("doctor", "%s: no such option", argv[1]);
	if (argc != 2)
		return tg_usage_error("doctor", "which program or process?");
	return tg_parse_pid(argv[1], &pid) ? doctor_process(pid, argv[1]) : doctor_program(argv[1], argv[1]);
}
