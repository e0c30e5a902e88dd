/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/pair.h"

#include "loader/credential.h"
#include "loader/describe.h"
#include "loader/leaf.h"
#include "loader/passphrase.h"
#include "loader/strength.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <errno.h>
#include <limits.h>
#include <string.h>

#define SECONDS_A_DAY 86400

/* What one cert line and the lines that belong to it say. */
struct source {
	struct tg_load *load;
	const struct tg_section *section;
	const struct tg_value *cert;
	const struct tg_value *key;        /* NULL: in the certificate's file */
	const struct tg_value *passphrase; /* NULL: none */
	struct tg_place place;             /* of cert */
	struct tg_place key_place;         /* of key, else of cert */
};

/* Once for each file. False where memory ran out. */
static bool add_note(struct tg_load *load, const char *file, const char *note)
{
	char *text = tg_arena_format(load->arena, "%s: %s", file, note);

	if (!text || !tg_arena_room(load->arena, &load->notes, load->note_count, &load->note_room, sizeof(*load->notes)))
		return false;
	for (size_t i = 0; i < load->note_count; i++)
		if (strcmp(load->notes[i], text) == 0)
			return true;
	load->notes[load->note_count++] = text;
	return true;
}

static const struct tg_file *file_of(const struct source *source, const struct tg_value *value,
				     const struct tg_place *place, bool secret)
{
	struct tg_load *load = source->load;
	const struct tg_file *file = tg_snapshot_find(&load->snapshot, value->path);
	const char *reason;
	const char *note = NULL;

	if (!file)
		return NULL;
	if (file->fault) {
		/* What is replaced by being removed and written anew is not there for a moment. */
		if (file->error == ENOENT)
			tg_message_pending(load->messages, place, "%s: %s", value->text, file->fault);
		else
			tg_message(load->messages, TLSGRAFT_ERROR, place, "%s: %s", value->text, file->fault);
		return NULL;
	}
	reason = secret ? tg_access_fault(load->arena, &file->status, &file->access, &load->key_users, &note)
			: tg_file_untrusted(load->arena, file);
	if (reason) {
		tg_message(load->messages, TLSGRAFT_ERROR, place, "%s: %s", value->text, reason);
		return NULL;
	}
	return note && !add_note(load, value->text, note) ? NULL : file;
}

/* The first line of the passphrase file, in the arena; NULL, and a message, where there is none. */
static const char *read_passphrase(const struct source *source)
{
	struct tg_place place =
	    tg_config_place(&source->load->config, source->section, TG_OPT_KEY_PASSPHRASE_FILE, source->passphrase->line);
	const struct tg_file *file = file_of(source, source->passphrase, &place, true);
	const char *reason = NULL;
	const char *passphrase = file ? tg_passphrase_of(source->load->arena, file, &reason) : NULL;

	if (reason)
		tg_message(source->load->messages, TLSGRAFT_ERROR, &place, "%s: %s", source->passphrase->text, reason);
	return passphrase;
}

/* What a file can be seen to hold without a passphrase, as of TG_WANT_...; 0: nothing, or it cannot be told. */
static unsigned holds(const struct source *source, const struct tg_value *value)
{
	const struct tg_file *file = tg_snapshot_find(&source->load->snapshot, value->path);
	struct tg_objects objects = {0};
	const char *reason;
	unsigned found = 0;

	if (!file || file->fault ||
	    tg_objects_read(source->load->arena, file->data, file->size, 0, NULL, &objects, &reason) != TG_READ_OK)
		return 0;
	found |= objects.certificate_count > 0 ? TG_WANT_CERTIFICATES : 0;
	found |= objects.key_count > 0 ? TG_WANT_KEYS : 0;
	found |= objects.crl_count > 0 ? TG_WANT_CRLS : 0;
	tg_objects_clear(&objects);
	return found;
}

/* A file that holds no key holds no secret, and its mode is then not what is wrong with it. */
static bool may_hold_key(const struct source *source, const struct tg_value *value)
{
	const unsigned found = holds(source, value);

	return found == 0 || found & TG_WANT_KEYS;
}

