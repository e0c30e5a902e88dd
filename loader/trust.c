#include "loader/trust.h"

#include "loader/credential.h"
#include "loader/describe.h"
#include "loader/strength.h"

#include <openssl/x509v3.h>

#include <stdlib.h>

#define SECONDS_A_DAY 86400

struct listed_ca {
	X509 *certificate;
	struct tg_span der;
	struct tg_place place;
	bool expired;
	bool has_crl;
};

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

/* Reads one file of a list; false, and a message, where it holds nothing of `wanted` or anything else. */
static bool read_list(struct lists *lists, const struct tg_value *value, const struct tg_place *place, unsigned wanted,
		      struct tg_objects *ret)
{
	const struct tg_file *file = tg_snapshot_find(&lists->load->snapshot, value->path);
	const char *untrusted;
	char reason[200];

	if (!file)
		return false;
	if (file->fault) {
		FAULT(lists, place, "%s: %s", value->text, file->fault);
		return false;
	}
	untrusted = tg_file_untrusted(lists->load->arena, file);
	if (untrusted) {
		FAULT(lists, place, "%s: %s", value->text, untrusted);
		return false;
	}
	if (tg_objects_read(file->data, file->size, wanted, NULL, ret, reason) != TG_READ_OK) {
		FAULT(lists, place, "%s: %s", value->text, reason);
		return false;
	}
	if (ret->key_count > 0)
		FAULT(lists, place, "%s: holds a private key, which does not belong here", value->text);
	else if (wanted == TG_WANT_CERTIFICATES && ret->crl_count > 0)
		FAULT(lists, place, "%s: holds a CRL, which belongs into crl", value->text);
	else if (wanted == TG_WANT_CRLS && ret->certificate_count > 0)
		FAULT(lists, place, "%s: holds a certificate, which belongs into ca", value->text);
	else if (wanted == TG_WANT_CERTIFICATES && ret->certificate_count == 0)
		FAULT(lists, place, "%s: holds no certificate", value->text);
	else if (wanted == TG_WANT_CRLS && ret->crl_count == 0)
		FAULT(lists, place, "%s: holds no CRL", value->text);
	else
		return true;
	tg_objects_clear(ret);
	return false;
}

static void check_ca(struct lists *lists, const struct tg_value *value, struct listed_ca *ca)
{
	struct tg_load *load = lists->load;
	const char *subject = tg_subject_text(load->arena, ca->certificate);
	int64_t from = tg_time_of(X509_get0_notBefore(ca->certificate));
	int64_t until = tg_time_of(X509_get0_notAfter(ca->certificate));
	const char *weak = tg_certificate_weak(load->arena, ca->certificate, lists->source->security_level);

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

	if (ca->expired)
		tg_message(load->messages, TLSGRAFT_WARNING, &ca->place, "%s: %s: expired on %s: left out", value->text,
			   subject, tg_date_text(load->arena, until));
	else if (from > load->now)
		tg_message(load->messages, TLSGRAFT_WARNING, &ca->place, "%s: %s: not valid before %s", value->text,
			   subject, tg_date_text(load->arena, from));
	else if (until - load->now < (int64_t)load->warn_days * SECONDS_A_DAY)
		tg_message(load->messages, TLSGRAFT_WARNING, &ca->place, "%s: %s: expires in %d days, on %s", value->text,
			   subject, (int)((until - load->now) / SECONDS_A_DAY), tg_date_text(load->arena, until));
}

static void add_ca(struct lists *lists, const struct tg_value *value, const struct tg_place *place, X509 *certificate)
{
	struct listed_ca ca = {.place = *place, .der = tg_certificate_der(lists->load->arena, certificate)};
	for (size_t i = 0; i < lists->ca_count; i++)
		if (tg_span_equal(lists->cas[i].der, ca.der))
			return;
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

		if (!read_list(lists, value, &place, TG_WANT_CERTIFICATES, &objects))
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
	bool all_served = lists->ca_count > 0;

	for (size_t i = 0; i < lists->ca_count; i++) {
		if (!lists->cas[i].expired)
			return;
		all_served = all_served && served_ca(lists->load->serving, lists->cas[i].der);
	}
	if (!lists->good || lists->ca_count == 0)
		return;
	if (!all_served) {
		FAULT(lists, &place, "no CA is left: every one has expired");
		return;
	}
	tg_message(lists->load->messages, TLSGRAFT_WARNING, &place, "every CA has expired: no client will be let in");
	for (size_t i = 0; i < lists->ca_count; i++)
		lists->cas[i].expired = false;
}

static bool signed_by(X509_CRL *crl, const struct listed_ca *ca)
{
	EVP_PKEY *key = X509_get0_pubkey(ca->certificate);

	return key && X509_NAME_cmp(X509_CRL_get_issuer(crl), X509_get_subject_name(ca->certificate)) == 0 &&
	       X509_CRL_verify(crl, key) == 1;
}

