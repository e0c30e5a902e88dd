#include "shim/intermediates.h"

#include <pthread.h>
#include <stdbool.h>

#define MOST 32

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static X509 *known[MOST];
static size_t count;
static size_t oldest; /* once all places are taken */

static bool is_known(const struct tg_openssl *o, const X509 *certificate)
{
	for (size_t i = 0; i < count; i++)
		if (o->X509_cmp(known[i], certificate) == 0)
			return true;
	return false;
}

static void add(const struct tg_openssl *o, X509 *certificate)
{
	if (is_known(o, certificate))
		return;
	o->X509_up_ref(certificate);
	if (count < MOST) {
		known[count++] = certificate;
		return;
	}
	o->X509_free(known[oldest]);
	known[oldest] = certificate;
	oldest = (oldest + 1) % MOST;
}

void tg_intermediates_add(STACK_OF(X509) * sent)
{
	const struct tg_openssl *o = tg_openssl();
	const OPENSSL_STACK *stack = (const OPENSSL_STACK *)sent;
	int size = stack == NULL ? 0 : o->OPENSSL_sk_num(stack);

	if (size <= 0)
		return;
	pthread_mutex_lock(&lock);
	for (int i = 0; i < size; i++)
		add(o, o->OPENSSL_sk_value(stack, i));
	pthread_mutex_unlock(&lock);
}

STACK_OF(X509) * tg_intermediates_get(void)
{
	const struct tg_openssl *o = tg_openssl();
	OPENSSL_STACK *stack = NULL;

	pthread_mutex_lock(&lock);
	if (count > 0)
		stack = o->OPENSSL_sk_new_null();
	for (size_t i = 0; stack != NULL && i < count; i++)
		if (o->OPENSSL_sk_push(stack, known[i]) > 0)
			o->X509_up_ref(known[i]);
	pthread_mutex_unlock(&lock);
	return (STACK_OF(X509) *)stack;
}

void tg_intermediates_lock(void)
{
	pthread_mutex_lock(&lock);
}

void tg_intermediates_unlock(void)
{
	pthread_mutex_unlock(&lock);
}
