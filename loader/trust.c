/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/trust.h"

#include "loader/anchor.h"
#include "loader/ca_names.h"
#include "loader/credential.h"
#include "loader/describe.h"
#include "loader/identity.h"
#include "loader/passphrase.h"
#include "loader/revocation.h"
#include "loader/strength.h"
#include "loader/trust_trial.h"

#include <openssl/x509v3.h>

#include <errno.h>
#include <stdlib.h>

#define SECONDS_A_DAY 86400

struct listed_ca {
	X509 *certificate;
	struct tg_span der;
	struct tg_place place;
	const char *text; /* the file as written */
	bool expired;
	bool rejected; /* by the trust settings that came with it */
	bool revoked;  /* by the CRL of a CA that is not looked up for it */
	bool has_crl;
};

static bool left_out(const struct listed_ca *ca)
{
	return ca->expired || ca->rejected || ca->revoked;
}

struct listed_crl {
	X509_CRL *crl;
	struct tg_span der;
	struct tg_place place;
	const char *text; /* the file as written */
	struct listed_ca *issuer;
	int64_t this_update;
	int64_t next_update; /* INT64_MAX: never stale */
	bool left_out;
};

struct lists {
	struct tg_load *load;
	const struct tg_trust_source *source;
	struct listed_ca *cas;
	size_t ca_count;
	size_t ca_capacity;
	struct listed_crl *crls;
	size_t crl_count;
	size_t crl_capacity;
	bool good;
};

#define FAULT(lists, place, ...)                                                                                           \
	do {                                                                                                               \
		tg_message((lists)->load->messages, TLSGRAFT_ERROR, place, __VA_ARGS__);                                   \
		(lists)->good = false;                                                                                     \
	} while (0)

/* What another file, or the rest of this one, may put right within moments. */
#define PENDING(lists, place, ...)                                                                                         \
	do {                                                                                                               \
		tg_message_pending((lists)->load->messages, place, __VA_ARGS__);                                           \
		(lists)->good = false;                                                                                     \
	} while (0)

static bool served_ca(const struct tg_document *serving, struct tg_span der)
{
	for (size_t i = 0; serving && i < serving->trust_count; i++)
		for (size_t j = 0; j < serving->trusts[i].ca_count; j++)
			if (tg_span_equal(serving->trusts[i].cas[j], der))
				return true;
	return false;
}

static bool served_crl(const struct tg_document *serving, struct tg_span der)
{
	for (size_t i = 0; serving && i < serving->trust_count; i++)
		for (size_t j = 0; j < serving->trusts[i].crl_count; j++)
			if (tg_span_equal(serving->trusts[i].crls[j], der))
				return true;
	return false;
}

/* Tries the passphrases of the section in turn: a truststore has one, too. */
static enum tg_read_result read_objects(struct lists *lists, const struct tg_section *section, const struct tg_file *file,
					unsigned wanted, struct tg_objects *ret, const char **ret_reason)
{
	struct tg_load *load = lists->load;
	enum tg_read_result result = tg_objects_read(load->arena, file->data, file->size, wanted, NULL, ret, ret_reason);
	const char **passphrases;
	size_t count;

	if (result != TG_READ_PASSPHRASE)
		return result;
	passphrases = tg_passphrases(load, section, &count);
	if (!passphrases)
		return TG_READ_NO_MEMORY;
	for (size_t i = 1; i < count && result == TG_READ_PASSPHRASE; i++)
		result = tg_objects_read(load->arena, file->data, file->size, wanted, passphrases[i], ret, ret_reason);
	return result;
}

