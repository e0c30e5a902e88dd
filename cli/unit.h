/* SPDX-License-Identifier: Apache-2.0 */
/*
 * systemd's service units, read as files (systemd.unit(5), systemd.service(5)): what [Service] says with all drop-ins.
 */
#ifndef TG_CLI_UNIT_H
#define TG_CLI_UNIT_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

struct tg_setting {
	char *key;
	char *value;
};

struct tg_unit {
	char name[NAME_MAX + 1]; /* "nginx.service" */
	char path[PATH_MAX];     /* of its main file, below the root */
	struct tg_setting *settings;
	size_t count;
};

/*
 * The first unit below `root` ("" for this system) whose ExecStart= starts `program` (an absolute path), or names it among
 * its words, or runs a script that does; or holds `words` (NULL: none). Units in /etc come first and hide those of the same
 * name. 0, -ENOENT where there is none, or a negative errno. Free with tg_unit_free.
 */
int tg_unit_find(const char *root, const char *program, const char *words, struct tg_unit *ret);

/* The unit of that name. */
int tg_unit_read(const char *root, const char *name, struct tg_unit *ret);
void tg_unit_free(struct tg_unit *unit);

/* The last value of `key`; "" where it was never given, or taken back by an empty assignment. */
const char *tg_unit_last(const struct tg_unit *unit, const char *key);

/* The next setting of `key` that counts, from *at on, which is moved behind it; NULL: no more. */
const char *tg_unit_next(const struct tg_unit *unit, const char *key, size_t *at);

/* yes, true, on, 1 */
bool tg_unit_is_true(const struct tg_unit *unit, const char *key);

/* Whether a word of any value of `key` is `word`. */
bool tg_unit_has_word(const struct tg_unit *unit, const char *key, const char *word);

#endif
