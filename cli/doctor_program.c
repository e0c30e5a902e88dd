/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/doctor.h"

#include "cli/apparmor.h"
#include "cli/facts.h"
#include "cli/graft.h"
#include "cli/paths.h"
#include "cli/servers.h"
#include "cli/unit.h"
#include "cli/unit_advice.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Under the name that it is called by, else its file's own: redis-server is a link. */
static const struct tg_server *known(const struct tg_doctor_subject *subject)
{
	const struct tg_server *server = tg_server_known(subject->path);

	return server != NULL ? server : tg_server_known(subject->real);
}

static void report_server(const struct tg_doctor_subject *subject, struct tg_findings *findings)
{
	const struct tg_server *server = known(subject);

	if (server == NULL)
		return;
	if (server->needs_certificate)
		tg_findings_add(findings, TG_NEEDS, "certificate",
				"a certificate of its own to start (%s reads it before it asks libssl for anything): "
				"examples/certs/placeholder.sh makes one",
				server->name);
	if (server->starttls != NULL)
		tg_findings_add(
		    findings, TG_LIMIT, "starttls",
		    "its STARTTLS ports answer in plaintext before TLS begins, which the shim cannot see; close them "
		    "with the server's own switch: %s",
		    server->starttls);
}

static void report_unit(const struct tg_doctor *doctor, const struct tg_doctor_subject *subject,
			const struct tg_parts *parts, struct tg_findings *findings)
{
	const struct tg_server *server = known(subject);
	const char *words = server == NULL ? NULL : server->unit_words;
	struct tg_unit unit;
	int result = -ENOENT;

	if (subject->unit != NULL)
		result = tg_unit_read(doctor->root, subject->unit, &unit);
	if (result == -ENOENT)
		result = tg_unit_find(doctor->root, subject->path, words, &unit);
	if (result == -ENOENT)
		result = tg_unit_find(doctor->root, subject->real, words, &unit);
	if (result == 0) {
		tg_unit_advise(&unit, parts, findings);
		tg_unit_free(&unit);
	} else if (result != -ENOENT) {
		tg_findings_add(findings, TG_LIMIT, "unit", "systemd units cannot be read: %s", strerror(-result));
	}
}

static void report_selinux(struct tg_findings *findings)
{
	FILE *file = fopen("/sys/fs/selinux/enforce", "re");
	const int enforcing = file == NULL ? '0' : fgetc(file);

	if (file != NULL)
		fclose(file);
	if (enforcing == '1')
		tg_findings_add(
		    findings, TG_LIMIT, "selinux",
		    "SELinux enforces: the server's domain must be allowed to map the shim and to start the keeper");
}

void tg_doctor_surroundings(const struct tg_doctor *doctor, const struct tg_doctor_subject *subject,
			    struct tg_findings *findings)
{
	char shim[PATH_MAX], keeper[PATH_MAX];
	struct tg_parts parts = {.shim = shim, .keeper = keeper, .config = doctor->config};

	report_server(subject, findings);
	if (tg_path_shim(shim) < 0 || tg_path_keeper(keeper) < 0) {
		tg_findings_add(findings, TG_LIMIT, "parts", "%s or %s is missing", shim, keeper);
		return;
	}
	report_unit(doctor, subject, &parts, findings);
	tg_apparmor_judge(doctor->root, subject->real, &parts, findings);
	report_selinux(findings);
}

int tg_doctor_program(const struct tg_doctor *doctor, const char *path, struct tg_findings *findings)
{
	struct tg_graft graft;
	char real[PATH_MAX];
	const int result = tg_graft_judge(path, tg_facts_plaintext_file(doctor->config), &graft);
	struct tg_doctor_subject subject = {.path = path, .real = real};
	bool advise;

	if (result < 0)
		return result;
	/* of what cannot be grafted, or is but a way to start others, advice on how to graft it would mislead */
	advise = graft.can && !graft.launcher;
	tg_findings_move(findings, &graft.findings);
	tg_graft_clear(&graft);
	if (advise && realpath(path, real) != NULL)
		tg_doctor_surroundings(doctor, &subject, findings);
	return 0;
}
