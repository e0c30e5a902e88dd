/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AppArmor profiles, read as files (apparmor.d(5)), as far as a path rule can be judged by its text: which profile is
 * attached to a program, and which of our files it has no rule for.
 */
#ifndef TG_CLI_APPARMOR_H
#define TG_CLI_APPARMOR_H

#include "cli/findings.h"
#include "cli/unit_advice.h"

#include <stdbool.h>

/*
 * Looks through `root`/etc/apparmor.d for a profile of `program` (an absolute path); what it would deny becomes limits of
 * `findings`, with the line to add. A profile that only complains, or is disabled, is a fact.
 */
void tg_apparmor_judge(const char *root, const char *program, const struct tg_parts *parts, struct tg_findings *findings);

/*
 * A pattern of AppArmor (*, **, ?, [], {a,b}) against a path. Variables are those that Debian's tunables define; any other
 * matches nothing.
 */
bool tg_apparmor_matches(const char *pattern, const char *path);

#endif
