/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The variables that carry the shim from a program to the programs it starts, kept apart from `environ`, which servers
 * empty (nginx) or replace before they execute something (Postfix, Dovecot, inetd).
 *
 *   LD_PRELOAD       the shim, before whatever else is there
 *   TLSGRAFT_CONFIG  the INI file
 *   TLSGRAFT_KEEPER  the tree's name, once there is one
 *   TLSGRAFT_PLAINTEXT  ports on which TLS is terminated for the server (ipc/ports.h): a process that gets no policy serves
 *                       nobody there
 *   TLSGRAFT_RUN     process id of what `tlsgraft run` started; not for its children
 *
 * `environ` itself is never written: programs take argv, the environment and the auxiliary vector for one piece of memory,
 * as the kernel makes it (setproctitle of old servers measures it), and setenv(3) moves two of the three.
 *
 * The decision of the shim's state writes (late for keeper and drop), everything else reads. tg_environment_room and _fill
 * are async-signal-safe, allocate nothing and write to the given room only, so they may be used after vfork(2).
 */
#ifndef TG_SHIM_PROCESS_ENVIRONMENT_H
#define TG_SHIM_PROCESS_ENVIRONMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Entries as they stand in an environment, "NAME=value"; NULL: not known. */
struct tg_environment {
	char *preload; /* the shim alone, by absolute path */
	char *config;  /* NULL: nothing is to be carried on */
	_Atomic(char *) keeper;
	char *run;
	_Atomic(char *) plaintext;
	_Atomic bool drop; /* children = drop: take ours out instead */
	/* As this process was given them, where they differ by now from those above, which then stand in their place. */
	char *given_config, *given_keeper, *given_plaintext;
};

extern struct tg_environment tg_environment;

/*
 * Reads the variables (secure_getenv(3)) and finds the path of this object. Returns 0; -ENOENT where TLSGRAFT_CONFIG is not
 * set or empty; -ENOMEM. Nothing is known but after 0.
 */
int tg_environment_read(void);

/* What follows "NAME=" of an entry; NULL for NULL. */
const char *tg_environment_value(const char *entry);

/* Directory part of this object's path, "" or with its "/"; valid for good. */
const char *tg_environment_home(size_t *ret_length);

/* Makes `config` absolute, at the start; takes up a new tree's name, the ports of plaintext sections. 0 or a negative
 * errno. */
int tg_environment_resolve_config(void);
int tg_environment_set_keeper(const char *tree);
int tg_environment_set_plaintext(const char *ports);

/* Whether TLS is terminated for the server on `port`. */
bool tg_environment_is_plaintext(uint16_t port);

/*
 * Bytes that tg_environment_fill needs to give `envp` (NULL: empty) what it lacks; 0: it lacks nothing and is to be used
 * as it is; SIZE_MAX: too long for any exec.
 */
size_t tg_environment_room(const struct tg_environment *environment, char *const envp[]);

/* Whether a program executed with `envp` gets the shim and a file, or needs neither. */
bool tg_environment_has_shim(const struct tg_environment *environment, char *const envp[]);

/* The environment to execute with, in `room`, which tg_environment_room measured for the same two arguments. */
char **tg_environment_fill(const struct tg_environment *environment, char *const envp[], void *room);

#endif