/* Decoding failed: what the next moment may bring is waited for at a reload. */
static void report_unreadable(const struct source *source, const struct tg_value *value, const struct tg_place *place,
			      enum tg_read_result result, const char *reason)
{
	if (result == TG_READ_UNFINISHED)
		tg_message_pending(source->load->messages, place, "%s: %s", value->text, reason);
	else
		tg_message(source->load->messages, TLSGRAFT_ERROR, place, "%s: %s", value->text, reason);
}

/* False, and a message, where the certificate's file cannot be used. Its key comes along where no other file is named. */
static bool read_certificates(const struct source *source, const char *passphrase, struct tg_objects *ret)
{
	struct tg_load *load = source->load;
	const struct tg_file *file =
	    file_of(source, source->cert, &source->place, !source->key && may_hold_key(source, source->cert));
	unsigned wanted = TG_WANT_CERTIFICATES | (source->key ? 0 : TG_WANT_KEYS);
	const char *text = source->cert->text, *reason, *found;
	enum tg_read_result result;

	if (!file)
		return false;
	result = tg_objects_read(load->arena, file->data, file->size, wanted, passphrase, ret, &reason);
	if (result != TG_READ_OK) {
		report_unreadable(source, source->cert, &source->place, result, reason);
		return false;
	}
	found = tg_objects_text(load->arena, ret);
	if (ret->certificate_count == 0)
		tg_message(load->messages, TLSGRAFT_ERROR, &source->place, "%s: holds no certificate, but %s", text, found);
	else if (ret->crl_count > 0)
		tg_message(load->messages, TLSGRAFT_ERROR, &source->place, "%s: holds a CRL, which belongs into crl", text);
	else if (!source->key && ret->key_count == 0)
		tg_message_pending(load->messages, &source->place, "%s: holds no private key, and no key follows this line",
				   text);
	else if (!source->key && ret->key_count > 1)
		tg_message(load->messages, TLSGRAFT_ERROR, &source->place, "%s: holds %zu private keys", text,
			   ret->key_count);
	else {
		tg_message_read(load->messages, &source->place, "%s: %s%s", text, found,
				source->key && ret->key_count > 0 ? " (not used: a key line follows)" : "");
		return true;
	}
	tg_objects_clear(ret);
	return false;
}

/* The key of a file of its own; NULL, and a message, where it cannot be used. */
static EVP_PKEY *read_key(const struct source *source, const char *passphrase, bool *ret_passphrase_used)
{
	struct tg_load *load = source->load;
	const struct tg_file *file = file_of(source, source->key, &source->key_place, may_hold_key(source, source->key));
	const char *text = source->key->text, *reason, *found;
	struct tg_objects objects = {0};
	enum tg_read_result result;
	EVP_PKEY *key = NULL;

	if (!file)
		return NULL;
	result = tg_objects_read(load->arena, file->data, file->size, TG_WANT_KEYS, passphrase, &objects, &reason);
	if (result != TG_READ_OK) {
		report_unreadable(source, source->key, &source->key_place, result, reason);
		return NULL;
	}
	*ret_passphrase_used = objects.passphrase_used;
	found = tg_objects_text(load->arena, &objects);
	if (objects.key_count == 0) {
		tg_message_pending(load->messages, &source->key_place, "%s: holds no private key, but %s", text, found);
	} else if (objects.key_count > 1) {
		tg_message(load->messages, TLSGRAFT_ERROR, &source->key_place, "%s: holds %zu private keys", text,
			   objects.key_count);
	} else {
		tg_message_read(load->messages, &source->key_place, "%s: %s%s", text, found,
				objects.certificate_count > 0 ? " (certificates not used: they come from cert)" : "");
		key = objects.key;
		objects.key = NULL;
	}
	tg_objects_clear(&objects);
	return key;
}

