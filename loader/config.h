/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The INI file as typed values. Every key is checked against the option table. Inheritance is not resolved, and the files
 * that values name are not read yet.
 */
#ifndef TG_LOADER_CONFIG_H
#define TG_LOADER_CONFIG_H

#include "ipc/policy.h"
#include "loader/arena.h"
#include "loader/ini.h"
#include "loader/messages.h"
#include "loader/options.h"

struct tg_value {
	int line;
	const char *text;          /* as written */
	const char *path;          /* TG_TYPE_FILE, TG_TYPE_PROGRAM, TG_TYPE_LOG: absolute, not resolved */
	int number;                /* TG_TYPE_CHOICE, TG_TYPE_NUMBER */
	struct tg_rule rule;       /* TG_TYPE_RULE */
	struct tg_address address; /* TG_TYPE_ADDRESS */
	struct tg_name name;       /* TG_TYPE_HOSTNAMES: one value for each name */
};

struct tg_values {
	struct tg_value *items;
	size_t count;
	size_t capacity;
};

struct tg_section {
	enum tg_section_kind kind;
	int line;
	const char *title;    /* "listener api": as in messages and counters */
	const char *argument; /* "api"; NULL for [tlsgraft] and [server] */
	struct tg_values options[TG_OPT_COUNT];
	bool given[TG_OPT_COUNT]; /* the key is present, even if its value is faulty */
};

struct tg_config {
	const char *name;   /* the INI file as the caller named it */
	const char *folder; /* absolute, where relative paths begin */
	struct tg_section *sections;
	size_t section_count;
};

/*
 * Converts and checks the result of the INI reader. Appends every fault to `messages`. Faulty values are left out, so use
 * the result only if no error was added. `name` is the file name for messages; `folder` is absolute.
 */
void tg_config_read(struct tg_arena *arena, const char *name, const char *folder, const struct tg_ini *ini,
		    struct tg_config *config, tlsgraft_messages *messages);

/* The place of a value, for messages; `line` 0: the section's own line. */
struct tg_place tg_config_place(const struct tg_config *config, const struct tg_section *section, enum tg_option_id id,
				int line);

/* The first section of that kind; NULL: none. */
const struct tg_section *tg_config_section(const struct tg_config *config, enum tg_section_kind kind);

/* The value of a choice or number in `section`, or its default if it is not given there or `section` is NULL. */
int tg_config_number(const struct tg_section *section, enum tg_option_id id);

#endif