/* Reads one file of a list; false, and a message, where it holds nothing of `wanted` or anything else. */
static bool read_list(struct lists *lists, const struct tg_section *section, const struct tg_value *value,
		      const struct tg_place *place, unsigned wanted, struct tg_objects *ret)
{
	struct tg_load *load = lists->load;
	const struct tg_file *file = tg_snapshot_find(&load->snapshot, value->path);
	const char *untrusted, *reason, *found;
	enum tg_read_result result;

	if (!file)
		return false;
	if (file->fault && file->error == ENOENT) {
		PENDING(lists, place, "%s: %s", value->text, file->fault);
		return false;
	}
	if (file->fault) {
		FAULT(lists, place, "%s: %s", value->text, file->fault);
		return false;
	}
	untrusted = tg_file_untrusted(load->arena, file);
	if (untrusted) {
		FAULT(lists, place, "%s: %s", value->text, untrusted);
		return false;
	}
	result = read_objects(lists, section, file, wanted, ret, &reason);
	if (result == TG_READ_UNFINISHED) {
		PENDING(lists, place, "%s: %s", value->text, reason);
		return false;
	}
	if (result != TG_READ_OK) {
		FAULT(lists, place, "%s: %s", value->text, reason);
		return false;
	}
	found = tg_objects_text(load->arena, ret);
	if (ret->key_count > 0)
		FAULT(lists, place, "%s: holds a private key, which does not belong here", value->text);
	else if (wanted == TG_WANT_CERTIFICATES && ret->crl_count > 0)
		FAULT(lists, place, "%s: holds a CRL, which belongs into crl", value->text);
	else if (wanted == TG_WANT_CRLS && ret->certificate_count > 0)
		FAULT(lists, place, "%s: holds a certificate, which belongs into ca", value->text);
	else if (wanted == TG_WANT_CERTIFICATES && ret->certificate_count == 0)
		FAULT(lists, place, "%s: holds no certificate, but %s", value->text, found);
	else if (wanted == TG_WANT_CRLS && ret->crl_count == 0)
		FAULT(lists, place, "%s: holds no CRL, but %s", value->text, found);
	else {
		tg_message_read(load->messages, place, "%s: %s", value->text, found);
		return true;
	}
	tg_objects_clear(ret);
	return false;
}

static void check_ca(struct lists *lists, const struct tg_value *value, struct listed_ca *ca)
{
	struct tg_load *load = lists->load;
	const char *subject = tg_subject_text(load->arena, ca->certificate);
	const char *note = tg_anchor_note(load->arena, ca->certificate);
	int64_t from = tg_time_of(X509_get0_notBefore(ca->certificate));
	int64_t until = tg_time_of(X509_get0_notAfter(ca->certificate));
	const char *weak = tg_certificate_weak(load->arena, ca->certificate, lists->source->security_level);

	if (note)
		tg_note(load->messages, &ca->place, "%s: %s: %s", value->text, subject, note);
	if (X509_check_ca(ca->certificate) == 0)
		FAULT(lists, &ca->place, "%s: %s: is not a CA certificate", value->text, subject);
	else if (X509_check_purpose(ca->certificate, X509_PURPOSE_SSL_CLIENT, 1) == 0)
		FAULT(lists, &ca->place, "%s: %s: may not issue clients: its extended key usage lacks clientAuth",
		      value->text, subject);
	else if (from == INT64_MAX || until == INT64_MAX)
		FAULT(lists, &ca->place, "%s: %s: holds a date that cannot be read", value->text, subject);
	else if (until < load->now)
		ca->expired = true;
	else if (weak)
		FAULT(lists, &ca->place, "%s: %s: %s", value->text, subject, weak);

	if (ca->rejected)
		tg_message(load->messages, TLSGRAFT_WARNING, &ca->place,
			   "%s: %s: its trust settings do not allow it for clients: left out", value->text, subject);
	else if (ca->expired)
		tg_message(load->messages, TLSGRAFT_WARNING, &ca->place, "%s: %s: expired on %s: left out", value->text,
			   subject, tg_date_text(load->arena, until));
	else if (from > load->now)
		tg_message(load->messages, TLSGRAFT_WARNING, &ca->place, "%s: %s: not valid before %s", value->text,
			   subject, tg_time_text(load->arena, from));
	else if (until - load->now < (int64_t)load->warn_days * SECONDS_A_DAY)
		tg_message(load->messages, TLSGRAFT_WARNING, &ca->place, "%s: %s: expires in %d days, on %s", value->text,
			   subject, (int)((until - load->now) / SECONDS_A_DAY), tg_date_text(load->arena, until));
}

static void add_ca(struct lists *lists, const struct tg_value *value, const struct tg_place *place, X509 *certificate)
{
	struct listed_ca ca = {.place = *place,
			       .text = value->text,
			       .der = tg_certificate_der(lists->load->arena, certificate),
			       .rejected = tg_anchor_rejected(certificate)};

	/* Listed twice, with trust settings and without: those count. */
	for (size_t i = 0; i < lists->ca_count; i++) {
		if (!tg_span_equal(lists->cas[i].der, ca.der))
			continue;
		if (!ca.rejected || lists->cas[i].rejected)
			return;
		lists->cas[i].rejected = true;
		ca.certificate = certificate;
		check_ca(lists, value, &ca);
		return;
	}
	if (!tg_arena_room(lists->load->arena, &lists->cas, lists->ca_count, &lists->ca_capacity, sizeof(ca)) ||
	    !ca.der.data || X509_up_ref(certificate) != 1) {
		tg_arena_fail(lists->load->arena);
		return;
	}
	ca.certificate = certificate;
	check_ca(lists, value, &ca);
	lists->cas[lists->ca_count++] = ca;
}

