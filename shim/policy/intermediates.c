/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/policy/intermediates.h"

#include "shim/binding/lock.h"

#include <stdbool.h>

#define MOST 32

static struct tg_lock lock = TG_LOCK_INITIALIZER(INTERMEDIATES);
static X509 *known[MOST];
static size_t count;
static size_t oldest; /* once all places are taken */

/* References to all that are known, so that libcrypto need not be called in the lock. Returns how many. */
static size_t take_all(const struct tg_openssl *o, X509 *ret[MOST])
{
	tg_lock_take(&lock);
	const size_t taken = count;
	for (size_t i = 0; i < taken; i++) {
		o->X509_up_ref(known[i]); /* an atomic increment */
		ret[i] = known[i];
	}
	tg_lock_release(&lock);
	return taken;
}

static bool is_one_of(const struct tg_openssl *o, X509 *const *all, size_t size, const X509 *certificate)
{
	for (size_t i = 0; i < size; i++)
		if (o->X509_cmp(all[i], certificate) == 0)
			return true;
	return false;
}

/* Two threads that come with the same one enter it twice: then there is room for one less. */
static void enter(const struct tg_openssl *o, X509 *certificate)
{
	X509 *before = NULL;

	o->X509_up_ref(certificate);
	tg_lock_take(&lock);
	if (count < MOST) {
		known[count++] = certificate;
	} else {
		before = known[oldest];
		known[oldest] = certificate;
		oldest = (oldest + 1) % MOST;
	}
	tg_lock_release(&lock);
	o->X509_free(before);
}

void tg_intermediates_add(STACK_OF(X509) * sent)
{
	const struct tg_openssl *o = tg_openssl();
	const OPENSSL_STACK *stack = (const OPENSSL_STACK *)sent;
	int size = stack == NULL ? 0 : o->OPENSSL_sk_num(stack);
	X509 *all[MOST];

	if (size <= 0)
		return;
	size_t taken = take_all(o, all);
	for (int i = 0; i < size; i++) {
		X509 *certificate = o->OPENSSL_sk_value(stack, i);
		if (!is_one_of(o, all, taken, certificate))
			enter(o, certificate);
	}
	for (size_t i = 0; i < taken; i++)
		o->X509_free(all[i]);
}

STACK_OF(X509) * tg_intermediates_get(void)
{
	const struct tg_openssl *o = tg_openssl();
	X509 *all[MOST];
	size_t taken = take_all(o, all);
	OPENSSL_STACK *stack = taken == 0 ? NULL : o->OPENSSL_sk_new_null();

	for (size_t i = 0; i < taken; i++)
		if (stack == NULL || o->OPENSSL_sk_push(stack, all[i]) <= 0)
			o->X509_free(all[i]);
	return (STACK_OF(X509) *)stack;
}

void tg_intermediates_lock(void)
{
	tg_lock_take(&lock);
}

void tg_intermediates_unlock(void)
{
	tg_lock_release(&lock);
}
