/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libssl that a program opens after its start: by modules of its own.
 */
#ifndef TG_CLI_MODULES_H
#define TG_CLI_MODULES_H

#include <limits.h>
#include <stdbool.h>

/*
 * The module of the program at `path` (a real path) that brings libssl: known servers and languages by the name of the
 * program, with the places where Debian puts their modules. False where none is known or none is installed.
 */
bool tg_modules_find(const char *path, char ret[PATH_MAX]);

/* Debian's own native TLS for Java, the one way from a Java virtual machine to libssl. */
bool tg_modules_java(char ret[PATH_MAX]);

#endif
