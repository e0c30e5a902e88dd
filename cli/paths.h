/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the other parts are: beside this program, in the build tree as installed.
 */
#ifndef TG_CLI_PATHS_H
#define TG_CLI_PATHS_H

#include <limits.h>

/* 0, or a negative errno (-ENOENT) with the path that was expected in `ret`. */
int tg_path_shim(char ret[PATH_MAX]);
int tg_path_keeper(char ret[PATH_MAX]);

#endif
