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

struct tg_graft {
	bool plaintext; /* asked: does a [listener] speak for a plaintext server? Then a way to accept connections suffices
			 */
	bool can;
	bool launcher;               /* holds no libssl and opens none: a way to start others */
	char program[PATH_MAX];      /* the ELF file that was judged: of a script, its interpreter */
	char why[TG_GRAFT_WHY_SIZE]; /* where it cannot: the reason */
	char libssl[PATH_MAX];       /* what it links; "": none at its start */
	char late[PATH_MAX];         /* the module by which it opens libssl later, where that is known; "" */
	struct tg_findings findings; /* facts and limits; the reason of a "no" too */
};

/*
 * Judges the file at `path`, for an INI file with or without a plaintext server's [listener]. 0 with the judgement (free it
 * with tg_graft_clear), or a negative errno where the file cannot be read or memory ran out.
 */
int tg_graft_judge(const char *path, bool plaintext, struct tg_graft *ret);

/* Likewise a running process, by what it maps now. */
int tg_graft_judge_process(pid_t pid, bool plaintext, struct tg_graft *ret);

void tg_graft_clear(struct tg_graft *graft);

#endif