/* False, and a message, where each of the two files holds what belongs into the other. */
static bool check_swapped(const struct source *source)
{
	if (!source->key || holds(source, source->cert) != TG_WANT_KEYS ||
	    holds(source, source->key) != TG_WANT_CERTIFICATES)
		return true;
	tg_message(source->load->messages, TLSGRAFT_ERROR, &source->place,
		   "%s: holds a private key, and %s, which key names, a certificate: the two are swapped",
		   source->cert->text, source->key->text);
	return false;
}

/* A key can have the right public half and a broken private one: only a signature tells. */
static bool signs(EVP_PKEY *key, EVP_PKEY *public_key)
{
	static const unsigned char text[32] = "a signature to try the key with";
	unsigned char signature[2048];
	size_t size = sizeof(signature);
	EVP_MD_CTX *signing = EVP_MD_CTX_new(), *verifying = EVP_MD_CTX_new();
	bool good = signing && verifying && EVP_DigestSignInit(signing, NULL, NULL, NULL, key) == 1 &&
		    EVP_DigestSign(signing, signature, &size, text, sizeof(text)) == 1 &&
		    EVP_DigestVerifyInit(verifying, NULL, NULL, NULL, public_key) == 1 &&
		    EVP_DigestVerify(verifying, signature, size, text, sizeof(text)) == 1;

	EVP_MD_CTX_free(signing);
	EVP_MD_CTX_free(verifying);
	return good;
}

/* False, and a message, where the key belongs to another certificate of the file than the first. */
static bool check_leaf_first(const struct source *source, STACK_OF(X509) * certificates, EVP_PKEY *key)
{
	for (int i = 0; i < sk_X509_num(certificates); i++) {
		EVP_PKEY *public_key = X509_get0_pubkey(sk_X509_value(certificates, i));

		if (!public_key || EVP_PKEY_eq(public_key, key) != 1)
			continue;
		if (i == 0)
			return true;
		tg_message(source->load->messages, TLSGRAFT_ERROR, &source->place,
			   "%s: the leaf does not come first: certificate %d is the one that belongs to the key",
			   source->cert->text, i + 1);
		return false;
	}
	return true;
}

static bool check_match(const struct source *source, X509 *leaf, EVP_PKEY *key)
{
	struct tg_load *load = source->load;
	EVP_PKEY *public_key = X509_get0_pubkey(leaf);
	const char *text = source->key ? source->key->text : source->cert->text;

	if (!public_key) {
		tg_message(load->messages, TLSGRAFT_ERROR, &source->place, "%s: holds a public key of an unknown kind",
			   source->cert->text);
		return false;
	}
	if (EVP_PKEY_eq(public_key, key) != 1) {
		tg_message_pending(load->messages, &source->key_place,
				   "%s: the private key does not match the certificate in %s", text, source->cert->text);
		return false;
	}
	switch (EVP_PKEY_get_base_id(key)) {
	case EVP_PKEY_RSA:
	case EVP_PKEY_RSA_PSS:
	case EVP_PKEY_EC:
	case EVP_PKEY_ED25519:
	case EVP_PKEY_ED448:
		break;
	default:
		tg_message(load->messages, TLSGRAFT_ERROR, &source->key_place, "%s: a key of this kind cannot serve TLS",
			   text);
		return false;
	}
	if (!signs(key, public_key)) {
		tg_message(load->messages, TLSGRAFT_ERROR, &source->key_place,
			   "%s: the private key is broken: what it signs cannot be verified", text);
		return false;
	}
	return true;
}

static bool span_served(const struct tg_document *serving, struct tg_span der)
{
	for (size_t i = 0; serving && i < serving->credentials_count; i++) {
		for (size_t j = 0; j < serving->credentials[i].pair_count; j++) {
			const struct tg_pair *pair = &serving->credentials[i].pairs[j];

			if (tg_span_equal(pair->leaf, der))
				return true;
			for (size_t k = 0; k < pair->chain_count; k++)
				if (tg_span_equal(pair->chain[k], der))
					return true;
		}
	}
	return false;
}

/* "server.pem" or "server.pem: certificate 2 (CN=Intermediate)". */
static const char *which(const struct source *source, X509 *certificate, int number)
{
	struct tg_arena *arena = source->load->arena;
	const char *subject;

	if (number == 0)
		return source->cert->text;
	subject = tg_subject_text(arena, certificate);
	return tg_arena_format(arena, "%s: certificate %d (%s)", source->cert->text, number + 1, subject ? subject : "?");
}