static void read_cas(struct lists *lists)
{
	const struct tg_values *values = &lists->source->ca->options[TG_OPT_CA];

	for (size_t i = 0; i < values->count; i++) {
		const struct tg_value *value = &values->items[i];
		struct tg_place place = tg_config_place(&lists->load->config, lists->source->ca, TG_OPT_CA, value->line);
		struct tg_objects objects = {0};

		if (!read_list(lists, lists->source->ca, value, &place, TG_WANT_CERTIFICATES, &objects))
			continue;
		for (int j = 0; j < sk_X509_num(objects.certificates); j++)
			add_ca(lists, value, &place, sk_X509_value(objects.certificates, j));
		tg_objects_clear(&objects);
	}
}

/* With every CA expired nobody is let in: no state to start in, but one that a server can have come to while serving. */
static void check_any_left(struct lists *lists)
{
	struct tg_place place = tg_config_place(&lists->load->config, lists->source->ca, TG_OPT_CA,
						lists->source->ca->options[TG_OPT_CA].items[0].line);
	bool all_served = lists->ca_count > 0, any_rejected = false;

	for (size_t i = 0; i < lists->ca_count; i++) {
		if (!left_out(&lists->cas[i]))
			return;
		any_rejected = any_rejected || lists->cas[i].rejected;
		all_served = all_served && served_ca(lists->load->serving, lists->cas[i].der);
	}
	if (!lists->good || lists->ca_count == 0)
		return;
	if (!all_served || any_rejected) {
		FAULT(lists, &place, "no CA is left: every one has expired%s",
		      any_rejected ? " or is not allowed for clients by its trust settings" : "");
		return;
	}
	tg_message(lists->load->messages, TLSGRAFT_WARNING, &place, "every CA has expired: no client will be let in");
	for (size_t i = 0; i < lists->ca_count; i++)
		lists->cas[i].expired = false;
}

/* Only anchors are published: a client may send this one, and has a chain where a CA above it is listed. */
static void check_rejected(struct lists *lists)
{
	bool any_left = false;

	for (size_t i = 0; i < lists->ca_count; i++)
		any_left = any_left || !left_out(&lists->cas[i]);
	for (size_t i = 0; i < lists->ca_count && any_left; i++) {
		const struct listed_ca *ca = &lists->cas[i];

		if (ca->rejected && !(X509_get_extension_flags(ca->certificate) & EXFLAG_SS))
			FAULT(
			    lists, &ca->place,
			    "%s: %s: is an intermediate CA that its trust settings do not allow for clients: beside other "
			    "CAs that cannot be kept; revoke it, with crl_check = chain",
			    ca->text, tg_subject_text(lists->load->arena, ca->certificate));
	}
}

/* A CA that was renewed with its key is listed twice: one that is left out does not take the CRL with it. */
static struct listed_ca *issuer_of(struct lists *lists, X509_CRL *crl)
{
	struct listed_ca *issuer = NULL;

	for (size_t i = 0; i < lists->ca_count && (!issuer || left_out(issuer)); i++)
		if ((!issuer || !left_out(&lists->cas[i])) && tg_crl_is_of(crl, lists->cas[i].certificate))
			issuer = &lists->cas[i];
	return issuer;
}

