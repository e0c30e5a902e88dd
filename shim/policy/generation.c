/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/policy/generation.h"

#include "ipc/read.h"
#include "ipc/report.h"
#include "ipc/route.h"
#include "shim/binding/lock.h"
#include "shim/connections/accepted.h"
#include "shim/process/log.h"
#include "shim/process/process.h"
#include "shim/process/state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define RETRY_SECONDS 5 /* before a generation that could not be built, say for want of memory, is tried again */

static struct tg_generation *current;
static struct tg_lock current_lock = TG_LOCK_INITIALIZER(GENERATION); /* pointer and reference together */
static struct tg_lock build_lock = TG_LOCK_INITIALIZER(BUILD);        /* one builder */
static uint64_t failed_number; /* under build_lock: not tried again before failed_until */
static time_t failed_until;

typedef void (*free_function)(void *);

static void free_stack(const struct tg_openssl *o, void *stack, free_function element)
{
	o->OPENSSL_sk_pop_free(stack, element);
}

static void generation_free(struct tg_generation *generation)
{
	const struct tg_openssl *o = tg_openssl();

	for (size_t i = 0; generation->certificates != NULL && i < generation->document->credentials_count; i++) {
		struct tg_certificates *certificates = &generation->certificates[i];
		for (size_t k = 0; k < certificates->count; k++) {
			o->X509_free(certificates->served[k].leaf);
			o->EVP_PKEY_free(certificates->served[k].key);
			free_stack(o, certificates->served[k].chain, (free_function)(void *)o->X509_free);
		}
		free(certificates->served);
	}
	for (size_t i = 0; generation->anchors != NULL && i < generation->document->trust_count; i++)
		tg_anchors_free(&generation->anchors[i]);
	free(generation->certificates);
	free(generation->anchors);
	free(generation->counters);
	tg_document_free(generation->document);
	tg_cleanse_free(generation->bytes, generation->size);
	free(generation);
}

static X509 *decode_certificate(const struct tg_openssl *o, struct tg_span der)
{
	const unsigned char *p = der.data;
	return o->d2i_X509(NULL, &p, (long)der.size);
}

static bool build_served(const struct tg_openssl *o, const struct tg_pair *pair, struct tg_served *served)
{
	const unsigned char *p = pair->key.data;

	served->leaf = decode_certificate(o, pair->leaf);
	served->key = o->d2i_AutoPrivateKey(NULL, &p, (long)pair->key.size);
	served->chain = (STACK_OF(X509) *)o->OPENSSL_sk_new_null();
	if (served->leaf == NULL || served->key == NULL || served->chain == NULL)
		return false;
	for (size_t i = 0; i < pair->chain_count; i++) {
		X509 *certificate = decode_certificate(o, pair->chain[i]);
		if (certificate == NULL)
			return false;
		if (o->OPENSSL_sk_push((OPENSSL_STACK *)served->chain, certificate) == 0) {
			o->X509_free(certificate);
			return false;
		}
	}
	return true;
}

/* The private copy keeps names and rules, not keys: those now live in libcrypto alone. */
static void erase_keys(struct tg_generation *generation)
{
	for (size_t i = 0; i < generation->document->credentials_count; i++) {
		struct tg_credentials *credentials = &generation->document->credentials[i];
		for (size_t k = 0; k < credentials->pair_count; k++) {
			size_t offset = (size_t)(credentials->pairs[k].key.data - generation->bytes);
			explicit_bzero(generation->bytes + offset, credentials->pairs[k].key.size);
		}
	}
}

static bool build_identities(const struct tg_openssl *o, struct tg_generation *generation)
{
	size_t count = generation->document->credentials_count;

	generation->certificates = calloc(count + 1, sizeof(struct tg_certificates));
	if (generation->certificates == NULL)
		return false;
	for (size_t i = 0; i < count; i++) {
		const struct tg_credentials *credentials = &generation->document->credentials[i];
		struct tg_certificates *certificates = &generation->certificates[i];
		certificates->served = calloc(credentials->pair_count + 1, sizeof(struct tg_served));
		if (certificates->served == NULL)
			return false;
		for (; certificates->count < credentials->pair_count; certificates->count++)
			if (!build_served(o, &credentials->pairs[certificates->count],
					  &certificates->served[certificates->count])) {
				certificates->count++; /* the partly built one is freed too */
				return false;
			}
	}
	return true;
}