static void check_dates(const struct source *source, X509 *certificate, int number, struct tg_span der)
{
	struct tg_load *load = source->load;
	int64_t from = tg_time_of(X509_get0_notBefore(certificate));
	int64_t until = tg_time_of(X509_get0_notAfter(certificate));
	const char *name = which(source, certificate, number);
	enum tlsgraft_severity severity = tg_severity(span_served(load->serving, der));

	if (from == INT64_MAX || until == INT64_MAX) {
		tg_message(load->messages, TLSGRAFT_ERROR, &source->place, "%s: holds a date that cannot be read", name);
	} else if (until < load->now) {
		tg_message(load->messages, severity, &source->place, "%s: expired on %s", name,
			   tg_time_text(load->arena, until));
	} else if (from > load->now) {
		if (severity == TLSGRAFT_ERROR)
			tg_message_early(load->messages, &source->place, from, "%s: not valid before %s", name,
					 tg_time_text(load->arena, from));
		else
			tg_message(load->messages, severity, &source->place, "%s: not valid before %s", name,
				   tg_time_text(load->arena, from));
	} else if (until - load->now < (int64_t)load->warn_days * SECONDS_A_DAY) {
		tg_message(load->messages, TLSGRAFT_WARNING, &source->place, "%s: expires in %d days, on %s", name,
			   (int)((until - load->now) / SECONDS_A_DAY), tg_date_text(load->arena, until));
	}
}

static void check_chain(const struct source *source, STACK_OF(X509) * certificates)
{
	struct tg_load *load = source->load;
	X509 *leaf = sk_X509_value(certificates, 0);

	for (int i = 1; i < sk_X509_num(certificates); i++) {
		X509 *issuer = sk_X509_value(certificates, i), *issued = sk_X509_value(certificates, i - 1);
		EVP_PKEY *key = X509_get0_pubkey(issuer);
		const char *name = which(source, issuer, i);

		if (X509_check_issued(issuer, issued) != X509_V_OK || !key || X509_verify(issued, key) != 1) {
			tg_message(load->messages, TLSGRAFT_ERROR, &source->place,
				   "%s: did not issue certificate %d: the leaf comes first, then each issuer in turn", name,
				   i);
			return;
		}
		if (X509_check_ca(issuer) == 0) {
			tg_message(load->messages, TLSGRAFT_ERROR, &source->place, "%s: is not a CA certificate", name);
			return;
		}
	}
	/* A certificate that says where its issuer's is to be fetched seldom comes from a root directly. */
	if (sk_X509_num(certificates) == 1 && !(X509_get_extension_flags(leaf) & EXFLAG_SI) &&
	    X509_get_ext_by_NID(leaf, NID_info_access, -1) >= 0)
		tg_message(load->messages, TLSGRAFT_WARNING, &source->place,
			   "%s: no chain follows the certificate: clients that know only the root will refuse it",
			   source->cert->text);
}

/* False, and a message, where the block of a certificate says that servers may not use it (openssl x509 -addreject). */
static bool check_trust(const struct source *source, const struct tg_objects *objects)
{
	for (int i = 0; i < sk_X509_num(objects->certificates) && !objects->pkcs12; i++) {
		X509 *certificate = sk_X509_value(objects->certificates, i);

		if (X509_check_trust(certificate, X509_TRUST_SSL_SERVER, 0) != X509_TRUST_REJECTED)
			continue;
		tg_message(source->load->messages, TLSGRAFT_ERROR, &source->place,
			   "%s: the trust settings of its TRUSTED CERTIFICATE block do not allow it for servers",
			   which(source, certificate, i));
		return false;
	}
	return true;
}

