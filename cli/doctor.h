/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `tlsgraft doctor`: what it is asked, and its two halves.
 */
#ifndef TG_CLI_DOCTOR_H
#define TG_CLI_DOCTOR_H

#include "cli/findings.h"

#include <sys/types.h>

struct tg_doctor {
	const char *root;   /* units and AppArmor profiles are looked for below it; "": this system */
	const char *config; /* the INI file that would be used, absolute */
};

/* Judges the file at `path`; what units, profiles and the list of known servers say goes by its real path. */
int tg_doctor_program(const struct tg_doctor *doctor, const char *path, struct tg_findings *findings);

/* Judges a process and its tree; looks at its ports. 0, or a negative errno where there is nothing to look at. */
int tg_doctor_process(const struct tg_doctor *doctor, pid_t pid, struct tg_findings *findings);

struct tg_doctor_subject {
	const char *path; /* absolute, as it is called */
	const char *real; /* without links */
	const char *unit; /* the unit that it runs in; NULL: not known */
};

/* What goes by a program's name: a certificate of its own, STARTTLS, its unit, AppArmor. */
void tg_doctor_surroundings(const struct tg_doctor *doctor, const struct tg_doctor_subject *subject,
			    struct tg_findings *findings);

#endif