static void add_crl(struct lists *lists, const struct tg_value *value, const struct tg_place *place, X509_CRL *crl)
{
	struct tg_arena *arena = lists->load->arena;
	struct listed_crl entry = {.place = *place, .text = value->text, .der = tg_crl_der(arena, crl)};
	const char *issuer = tg_name_text(arena, X509_CRL_get_issuer(crl));
	for (size_t i = 0; i < lists->crl_count; i++)
		if (tg_span_equal(lists->crls[i].der, entry.der))
			return;
	entry.issuer = issuer_of(lists, crl);
	entry.this_update = tg_time_of(X509_CRL_get0_lastUpdate(crl));
	entry.next_update = tg_time_of(X509_CRL_get0_nextUpdate(crl));
	if (!entry.issuer) {
		PENDING(lists, place, "%s: the CRL of %s is signed by none of the CAs listed in ca", value->text, issuer);
		return;
	}
	if (!(X509_get_key_usage(entry.issuer->certificate) & KU_CRL_SIGN)) {
		FAULT(lists, place, "%s: %s may not sign CRLs: its key usage lacks cRLSign", value->text, issuer);
		return;
	}
	if (X509_CRL_get_ext_by_NID(crl, NID_delta_crl, -1) >= 0) {
		FAULT(lists, place, "%s: the CRL of %s is a delta: a full one is needed", value->text, issuer);
		return;
	}
	if (entry.this_update == INT64_MAX || (X509_CRL_get0_nextUpdate(crl) && entry.next_update == INT64_MAX)) {
		FAULT(lists, place, "%s: the CRL of %s holds a date that cannot be read", value->text, issuer);
		return;
	}
	if (!tg_arena_room(arena, &lists->crls, lists->crl_count, &lists->crl_capacity, sizeof(entry)) || !entry.der.data ||
	    X509_CRL_up_ref(crl) != 1) {
		tg_arena_fail(arena);
		return;
	}
	entry.crl = crl;
	lists->crls[lists->crl_count++] = entry;
}

static void read_crls(struct lists *lists)
{
	const struct tg_values *values = &lists->source->crl->options[TG_OPT_CRL];

	for (size_t i = 0; i < values->count; i++) {
		const struct tg_value *value = &values->items[i];
		struct tg_place place = tg_config_place(&lists->load->config, lists->source->crl, TG_OPT_CRL, value->line);
		struct tg_objects objects = {0};

		if (!read_list(lists, lists->source->crl, value, &place, TG_WANT_CRLS, &objects))
			continue;
		for (int j = 0; j < sk_X509_CRL_num(objects.crls); j++)
			add_crl(lists, value, &place, sk_X509_CRL_value(objects.crls, j));
		tg_objects_clear(&objects);
	}
}

/* RFC 5280 5.2.5: lists of one CA with different scopes do not replace each other. */
static bool same_scope(const X509_CRL *a, const X509_CRL *b)
{
	const int at_a = X509_CRL_get_ext_by_NID(a, NID_issuing_distribution_point, -1);
	const int at_b = X509_CRL_get_ext_by_NID(b, NID_issuing_distribution_point, -1);

	if (at_a < 0 || at_b < 0)
		return at_a < 0 && at_b < 0;
	return ASN1_STRING_cmp(X509_EXTENSION_get_data(X509_CRL_get_ext(a, at_a)),
			       X509_EXTENSION_get_data(X509_CRL_get_ext(b, at_b))) == 0;
}

/*
 * A chain does not go past `ca` to a CA that is left out, or that it does not name as its issuer by all it says: nobody
 * would look up there whether it is revoked. The same goes for what such a CA issued.
 */
static bool is_revoked(const struct lists *lists, const struct listed_ca *ca)
{
	bool above = false;

	for (size_t i = 0; i < lists->crl_count; i++) {
		const struct listed_crl *crl = &lists->crls[i];

		if (!crl->left_out && tg_crl_revokes(crl->crl, crl->issuer->certificate, ca->certificate) &&
		    (left_out(crl->issuer) || X509_check_issued(crl->issuer->certificate, ca->certificate) != X509_V_OK))
			return true;
	}
	for (size_t i = 0; i < lists->ca_count; i++) {
		const struct listed_ca *issuer = &lists->cas[i];

		if (issuer == ca || !tg_is_issued_by(ca->certificate, issuer->certificate))
			continue;
		if (!left_out(issuer))
			return false;
		above = above || issuer->revoked;
	}
	return above;
}

static void leave_out_revoked(struct lists *lists)
{
	size_t left = 0;

	for (size_t i = 0; i < lists->ca_count;) {
		struct listed_ca *ca = &lists->cas[i++];

		if (left_out(ca) || !is_revoked(lists, ca))
			continue;
		ca->revoked = true;
		tg_message(lists->load->messages, TLSGRAFT_WARNING, &ca->place,
			   "%s: %s: is revoked, or its issuer is: left out", ca->text,
			   tg_subject_text(lists->load->arena, ca->certificate));
		i = 0; /* those that it issued */
	}
	for (size_t i = 0; i < lists->ca_count; i++)
		left += left_out(&lists->cas[i]) ? 0 : 1;
	if (left == 0)
		FAULT(lists, &lists->cas[0].place, "no CA is left: every one has expired or is revoked");
}

