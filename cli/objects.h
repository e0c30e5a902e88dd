/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the objects of one program (its own file and its libraries) say together, and the verdict that follows.
 */
#ifndef TG_CLI_OBJECTS_H
#define TG_CLI_OBJECTS_H

#include "cli/elf_file.h"
#include "cli/graft.h"

#include <stdbool.h>

#define TG_OTHER_SIZE 256

struct tg_objects {
	bool opens;                /* imports dlopen */
	bool starts;               /* imports an exec */
	bool listens;              /* imports listen */
	bool accepts;              /* imports accept or accept4: its sockets may come by activation */
	char uring[PATH_MAX];      /* liburing, which accepts, reads and writes past the C library; "": none */
	bool java;                 /* holds a Java virtual machine, or starts one */
	char second[PATH_MAX];     /* another libssl beside graft->libssl */
	char copy[PATH_MAX];       /* a library that has a libssl of its own inside */
	char other[TG_OTHER_SIZE]; /* "GnuTLS (path)": a TLS library that is not libssl; "": none */
	char user[PATH_MAX];       /* the object that calls it, where it is not the program itself; "" */
	bool used;                 /* the program itself calls it */
	char named[TG_OTHER_SIZE]; /* the object whose texts name libssl's file */
};

/* One library: `path` as to be shown, `file` as to be opened. */
void tg_objects_library(struct tg_objects *objects, struct tg_graft *graft, const char *path, const char *file);

/* The program itself, last: then the verdict is in `graft`. */
void tg_objects_decide(struct tg_objects *objects, struct tg_graft *graft, const struct tg_elf *program);

/* Sets the reason of a "no"; returns 0. */
int tg_graft_cannot(struct tg_graft *graft, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
