/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/policy/anchors.h"

#include "shim/policy/dates.h"

#define TG_CRYPTO(name) tg_openssl()->name
#include "ipc/issuer.h"

static void free_stack(void *stack, void (*element)(void *))
{
	tg_openssl()->OPENSSL_sk_pop_free(stack, element);
}

/* What the other anchors say of one CA. *size grows by what its name takes in a handshake. */
static bool describe(struct tg_anchors *anchors, X509 *ca, int64_t *ret_end, size_t *size)
{
	const struct tg_openssl *o = tg_openssl();
	X509_NAME *name = o->X509_NAME_dup(o->X509_get_subject_name(ca));
	size_t length = 0;

	if (name == NULL || o->X509_NAME_get0_der(name, NULL, &length) != 1 ||
	    o->OPENSSL_sk_push((OPENSSL_STACK *)anchors->names, name) <= 0) {
		o->X509_NAME_free(name);
		return false;
	}
	*size += length + 2;
	/* A date that cannot be read has passed: X509_verify_cert takes no such CA either. */
	if (!tg_date_read(o->X509_get0_notAfter(ca), ret_end))
		*ret_end = 0;
	/*
	 * The first date that is compared makes the C library read the time zone's file (tzset(3)). It does so here: by the
	 * first handshake the server may have forbidden itself to open files.
	 */
	o->X509_cmp_current_time(o->X509_get0_notAfter(ca));
	return true;
}

static bool build(struct tg_anchors *anchors, X509 **cas)
{
	const struct tg_openssl *o = tg_openssl();
	const struct tg_trust *trust = anchors->trust;
	size_t size = 0;

	for (size_t i = 0; i < trust->ca_count; i++) {
		const unsigned char *at = trust->cas[i].data;

		cas[i] = o->d2i_X509(NULL, &at, (long)trust->cas[i].size);
		if (cas[i] == NULL || !describe(anchors, cas[i], &anchors->ends[i], &size))
			return false;
	}
	if (size > TG_CA_NAMES_MAX) {
		free_stack(anchors->names, (void (*)(void *))o->X509_NAME_free);
		anchors->names = (STACK_OF(X509_NAME) *)o->OPENSSL_sk_new_null();
	}
	anchors->store = tg_make_store(trust, cas);
	return anchors->store != NULL && anchors->names != NULL;
}

bool tg_anchors_build(struct tg_anchors *anchors, const struct tg_trust *trust)
{
	const struct tg_openssl *o = tg_openssl();
	X509 **cas = calloc(trust->ca_count + 1, sizeof(X509 *));
	bool built;

	*anchors = (struct tg_anchors){
	    .trust = trust,
	    .names = (STACK_OF(X509_NAME) *)o->OPENSSL_sk_new_null(),
	    .ends = calloc(trust->ca_count + 1, sizeof(*anchors->ends)),
	};
	built = cas != NULL && anchors->names != NULL && anchors->ends != NULL && build(anchors, cas);
	for (size_t i = 0; cas != NULL && i < trust->ca_count; i++)
		o->X509_free(cas[i]);
	free(cas);
	return built;
}

void tg_anchors_free(struct tg_anchors *anchors)
{
	const struct tg_openssl *o = tg_openssl();

	o->X509_STORE_free(anchors->store);
	free(anchors->ends);
	free_stack(anchors->names, (void (*)(void *))o->X509_NAME_free);
}

bool tg_anchors_begin(const struct tg_anchors *anchors, X509_STORE_CTX *ctx, X509 *leaf, STACK_OF(X509) * sent,
		      int security_level)
{
	return tg_begin_verification(ctx, anchors->store, anchors->trust, leaf, sent, security_level);
}
