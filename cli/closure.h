/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The objects that the dynamic loader would map for a program, by its own account ("ld.so --list", ld.so(8)): nothing of
 * the program runs.
 */
#ifndef TG_CLI_CLOSURE_H
#define TG_CLI_CLOSURE_H

#include <stddef.h>

#define TG_CLOSURE_REFUSAL_SIZE 512

struct tg_closure {
	char **paths; /* of the objects, the program itself not among them */
	size_t count;
};

/*
 * `interp` is run, so it must be the system's own dynamic loader. 0, -ENOEXEC where the loader refuses the file, say for
 * want of a library, with its own words in `ret_refusal`, or a negative errno. Free with tg_closure_free.
 */
int tg_closure_list(const char *interp, const char *program, struct tg_closure *ret,
		    char ret_refusal[TG_CLOSURE_REFUSAL_SIZE]);
void tg_closure_free(struct tg_closure *closure);

#endif