static bool encode(const struct source *source, STACK_OF(X509) * certificates, EVP_PKEY *key, struct tg_pair *pair)
{
	struct tg_arena *arena = source->load->arena;
	size_t count = (size_t)sk_X509_num(certificates) - 1;

	pair->leaf = tg_certificate_der(arena, sk_X509_value(certificates, 0));
	pair->key = tg_key_der(arena, key);
	pair->chain = tg_arena_alloc(arena, (count + 1) * sizeof(*pair->chain));
	if (!pair->chain)
		return false;
	for (size_t i = 0; i < count; i++) {
		pair->chain[i] = tg_certificate_der(arena, sk_X509_value(certificates, (int)i + 1));
		if (!pair->chain[i].data)
			return false;
	}
	pair->chain_count = count;
	if (pair->leaf.data && pair->key.data)
		return true;
	tg_message(source->load->messages, TLSGRAFT_ERROR, &source->key_place, "%s: the key cannot be encoded as PKCS#8",
		   source->cert->text);
	return false;
}

static bool load_one(const struct source *source, struct tg_loaded_pair *ret)
{
	struct tg_load *load = source->load;
	struct tg_objects objects = {0};
	const char *passphrase = NULL;
	EVP_PKEY *key = NULL;
	bool passphrase_used = false, good = false;

	if (!check_swapped(source))
		return false;
	if (source->passphrase) {
		passphrase = read_passphrase(source);
		if (!passphrase)
			return false;
	}
	if (source->key)
		key = read_key(source, passphrase, &passphrase_used);
	if (!read_certificates(source, passphrase, &objects))
		goto out;
	if (!source->key) {
		key = objects.key;
		objects.key = NULL;
	}
	/* Judged in the wrong order, the rest would only be consequences. */
	if (key && !check_leaf_first(source, objects.certificates, key))
		goto out;
	tg_leaf_check(load, &source->place, source->cert->text, sk_X509_value(objects.certificates, 0));
	check_chain(source, objects.certificates);
	for (int i = 0; i < sk_X509_num(objects.certificates); i++) {
		X509 *certificate = sk_X509_value(objects.certificates, i);

		check_dates(source, certificate, i, tg_certificate_der(load->arena, certificate));
	}
	if (!key || !check_match(source, sk_X509_value(objects.certificates, 0), key))
		goto out;
	if (!check_trust(source, &objects))
		goto out;
	if (source->passphrase && !passphrase_used && !objects.passphrase_used &&
	    !tg_passphrase_for_ca(load, source->section)) {
		struct tg_place place =
		    tg_config_place(&load->config, source->section, TG_OPT_KEY_PASSPHRASE_FILE, source->passphrase->line);

		tg_message(load->messages, TLSGRAFT_WARNING, &place, "%s: the key is not encrypted",
			   source->passphrase->text);
	}
	good = encode(source, objects.certificates, key, &ret->pair);
out:
	if (good) {
		ret->certificates = objects.certificates;
		objects.certificates = NULL;
	}
	EVP_PKEY_free(key);
	tg_objects_clear(&objects);
	return good;
}

/* The one value of `values` that lies behind line `from` and before line `until`. A second one is a fault. */
static const struct tg_value *belonging(struct tg_load *load, const struct tg_section *section, enum tg_option_id id,
					int from, int until)
{
	const struct tg_values *values = &section->options[id];
	const struct tg_value *found = NULL;

	for (size_t i = 0; i < values->count; i++) {
		struct tg_place place;

		if (values->items[i].line < from || values->items[i].line >= until)
			continue;
		if (!found) {
			found = &values->items[i];
			continue;
		}
		place = tg_config_place(&load->config, section, id, values->items[i].line);
		tg_message(load->messages, TLSGRAFT_ERROR, &place, "a second one for the cert on line %d", from);
	}
	return found;
}

