/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of all keys of the INI file. The parser, the man page, the sample file and `check` are generated from it or
 * tested against it. Constant data; safe in any thread.
 */
#ifndef TG_LOADER_OPTIONS_H
#define TG_LOADER_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

enum tg_option_id {
	TG_OPT_LOG,
	TG_OPT_LOG_LEVEL,
	TG_OPT_RELOAD_SIGNAL,
	TG_OPT_WATCH,
	TG_OPT_EXE,
	TG_OPT_USER,
	TG_OPT_CHILDREN,
	TG_OPT_WARN_DAYS,
	TG_OPT_MODE,
	TG_OPT_CERT,
	TG_OPT_KEY,
	TG_OPT_KEY_PASSPHRASE_FILE,
	TG_OPT_CA,
	TG_OPT_CRL,
	TG_OPT_CRL_CHECK,
	TG_OPT_VERIFY_DEPTH,
	TG_OPT_ALLOW,
	TG_OPT_MIN_PROTOCOL,
	TG_OPT_MAX_PROTOCOL,
	TG_OPT_CIPHERS,
	TG_OPT_CIPHERSUITES,
	TG_OPT_GROUPS,
	TG_OPT_SECURITY_LEVEL,
	TG_OPT_OVERRIDE,
	TG_OPT_MAX_SESSION_AGE,
	TG_OPT_RECHECK,
	TG_OPT_LISTEN,
	TG_OPT_SERVER_SPEAKS,
	TG_OPT_ACCEPT_PLAINTEXT,
	TG_OPT_PLAINTEXT_WAIT,
	TG_OPT_ENGINE,
	TG_OPT_HANDSHAKE_TIMEOUT,
	TG_OPT_PROXY_PROTOCOL,
	TG_OPT_ALPN,
	TG_OPT_ALPN_REQUIRED,
	TG_OPT_NAMES,
	TG_OPT_LISTENER,
	TG_OPT_COUNT
};

enum tg_section_kind {
	TG_SECTION_TLSGRAFT = 1,
	TG_SECTION_SERVER = 2,
	TG_SECTION_LISTENER = 4,
	TG_SECTION_SNI = 8,
};

#define TG_SECTIONS_POLICY (TG_SECTION_SERVER | TG_SECTION_LISTENER | TG_SECTION_SNI)

enum tg_option_type {
	TG_TYPE_CHOICE,    /* one of `choices` */
	TG_TYPE_NUMBER,    /* a decimal number from `minimum` to `maximum` */
	TG_TYPE_FILE,      /* path, relative to the INI file's folder */
	TG_TYPE_PROGRAM,   /* absolute path */
	TG_TYPE_LOG,       /* stderr, syslog or an absolute path */
	TG_TYPE_USER,      /* a user of this system */
	TG_TYPE_RULE,      /* allow rule, see rules.h */
	TG_TYPE_ADDRESS,   /* ADDR:PORT, see address.h */
	TG_TYPE_HOSTNAMES, /* host names, separated by commas, see address.h */
	TG_TYPE_PROTOCOLS, /* names of protocols, separated by commas, see alpn.h */
	TG_TYPE_REFERENCE, /* name of a [listener] section */
	TG_TYPE_TEXT,      /* passed to libssl: cipher lists and the like */
};

struct tg_choice {
	const char *word; /* NULL ends the list */
	int number;
	bool later; /* known, but not in this version */
};

struct tg_option {
	enum tg_option_id id;
	const char *key;
	unsigned sections; /* of enum tg_section_kind */
	enum tg_option_type type;
	bool repeatable;
	bool plaintext;                  /* counts only with `server_speaks = plaintext` */
	const char *default_value;       /* the default as it would be written; NULL: none, or the server's own */
	const struct tg_choice *choices; /* TG_TYPE_CHOICE alone */
	int minimum;                     /* TG_TYPE_NUMBER alone */
	int maximum;
	const char *example; /* a value for the sample file */
	const char *help;    /* one line */
};

size_t tg_options_count(void);

/* By number (0 to count - 1, which is also its id) and by key; NULL: no such option. */
const struct tg_option *tg_options_get(size_t index);
const struct tg_option *tg_options_find(const char *key);

/* The choice of a word, NULL where there is none; and the word of a number ("mutual" before "2"). */
const struct tg_choice *tg_option_choice(const struct tg_option *option, const char *word);
const char *tg_option_word(enum tg_option_id id, int number);

/* "tlsgraft", "server", "listener" or "sni"; 0: unknown. */
const char *tg_section_word(enum tg_section_kind kind);
unsigned tg_section_kind_of(const char *word, size_t length);

#endif