static void add_crl(struct lists *lists, const struct tg_value *value, const struct tg_place *place, X509_CRL *crl)
{
	struct tg_arena *arena = lists->load->arena;
	struct listed_crl entry = {.place = *place, .text = value->text, .der = tg_crl_der(arena, crl)};
	const char *issuer = tg_name_text(arena, X509_CRL_get_issuer(crl));
	for (size_t i = 0; i < lists->crl_count; i++)
		if (tg_span_equal(lists->crls[i].der, entry.der))
			return;
	for (size_t i = 0; i < lists->ca_count && !entry.issuer; i++)
		if (signed_by(crl, &lists->cas[i]))
			entry.issuer = &lists->cas[i];
	entry.this_update = tg_time_of(X509_CRL_get0_lastUpdate(crl));
	entry.next_update = tg_time_of(X509_CRL_get0_nextUpdate(crl));
	if (!entry.issuer) {
		FAULT(lists, place, "%s: the CRL of %s is signed by none of the CAs listed in ca", value->text, issuer);
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
	if (entry.this_update == INT64_MAX) {
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

		if (!read_list(lists, value, &place, TG_WANT_CRLS, &objects))
			continue;
		for (int j = 0; j < sk_X509_CRL_num(objects.crls); j++)
			add_crl(lists, value, &place, sk_X509_CRL_value(objects.crls, j));
		tg_objects_clear(&objects);
	}
}

/* Of several lists of one CA the newest counts; a list of a CA that was left out goes with it. */
static void leave_out_crls(struct lists *lists)
{
	for (size_t i = 0; i < lists->crl_count; i++) {
		struct listed_crl *crl = &lists->crls[i];

		crl->left_out = crl->issuer->expired;
		for (size_t j = 0; j < lists->crl_count && !crl->left_out; j++) {
			const struct listed_crl *other = &lists->crls[j];

			if (i == j || other->issuer != crl->issuer)
				continue;
			crl->left_out =
			    other->this_update > crl->this_update || (other->this_update == crl->this_update && j > i);
		}
	}
}

static void check_crl_dates(struct lists *lists, const struct listed_crl *crl)
{
	struct tg_load *load = lists->load;
	const char *issuer = tg_name_text(load->arena, X509_CRL_get_issuer(crl->crl));
	bool served = served_crl(load->serving, crl->der);

	if (crl->next_update < load->now) {
		tg_message(load->messages, tg_severity(served), &crl->place,
			   "%s: the CRL of %s is stale: a newer one was due on %s", crl->text, issuer,
			   tg_date_text(load->arena, crl->next_update));
		lists->good = lists->good && served;
	} else if (crl->this_update > load->now) {
		tg_message(load->messages, tg_severity(served), &crl->place, "%s: the CRL of %s is of the future: %s",
			   crl->text, issuer, tg_date_text(load->arena, crl->this_update));
		lists->good = lists->good && served;
	} else if (crl->next_update != INT64_MAX &&
		   crl->next_update - load->now < (crl->next_update - crl->this_update) / 10) {
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
			ca->has_crl =
			    !lists->crls[j].left_out && (lists->crls[j].issuer == ca || signed_by(lists->crls[j].crl, ca));
		if (!ca->expired && !ca->has_crl)
			FAULT(lists, &place,
			      "no CRL of the CA %s, which ca lists: add it, for without it every client of that CA is "
			      "refused",
			      tg_subject_text(lists->load->arena, ca->certificate));
	}
}

/* crl_check = chain looks every certificate up, also the CA's own: its issuer must be there. */
static void check_crl_chain(struct lists *lists)
{
	for (size_t i = 0; i < lists->ca_count; i++) {
		const struct listed_ca *ca = &lists->cas[i];
		bool found = X509_check_issued(ca->certificate, ca->certificate) == X509_V_OK || ca->expired;

		for (size_t j = 0; j < lists->ca_count && !found; j++)
			found = X509_check_issued(lists->cas[j].certificate, ca->certificate) == X509_V_OK;
		if (!found)
			FAULT(
			    lists, &ca->place,
			    "crl_check = chain needs the issuer of %s in ca too, with its CRL, or every client is refused",
			    tg_subject_text(lists->load->arena, ca->certificate));
	}
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
		if (!lists->cas[i].expired)
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

bool tg_trust_load(struct tg_load *load, const struct tg_trust_source *source, struct tg_trust *ret)
{
	struct lists lists = {.load = load, .source = source, .good = true};

	read_cas(&lists);
	check_any_left(&lists);
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
	if (lists.good)
		emit(&lists, ret);
	for (size_t i = 0; i < lists.ca_count; i++)
		X509_free(lists.cas[i].certificate);
	for (size_t i = 0; i < lists.crl_count; i++)
		X509_CRL_free(lists.crls[i].crl);
	return lists.good;
}
