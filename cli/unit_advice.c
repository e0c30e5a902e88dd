/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/unit_advice.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define PRELOAD_SIZE 1024

/* What the keeper and the shim cannot do without, of which filters are known to take something away. */
static const char *const needed_calls[] = {"memfd_create",  "pidfd_open",     "mlock",     "setsid",      "inotify_init1",
					   "epoll_create1", "timerfd_create", "@memlock",  "@process",    "@io-event",
					   "@ipc",          "@network-io",    "@basic-io", "@file-system"};

/* Whether `path` lies in `folder`. */
static bool lies_in(const char *path, const char *folder)
{
	size_t length = strlen(folder);

	while (length > 1 && folder[length - 1] == '/')
		length--;
	if (length == 1 && folder[0] == '/')
		return true;
	return strncmp(path, folder, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

/* Whether one of the paths in the values of `key` covers `path`. */
static bool covers(const struct tg_unit *unit, const char *key, const char *path)
{
	const char *value;
	size_t at = 0;

	while ((value = tg_unit_next(unit, key, &at)) != NULL) {
		while (*value != '\0') {
			char word[PATH_MAX];
			size_t length;

			value += strspn(value, " ");
			length = strcspn(value, " ");
			/* "-": not an error where it is missing; "+": below RootDirectory= */
			snprintf(word, sizeof(word), "%.*s", (int)length, value);
			value += length;
			word[strcspn(word, ":")] = '\0';
			if (word[0] != '\0' && lies_in(path, word + strspn(word, "-+")))
				return true;
		}
	}
	return false;
}

static void advise_hidden(const struct tg_unit *unit, const struct tg_parts *parts, struct tg_findings *findings)
{
	static const char *const hiding[] = {"InaccessiblePaths", "InaccessibleDirectories", "TemporaryFileSystem"};
	const char *const paths[] = {parts->shim, parts->keeper, parts->config};

	if (tg_unit_last(unit, "RootDirectory")[0] != '\0' || tg_unit_last(unit, "RootImage")[0] != '\0')
		tg_findings_add(findings, TG_LIMIT, "unit",
				"%s: RootDirectory= or RootImage=: %s, %s and %s must be there too (BindReadOnlyPaths=)",
				unit->name, parts->shim, parts->keeper, parts->config);
	for (size_t i = 0; i < 3; i++) {
		for (size_t k = 0; k < sizeof(hiding) / sizeof(hiding[0]); k++)
			if (covers(unit, hiding[k], paths[i]))
				tg_findings_add(findings, TG_LIMIT, "unit", "%s: %s= hides %s", unit->name, hiding[k],
						paths[i]);
		if (tg_unit_is_true(unit, "PrivateTmp") && (lies_in(paths[i], "/tmp") || lies_in(paths[i], "/var/tmp")))
			tg_findings_add(findings, TG_LIMIT, "unit", "%s: PrivateTmp= hides %s", unit->name, paths[i]);
		if ((tg_unit_is_true(unit, "ProtectHome") || strcmp(tg_unit_last(unit, "ProtectHome"), "tmpfs") == 0) &&
		    (lies_in(paths[i], "/home") || lies_in(paths[i], "/root") || lies_in(paths[i], "/run/user")))
			tg_findings_add(findings, TG_LIMIT, "unit", "%s: ProtectHome= hides %s", unit->name, paths[i]);
	}
	for (size_t i = 0; i < 2; i++)
		if (covers(unit, "NoExecPaths", paths[i]) && !covers(unit, "ExecPaths", paths[i]))
			tg_findings_add(findings, TG_LIMIT, "unit", "%s: NoExecPaths= forbids %s: add ExecPaths=%s",
					unit->name, paths[i], paths[i]);
}

static void advise_filter(const struct tg_unit *unit, struct tg_findings *findings)
{
	bool any = false;
	bool allows = false;
	const char *value;
	size_t at = 0;

	while ((value = tg_unit_next(unit, "SystemCallFilter", &at)) != NULL) {
		any = true;
		if (value[0] != '~') {
			allows = true;
			continue;
		}
		for (size_t i = 0; i < sizeof(needed_calls) / sizeof(needed_calls[0]); i++) {
			const char *found = strstr(value, needed_calls[i]);
			const size_t length = strlen(needed_calls[i]);

			if (found != NULL && strchr(" ~", found[-1]) != NULL && strchr(" ", found[length]) != NULL)
				tg_findings_add(findings, TG_LIMIT, "unit",
						"%s: SystemCallFilter=%s takes %s away, which the keeper needs", unit->name,
						value, needed_calls[i]);
		}
	}
	if (allows && !tg_unit_has_word(unit, "SystemCallFilter", "@system-service"))
		tg_findings_add(
		    findings, TG_LIMIT, "unit",
		    "%s: SystemCallFilter= allows a list of its own: the keeper, started inside it, needs @system-service",
		    unit->name);
	else if (any)
		tg_findings_add(findings, TG_FACT, "unit", "%s: SystemCallFilter= leaves what the keeper needs",
				unit->name);
}

static void advise_user(const struct tg_unit *unit, const struct tg_parts *parts, struct tg_findings *findings)
{
	const char *user = tg_unit_last(unit, "User");

	if (tg_unit_is_true(unit, "DynamicUser"))
		tg_findings_add(findings, TG_LIMIT, "unit",
				"%s: DynamicUser=: its keeper starts as a user who owns nothing: give it the keys by "
				"LoadCredential= and name $CREDENTIALS_DIRECTORY's files in %s",
				unit->name, parts->config);
	else if (user[0] != '\0' && strcmp(user, "root") != 0 && strcmp(user, "0") != 0)
		tg_findings_add(
		    findings, TG_LIMIT, "unit",
		    "%s: User=%s: its keeper starts as %s, so %s and all files that it names must be readable by "
		    "%s (keys: owned by %s, mode 0600); or start it by `tlsgraft run --user %s`, as root",
		    unit->name, user, user, parts->config, user, user, user);
}

static void advise_process(const struct tg_unit *unit, struct tg_findings *findings)
{
	const char *guess = tg_unit_last(unit, "GuessMainPID");

	if (strcmp(tg_unit_last(unit, "Type"), "forking") == 0 && tg_unit_last(unit, "PIDFile")[0] == '\0' &&
	    strcmp(guess, "no") != 0 && strcmp(guess, "false") != 0)
		tg_findings_add(
		    findings, TG_LIMIT, "unit",
		    "%s: Type=forking without PIDFile=: systemd guesses the main process, and cannot beside the "
		    "keeper: write PIDFile=, or run the server in the foreground",
		    unit->name);
	if (tg_unit_last(unit, "RestrictAddressFamilies")[0] != '\0') {
		const bool denies = tg_unit_last(unit, "RestrictAddressFamilies")[0] == '~';

		if (tg_unit_has_word(unit, "RestrictAddressFamilies", "AF_UNIX") == denies)
			tg_findings_add(
			    findings, TG_LIMIT, "unit",
			    "%s: RestrictAddressFamilies= without AF_UNIX: the keeper's socket cannot be made: add AF_UNIX",
			    unit->name);
	}
}

static void advise_commands(const struct tg_unit *unit, struct tg_findings *findings)
{
	static const char *const keys[] = {"ExecStartPre", "ExecStartPost", "ExecReload", "ExecStop", "ExecStopPost"};
	char names[96] = "";

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (tg_unit_last(unit, keys[i])[0] != '\0')
			snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s%s=", names[0] ? ", " : "",
				 keys[i]);
	if (names[0] != '\0')
		tg_findings_add(
		    findings, TG_FACT, "unit",
		    "%s: %s get the variables too: programs that cannot serve do nothing with them; a test of the "
		    "configuration has a keeper that ends with it, and fails where the INI file is bad",
		    unit->name, names);
}

static bool in_tmp(const struct tg_parts *parts)
{
	return lies_in(parts->shim, "/tmp") || lies_in(parts->keeper, "/tmp") || lies_in(parts->config, "/tmp");
}

static void report_harmless(const struct tg_unit *unit, const struct tg_parts *parts, struct tg_findings *findings)
{
	static const char *const keys[] = {"NoNewPrivileges", "ProtectSystem", "PrivateTmp", "MemoryDenyWriteExecute"};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (tg_unit_last(unit, keys[i])[0] != '\0' && !(strcmp(keys[i], "PrivateTmp") == 0 && in_tmp(parts)))
			tg_findings_add(findings, TG_FACT, "unit", "%s: %s=%s is no obstacle", unit->name, keys[i],
					tg_unit_last(unit, keys[i]));
}

/* LD_PRELOAD as the unit sets it already, without the shim; false where it does not. */
static bool preload_before(const struct tg_unit *unit, char ret[PRELOAD_SIZE])
{
	const char *value;
	size_t at = 0;
	bool any = false;

	while ((value = tg_unit_next(unit, "Environment", &at)) != NULL) {
		const char *found = strstr(value, "LD_PRELOAD=");

		if (found == NULL)
			continue;
		found += strlen("LD_PRELOAD=");
		/* the whole assignment may stand in quotes, with spaces inside */
		snprintf(ret, PRELOAD_SIZE, "%.*s", (int)strcspn(found, strchr("\"'", value[0]) != NULL ? "\"'" : " \"'"),
			 found);
		any = true;
	}
	return any;
}

static void offer(const struct tg_unit *unit, const struct tg_parts *parts, struct tg_findings *findings)
{
	char before[PRELOAD_SIZE] = "";

	if (preload_before(unit, before) && strstr(before, "libtlsgraft.so") != NULL) {
		tg_findings_add(findings, TG_FACT, "unit", "%s preloads the shim: LD_PRELOAD=%s", unit->name, before);
		return;
	}
	if (before[0] != '\0')
		tg_findings_add(findings, TG_LIMIT, "unit",
				"%s: sets LD_PRELOAD=%s already: one drop-in must name both, the shim first", unit->name,
				before);
	tg_findings_add(findings, TG_FACT, "drop-in", "drop-in /etc/systemd/system/%s.d/tlsgraft.conf:", unit->name);
	tg_findings_add(findings, TG_DROP_IN, "drop-in", "[Service]");
	tg_findings_add(findings, TG_DROP_IN, "drop-in", "Environment=\"LD_PRELOAD=%s%s%s\"", parts->shim,
			before[0] != '\0' ? ":" : "", before);
	tg_findings_add(findings, TG_DROP_IN, "drop-in", "Environment=\"TLSGRAFT_CONFIG=%s\"", parts->config);
	for (int i = 0; i < 2; i++) {
		const char *path = i == 0 ? parts->shim : parts->keeper;

		if (covers(unit, "NoExecPaths", path) && !covers(unit, "ExecPaths", path))
			tg_findings_add(findings, TG_DROP_IN, "drop-in", "ExecPaths=%s", path);
	}
	if (tg_unit_last(unit, "RestrictAddressFamilies")[0] != '\0' &&
	    tg_unit_last(unit, "RestrictAddressFamilies")[0] != '~' &&
	    !tg_unit_has_word(unit, "RestrictAddressFamilies", "AF_UNIX"))
		tg_findings_add(findings, TG_DROP_IN, "drop-in", "RestrictAddressFamilies=AF_UNIX");
}

void tg_unit_advise(const struct tg_unit *unit, const struct tg_parts *parts, struct tg_findings *findings)
{
	tg_findings_add(findings, TG_FACT, "unit", "started by %s (%s)", unit->name, unit->path);
	advise_user(unit, parts, findings);
	advise_process(unit, findings);
	advise_hidden(unit, parts, findings);
	advise_filter(unit, findings);
	report_harmless(unit, parts, findings);
	advise_commands(unit, findings);
	offer(unit, parts, findings);
}