/* Of several lists of one CA and scope the newest counts; a list of a CA that was left out goes with it. */
static void leave_out_crls(struct lists *lists)
{
	for (size_t i = 0; i < lists->crl_count; i++) {
		struct listed_crl *crl = &lists->crls[i];

		for (size_t j = 0; j < lists->crl_count && !crl->left_out; j++) {
			const struct listed_crl *other = &lists->crls[j];

			if (i == j || other->issuer != crl->issuer || !same_scope(other->crl, crl->crl))
				continue;
			crl->left_out =
			    other->this_update > crl->this_update || (other->this_update == crl->this_update && j > i);
		}
	}
	if (lists->source->crl_check == TG_CRL_CHAIN)
		leave_out_revoked(lists);
	for (size_t i = 0; i < lists->crl_count; i++)
		lists->crls[i].left_out = lists->crls[i].left_out || left_out(lists->crls[i].issuer);
}

static void check_crl_dates(struct lists *lists, const struct listed_crl *crl)
{
	struct tg_load *load = lists->load;
	const char *issuer = tg_name_text(load->arena, X509_CRL_get_issuer(crl->crl));
	bool served = served_crl(load->serving, crl->der);

	if (crl->next_update < load->now) {
		tg_message(load->messages, tg_severity(served), &crl->place,
			   "%s: the CRL of %s is stale: a newer one was due on %s", crl->text, issuer,
			   tg_time_text(load->arena, crl->next_update));
		lists->good = lists->good && served;
	} else if (crl->this_update > load->now && !served) {
		tg_message_early(load->messages, &crl->place, crl->this_update, "%s: the CRL of %s is of the future: %s",
				 crl->text, issuer, tg_time_text(load->arena, crl->this_update));
		lists->good = false;
	} else if (crl->this_update > load->now) {
		tg_message(load->messages, TLSGRAFT_WARNING, &crl->place, "%s: the CRL of %s is of the future: %s",
			   crl->text, issuer, tg_time_text(load->arena, crl->this_update));
	} else if (crl->next_update == INT64_MAX) {
		tg_message(
		    load->messages, TLSGRAFT_WARNING, &crl->place,
		    "%s: the CRL of %s never goes stale, since it says nothing of a next one (nextUpdate): that it is "
		    "no longer renewed will not show",
		    crl->text, issuer);
	} else if (load->now >= tg_crl_warn_from(crl->this_update, crl->next_update)) {
		tg_message(load->messages, TLSGRAFT_WARNING, &crl->place,
			   "%s: the CRL of %s will be stale in %d hours: every client will be refused then", crl->text,
			   issuer, (int)((crl->next_update - load->now) / 3600));
	}
}

/* One CA without a list, and every client of that CA would be refused. */
static void check_crl_coverage(struct lists *lists)
{
	const struct tg_section *section = lists->source->crl;
	struct tg_place place =
	    tg_config_place(&lists->load->config, section, TG_OPT_CRL, section->options[TG_OPT_CRL].items[0].line);

	for (size_t i = 0; i < lists->ca_count; i++) {
		struct listed_ca *ca = &lists->cas[i];

		for (size_t j = 0; j < lists->crl_count && !ca->has_crl; j++)
			ca->has_crl = !lists->crls[j].left_out &&
				      (lists->crls[j].issuer == ca || tg_crl_is_of(lists->crls[j].crl, ca->certificate));
		if (!left_out(ca) && !ca->has_crl)
			PENDING(lists, &place,
				"no CRL of the CA %s, which ca lists: add it, for without it every client of that CA is "
				"refused",
				tg_subject_text(lists->load->arena, ca->certificate));
	}
}

/*
 * crl_check = chain looks every certificate up, also those of intermediate CAs, and finds no CRL of one that is not listed.
 * Where none is, none may be in use: then it is worth no more than crl_check = leaf.
 */