static bool build_anchors(struct tg_generation *generation)
{
	size_t count = generation->document->trust_count;

	generation->anchors = calloc(count + 1, sizeof(struct tg_anchors));
	if (generation->anchors == NULL)
		return false;
	for (size_t i = 0; i < count; i++)
		if (!tg_anchors_build(&generation->anchors[i], &generation->document->trusts[i]))
			return false;
	return true;
}

static bool build_counters(struct tg_generation *generation)
{
	size_t count = generation->document->policy_count;

	generation->counters = calloc(count + 1, sizeof(struct tg_section_slot *));
	for (size_t i = 0; generation->counters != NULL && i < count; i++)
		generation->counters[i] = tg_report_section(tg_shim.report, generation->document->policies[i].section);
	return generation->counters != NULL;
}

/* NULL: it could not be read or built; *ret_number says which one, 0 where that is not known. */
static struct tg_generation *build_newest(uint64_t *ret_number)
{
	const struct tg_openssl *o = tg_openssl();
	struct tg_generation *generation = calloc(1, sizeof(*generation));

	*ret_number = 0;
	if (generation == NULL)
		return NULL;
	atomic_init(&generation->references, 1);
	int r =
	    tg_policy_copy(tg_shim.policy, tg_shim.policy_size, &generation->bytes, &generation->size, &generation->number);
	if (r == 0) {
		*ret_number = generation->number;
		r = tg_document_decode(generation->bytes, generation->size, &generation->document);
	}
	if (r < 0) {
		tg_cleanse_free(generation->bytes, generation->size);
		free(generation);
		return NULL;
	}
	/* What fails here leaves its errors to us, not in the server's queue. */
	o->ERR_set_mark();
	bool built = build_identities(o, generation) && build_anchors(generation) && build_counters(generation);
	o->ERR_pop_to_mark();
	if (!built) {
		generation_free(generation);
		return NULL;
	}
	erase_keys(generation);
	return generation;
}

static void swap_current(struct tg_generation *generation)
{
	if (tg_route_needs_address(generation->document))
		tg_accepted_want();
	tg_lock_take(&current_lock);
	struct tg_generation *old = current;
	current = generation;
	tg_lock_release(&current_lock);
	tg_generation_unref(old);
}

/* No system call: the kernel keeps this clock in the vDSO (clock_gettime(2)). */
static time_t seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return now.tv_sec;
}

/* Called without locks. True where `current` is the newest or nothing newer can be had. */
static void refresh(void)
{
	int saved = errno;

	tg_lock_take(&build_lock);
	uint64_t newest = tg_policy_generation(tg_shim.policy);
	if ((current == NULL || current->number != newest) && (newest != failed_number || seconds() >= failed_until)) {
		struct tg_generation *generation = build_newest(&newest);
		if (generation != NULL) {
			swap_current(generation);
			tg_process_report(generation->number);
		} else if (newest != 0) {
			failed_number = newest;
			failed_until = seconds() + RETRY_SECONDS;
			tg_shim_log("generation %llu cannot be used with this libssl", (unsigned long long)newest);
		}
	}
	tg_lock_release(&build_lock);
	errno = saved;
}

struct tg_generation *tg_generation_acquire(void)
{
	for (int round = 0;; round++) {
		tg_lock_take(&current_lock);
		struct tg_generation *generation = current;
		bool newest = generation != NULL && generation->number == tg_policy_generation(tg_shim.policy);
		if (generation != NULL && (newest || round > 0))
			tg_generation_ref(generation);
		tg_lock_release(&current_lock);
		if (newest || round > 0)
			return generation;
		refresh();
	}
}

struct tg_generation *tg_generation_ref(struct tg_generation *generation)
{
	atomic_fetch_add_explicit(&generation->references, 1, memory_order_relaxed);
	return generation;
}

void tg_generation_unref(struct tg_generation *generation)
{
	if (generation != NULL && atomic_fetch_sub_explicit(&generation->references, 1, memory_order_acq_rel) == 1)
		generation_free(generation);
}

void tg_generation_prepare(void)
{
	tg_generation_unref(tg_generation_acquire());
}

uint64_t tg_generation_number(void)
{
	tg_lock_take(&current_lock);
	uint64_t number = current == NULL ? 0 : current->number;
	tg_lock_release(&current_lock);
	return number;
}

void tg_generation_lock(void)
{
	tg_lock_take(&build_lock);
	tg_lock_take(&current_lock);
}

void tg_generation_unlock(void)
{
	tg_lock_release(&current_lock);
	tg_lock_release(&build_lock);
}
