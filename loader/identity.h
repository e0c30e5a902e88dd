/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loader's internal interface for the keeper and the command line. Not installed. Rules for ownership, threads and
 * errors are those of tlsgraft/loader.h.
 */
#ifndef TG_LOADER_IDENTITY_H
#define TG_LOADER_IDENTITY_H

#include "ipc/policy.h"
#include "tlsgraft/loader.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define TG_KEY_TYPE_SIZE 80 /* bytes of "EC" and the longest name of a curve, by far */

enum tg_log_target { TG_LOG_STDERR, TG_LOG_SYSLOG, TG_LOG_FILE };
enum tg_log_level { TG_LOG_ERROR, TG_LOG_WARN, TG_LOG_INFO, TG_LOG_DEBUG };

/* [tlsgraft]: what concerns the tree, not its connections. */
struct tg_settings {
	enum tg_log_target log_target;
	char *log_file; /* absolute; NULL unless TG_LOG_FILE */
	enum tg_log_level log_level;
	int reload_signal; /* signal number; 0: none */
	bool watch;
	int warn_days;
	char **exes;
	size_t exe_count;
	char **users;
	size_t user_count;
	bool children_keep;
};

const struct tg_settings *tg_identity_settings(const tlsgraft_identity *identity);

/* The resolved policy, and its encoding as published. Both live as long as the identity. */
const struct tg_document *tg_identity_document(const tlsgraft_identity *identity);
const unsigned char *tg_identity_bytes(const tlsgraft_identity *identity, size_t *ret_size);

/* Absolute paths of all files that were read, the INI file first. The watcher uses them. */
size_t tg_identity_file_count(const tlsgraft_identity *identity);
const char *tg_identity_file(const tlsgraft_identity *identity, size_t index);

/*
 * Like tlsgraft_load, for a server whose processes also run as `user` (may be NULL), in addition to the users of `user =`.
 * That user may be able to read the keys.
 */
int tg_load_for(const char *user, const char *ini_path, const tlsgraft_identity *serving, tlsgraft_identity **ret_identity,
		tlsgraft_messages **ret_messages);

/* Notes on who else than root and the effective user may read secret files: "FILE: may be read by group 33". */
size_t tg_identity_note_count(const tlsgraft_identity *identity);
const char *tg_identity_note(const tlsgraft_identity *identity, size_t index);

/*
 * Makes an identity from a copy of published bytes, for a restarted worker. It names no files, and settings that the
 * document does not carry have their defaults. Returns TLSGRAFT_OK, TLSGRAFT_REFUSED (malformed) or TLSGRAFT_NO_MEMORY.
 */
int tg_identity_from_bytes(const unsigned char *bytes, size_t size, tlsgraft_identity **ret);

/*
 * At a reload, appends a warning ("at the next start") to `messages` for each changed key of [tlsgraft] that a reload does
 * not apply: all but log, log_level, watch and warn_days.
 */
int tg_settings_compare(const struct tg_settings *serving, const struct tg_settings *loaded, tlsgraft_messages *messages);

/* Facts of one served certificate, for `check` and `status`. */
struct tg_certificate_facts {
	char key_type[TG_KEY_TYPE_SIZE]; /* "RSA", "EC P-256", "ED25519" */
	char sha256[65];                 /* hex of the leaf's DER */
	char *serial;                    /* hex */
	char *subject;                   /* one line, RFC 2253 */
	char *names;                     /* SAN entries, comma-separated: "DNS:a, IP:1.2.3.4" */
	int64_t not_before;              /* seconds since the epoch */
	int64_t not_after;
	int days_left; /* whole days, negative when over */
};
int tg_certificate_facts(struct tg_span der, struct tg_certificate_facts *ret); /* 0 or a negative errno */
void tg_certificate_facts_clear(struct tg_certificate_facts *facts);

/* Facts of one CRL. */
struct tg_crl_facts {
	char *issuer;        /* one line, RFC 2253 */
	int64_t this_update; /* seconds since the epoch */
	int64_t next_update; /* when it goes stale; INT64_MAX: never */
};
int tg_crl_facts(struct tg_span der, struct tg_crl_facts *ret); /* 0 or a negative errno */
void tg_crl_facts_clear(struct tg_crl_facts *facts);

/* The time from which on to warn of a CRL: the last tenth of its lifetime. INT64_MAX if it never goes stale. */
static inline int64_t tg_crl_warn_from(int64_t this_update, int64_t next_update)
{
	return next_update == INT64_MAX ? INT64_MAX : next_update - (next_update - this_update) / 10;
}

#endif
