/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The listening ports of a set of processes, asked and judged.
 */
#ifndef TG_CLI_DOCTOR_PORTS_H
#define TG_CLI_DOCTOR_PORTS_H

#include "cli/findings.h"

#include <cjson/cJSON.h>
#include <stddef.h>
#include <sys/types.h>

/* `tree`: the object of `status`, NULL where the processes hold no policy. */
void tg_doctor_ports(const pid_t *pids, size_t count, const cJSON *tree, struct tg_findings *findings);

#endif
