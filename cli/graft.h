/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Can this program be grafted? Judged by its files alone; nothing of it runs.
 */
#ifndef TG_CLI_GRAFT_H
#define TG_CLI_GRAFT_H

#include "cli/findings.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define TG_GRAFT_WHY_SIZE (PATH_MAX + 512)

/* What is asked: whether the INI file has a plaintext server's [listener], and the program is given a socket for it. */
enum tg_graft_plaintext {
	TG_GRAFT_NO_PLAINTEXT,
	TG_GRAFT_PLAINTEXT, /* then a way to accept connections suffices */
	TG_GRAFT_GIVEN,     /* a socket of the internet is inherited (inetd, systemd): then nothing is needed */
};

struct tg_graft {
	enum tg_graft_plaintext plaintext;
	bool can;
	bool launcher;               /* holds no libssl and opens none: a way to start others */
	char program[PATH_MAX];      /* the ELF file that was judged: of a script, its interpreter */
	char why[TG_GRAFT_WHY_SIZE]; /* where it cannot: the reason */
	char libssl[PATH_MAX];       /* what it links; "": none at its start */
	char late[PATH_MAX];         /* the module by which it opens libssl later, where that is known; "" */
	struct tg_findings findings; /* facts and limits; the reason of a "no" too */
};

/*
 * Judges the file at `path`. 0 with the judgement (free it with tg_graft_clear), or a negative errno where the file cannot
 * be read or memory ran out.
 */
int tg_graft_judge(const char *path, enum tg_graft_plaintext plaintext, struct tg_graft *ret);

/* Likewise a running process, by what it maps now. */
int tg_graft_judge_process(pid_t pid, enum tg_graft_plaintext plaintext, struct tg_graft *ret);

void tg_graft_clear(struct tg_graft *graft);

#endif