/* A passphrase may be that of ca, wherever it stands. */
static void check_orphans(struct tg_load *load, const struct tg_section *section)
{
	static const enum tg_option_id ids[] = {TG_OPT_KEY, TG_OPT_KEY_PASSPHRASE_FILE};
	const struct tg_values *certs = &section->options[TG_OPT_CERT];
	int first = certs->count > 0 ? certs->items[0].line : INT_MAX;

	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		const struct tg_values *values = &section->options[ids[i]];

		if (ids[i] == TG_OPT_KEY_PASSPHRASE_FILE && tg_passphrase_for_ca(load, section))
			continue;
		for (size_t j = 0; j < values->count && values->items[j].line < first; j++) {
			struct tg_place place = tg_config_place(&load->config, section, ids[i], values->items[j].line);

			tg_message(load->messages, TLSGRAFT_ERROR, &place, "no cert stands above it in this section");
		}
	}
}

static void check_key_types(struct tg_load *load, const struct tg_section *section, const struct tg_loaded_pairs *pairs)
{
	for (size_t i = 1; i < pairs->count; i++) {
		for (size_t j = 0; j < i; j++) {
			struct tg_place place = tg_config_place(&load->config, section, TG_OPT_CERT, pairs->items[i].line);
			EVP_PKEY *a, *b;

			if (!pairs->items[i].certificates || !pairs->items[j].certificates)
				continue;
			a = X509_get0_pubkey(sk_X509_value(pairs->items[i].certificates, 0));
			b = X509_get0_pubkey(sk_X509_value(pairs->items[j].certificates, 0));
			if (EVP_PKEY_get_base_id(a) == EVP_PKEY_get_base_id(b))
				tg_message(load->messages, TLSGRAFT_ERROR, &place,
					   "%s: of the same key type as the cert on line %d: one for each type",
					   pairs->items[i].text, pairs->items[j].line);
		}
	}
}

void tg_pairs_load(struct tg_load *load, const struct tg_section *section, struct tg_loaded_pairs *ret)
{
	const struct tg_values *certs = &section->options[TG_OPT_CERT];

	*ret = (struct tg_loaded_pairs){.good = certs->count > 0};
	check_orphans(load, section);
	ret->items = tg_arena_alloc(load->arena, (certs->count + 1) * sizeof(*ret->items));
	if (!ret->items)
		return;
	ret->count = certs->count;
	for (size_t i = 0; i < certs->count; i++) {
		const struct tg_value *cert = &certs->items[i];
		int until = i + 1 < certs->count ? certs->items[i + 1].line : INT_MAX;
		struct source source = {
		    .load = load,
		    .section = section,
		    .cert = cert,
		    .key = belonging(load, section, TG_OPT_KEY, cert->line, until),
		    .passphrase = belonging(load, section, TG_OPT_KEY_PASSPHRASE_FILE, cert->line, until),
		    .place = tg_config_place(&load->config, section, TG_OPT_CERT, cert->line),
		};

		source.key_place =
		    source.key ? tg_config_place(&load->config, section, TG_OPT_KEY, source.key->line) : source.place;
		ret->items[i].line = cert->line;
		ret->items[i].text = cert->text;
		if (!load_one(&source, &ret->items[i]))
			ret->good = false;
	}
	check_key_types(load, section, ret);
}

void tg_pairs_clear(struct tg_loaded_pairs *pairs)
{
	for (size_t i = 0; i < pairs->count; i++)
		sk_X509_pop_free(pairs->items[i].certificates, X509_free);
	*pairs = (struct tg_loaded_pairs){0};
}

void tg_pairs_check_strength(struct tg_load *load, const struct tg_section *section, const struct tg_loaded_pairs *pairs,
			     int security_level)
{
	for (size_t i = 0; i < pairs->count; i++) {
		const struct tg_loaded_pair *pair = &pairs->items[i];
		struct tg_place place = tg_config_place(&load->config, section, TG_OPT_CERT, pair->line);
		const struct tg_value cert = {.line = pair->line, .text = pair->text};
		const struct source source = {.load = load, .section = section, .cert = &cert, .place = place};

		for (int j = 0; j < sk_X509_num(pair->certificates); j++) {
			X509 *certificate = sk_X509_value(pair->certificates, j);
			const char *reason = tg_certificate_weak(load->arena, certificate, security_level);

			if (reason)
				tg_message(load->messages, TLSGRAFT_ERROR, &place, "%s: %s", which(&source, certificate, j),
					   reason);
		}
	}
}