static void check_crl_chain(struct lists *lists)
{
	const struct listed_ca *over = NULL;

	for (size_t i = 0; i < lists->ca_count; i++) {
		const struct listed_ca *ca = &lists->cas[i];

		if (!(X509_get_extension_flags(ca->certificate) & EXFLAG_SS))
			return;
		if (!left_out(ca) && X509_get_pathlen(ca->certificate) != 0)
			over = ca;
	}
	if (over)
		tg_message(
		    lists->load->messages, TLSGRAFT_WARNING, &over->place,
		    "%s: under crl_check = chain the clients of an intermediate CA of %s are refused, unless that CA "
		    "is listed in ca, and its CRL in crl",
		    over->text, tg_subject_text(lists->load->arena, over->certificate));
}

static int compare(const void *a, const void *b)
{
	return tg_span_compare(*(const struct tg_span *)a, *(const struct tg_span *)b);
}

static void emit(struct lists *lists, struct tg_trust *ret)
{
	struct tg_trust trust = {.verify_depth = lists->source->verify_depth};

	trust.cas = tg_arena_alloc(lists->load->arena, (lists->ca_count + 1) * sizeof(*trust.cas));
	trust.crls = tg_arena_alloc(lists->load->arena, (lists->crl_count + 1) * sizeof(*trust.crls));
	if (!trust.cas || !trust.crls)
		return;
	for (size_t i = 0; i < lists->ca_count; i++)
		if (!left_out(&lists->cas[i]))
			trust.cas[trust.ca_count++] = lists->cas[i].der;
	for (size_t i = 0; i < lists->crl_count; i++) {
		const struct listed_crl *crl = &lists->crls[i];

		if (crl->left_out)
			continue;
		trust.crls[trust.crl_count++] = crl->der;
		if (crl->next_update != INT64_MAX &&
		    (trust.crl_next_update == 0 || crl->next_update < trust.crl_next_update))
			trust.crl_next_update = crl->next_update;
	}
	/* Sorted, so that another order in the files is no other policy. */
	qsort(trust.cas, trust.ca_count, sizeof(*trust.cas), compare);
	qsort(trust.crls, trust.crl_count, sizeof(*trust.crls), compare);
	trust.crl_check = trust.crl_count > 0 ? lists->source->crl_check : TG_CRL_NONE;
	*ret = trust;
}

/* Tries the whole, when each part of it is good. */
static void try_whole(struct lists *lists, const struct tg_trust *trust)
{
	struct tg_arena *arena = lists->load->arena;
	struct tg_listed *cas = tg_arena_alloc(arena, (lists->ca_count + 1) * sizeof(*cas));
	struct tg_listed *crls = tg_arena_alloc(arena, (lists->crl_count + 1) * sizeof(*crls));
	struct tg_listing listing = {.cas = cas, .crls = crls};

	if (!cas || !crls)
		return;
	for (size_t i = 0; i < lists->ca_count; i++) {
		const struct listed_ca *ca = &lists->cas[i];

		if (!left_out(ca))
			cas[listing.ca_count++] =
			    (struct tg_listed){.ca = ca->certificate, .place = &ca->place, .file = ca->text};
	}
	for (size_t i = 0; i < lists->crl_count; i++) {
		const struct listed_crl *crl = &lists->crls[i];

		if (!crl->left_out)
			crls[listing.crl_count++] =
			    (struct tg_listed){.crl = crl->crl, .place = &crl->place, .file = crl->text};
	}
	tg_ca_names_check(lists->load, &listing);
	lists->good = tg_trust_try(lists->load, trust, &listing, lists->source->security_level);
}

bool tg_trust_load(struct tg_load *load, const struct tg_trust_source *source, struct tg_trust *ret)
{
	struct lists lists = {.load = load, .source = source, .good = true};

	read_cas(&lists);
	check_any_left(&lists);
	check_rejected(&lists);
	/* Without all of the CAs, every CRL fault would be a consequence. */
	if (source->crl && lists.good) {
		read_crls(&lists);
		leave_out_crls(&lists);
		for (size_t i = 0; i < lists.crl_count; i++)
			if (!lists.crls[i].left_out)
				check_crl_dates(&lists, &lists.crls[i]);
		if (lists.good)
			check_crl_coverage(&lists);
		if (lists.good && source->crl_check == TG_CRL_CHAIN)
			check_crl_chain(&lists);
	}
	if (lists.good) {
		emit(&lists, ret);
		try_whole(&lists, ret);
	}
	for (size_t i = 0; i < lists.ca_count; i++)
		X509_free(lists.cas[i].certificate);
	for (size_t i = 0; i < lists.crl_count; i++)
		X509_CRL_free(lists.crls[i].crl);
	return lists.good;
}
