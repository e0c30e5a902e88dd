/*
 * Can this program be grafted? Judged by its files alone; nothing of it runs.
 */
#ifndef TG_CLI_GRAFT_H
#define TG_CLI_GRAFT_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#define TG_GRAFT_LINES 12
#define TG_GRAFT_LINE_SIZE 512

struct tg_graft {
	bool can;
	bool launcher;                           /* holds no libssl and opens none: a way to start others */
	char program[PATH_MAX];                  /* the ELF file that was judged: of a script, its interpreter */
	char why[PATH_MAX + TG_GRAFT_LINE_SIZE]; /* where it cannot: the reason */
	char libssl[PATH_MAX];                   /* what it links; "": none at its start */
	char facts[TG_GRAFT_LINES][TG_GRAFT_LINE_SIZE];
	size_t fact_count;
	char limits[TG_GRAFT_LINES][TG_GRAFT_LINE_SIZE]; /* what the graft does not reach */
	size_t limit_count;
};

/* Judges the file at `path`. 0 with the judgement, or a negative errno where the file cannot be read or memory ran out. */
int tg_graft_judge(const char *path, struct tg_graft *ret);

#endif
