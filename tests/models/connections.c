/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table beside OpenSSL's objects, and a reload that refuses live clients: while one thread judges all connections,
 * others use theirs, free them, and make new ones at the same address. A stream's lock is held while libssl works for it.
 */
#include "explore.h"

#include "ipc/report.h"
#include "ipc/route.h"
#include "shim/binding/libc.h"
#include "shim/policy/connection.h"
#include "shim/policy/intermediates.h"
#include "shim/policy/pin.h"
#include "shim/policy/protocol_limits.h"
#include "shim/policy/recheck.h"
#include "shim/policy/refused.h"
#include "shim/policy/verify.h"

#include <stdlib.h>

#define NEWEST 2
#define GOOD TLS1_3_VERSION /* what the newest generation lets in */

struct ssl_st {
	int version;
};

static struct ssl_st one = {.version = TLS1_VERSION}, other = {.version = GOOD};
static pthread_mutex_t stream_lock = PTHREAD_MUTEX_INITIALIZER;
static CRYPTO_EX_free *freed;
static _Atomic unsigned refusals, shut;

static struct tg_policy policy = {.mode = TG_MODE_MUTUAL, .recheck = true};
static struct tg_document document = {.policies = &policy, .policy_count = 1};
static struct tg_section_slot *counters[1];
static struct tg_anchors *anchors;
static struct tg_generation newest;

/* libssl, the C library, and the parts of the shim that decide. */

struct tg_libc tg_libc;
_Atomic bool tg_libc_bound;
struct tg_shim tg_shim;
static struct tg_openssl openssl;
_Atomic(const struct tg_openssl *) tg_openssl_bound = &openssl;

const struct tg_openssl *tg_openssl_bind(void)
{
	return &openssl;
}

static int new_index(int class, long argl, void *argp, CRYPTO_EX_new *fresh, CRYPTO_EX_dup *copied, CRYPTO_EX_free *free_it)
{
	(void)class, (void)argl, (void)argp, (void)fresh, (void)copied;
	freed = free_it;
	return 0;
}

static int version_of(const SSL *ssl)
{
	return ssl->version;
}

static int descriptor_of(const SSL *ssl)
{
	(void)ssl;
	return 5;
}

static X509 *certificate_of(const SSL *ssl)
{
	(void)ssl;
	return NULL;
}

static STACK_OF(X509) * chain_of(const SSL *ssl)
{
	(void)ssl;
	return NULL;
}

static int zero(const SSL *ssl)
{
	(void)ssl;
	return 0;
}

static int set_error_mark(void)
{
	return 1;
}

static void free_certificate(X509 *certificate)
{
	(void)certificate;
}

static void free_chain(OPENSSL_STACK *chain, OPENSSL_sk_freefunc free_one)
{
	(void)chain, (void)free_one;
}

static int call_getsockopt(int fd, int level, int option, void *value, socklen_t *size)
{
	(void)fd, (void)level, (void)option, (void)size;
	*(uint64_t *)value = 1;
	return 0;
}

static int call_fcntl(int fd, int command, ...)
{
	(void)command;
	return fd + 1;
}

static int call_close(int fd)
{
	(void)fd;
	return 0;
}

static int call_shutdown(int fd, int how)
{
	(void)fd, (void)how;
	shut++;
	return 0;
}

/* As the hook: what is at the number is a stream. */
int shutdown(int fd, int how)
{
	pthread_mutex_lock(&stream_lock);
	const int r = call_shutdown(fd, how);
	pthread_mutex_unlock(&stream_lock);
	return r;
}

enum tg_route_result tg_route_find(const struct tg_document *in, const struct tg_address *local, const char *host,
				   const struct tg_policy **ret_policy)
{
	(void)local, (void)host;
	*ret_policy = in->policies;
	return TG_ROUTE_FOUND;
}

bool tg_protocol_limits_admit(const struct tg_policy *by, int version)
{
	(void)by;
	return version == GOOD;
}

bool tg_verify_client(const struct tg_policy *by, const struct tg_anchors *in, const struct tg_client *client,
		      struct tg_fault *ret_fault)
{
	(void)by, (void)in, (void)client, (void)ret_fault;
	return true;
}

struct tg_fault tg_fault_of_ours(enum tg_refusal reason, const char *words)
{
	return (struct tg_fault){.reason = reason, .words = words};
}

struct tg_generation *tg_generation_acquire(void)
{
	return &newest;
}

void tg_generation_unref(struct tg_generation *generation)
{
	(void)generation;
}

void tg_intermediates_add(STACK_OF(X509) * sent)
{
	(void)sent;
}

STACK_OF(X509) * tg_intermediates_get(void)
{
	return NULL;
}

bool tg_pin_address(struct tg_connection *connection, SSL *ssl)
{
	(void)connection, (void)ssl;
	return false;
}

void tg_refused_tell(const struct tg_refused *refused)
{
	(void)refused;
	refusals++;
}

void tg_refused_subject(const struct tg_openssl *o, const X509 *certificate, char ret[TG_EVENT_SUBJECT_SIZE])
{
	(void)o, (void)certificate;
	ret[0] = '\0';
}

void tg_report_aborted(struct tg_section_slot *slot)
{
	(void)slot;
}

void tg_libc_bind_now(void)
{
}

/* Set-up, and what threads do. */

void prepare(void)
{
	openssl.CRYPTO_get_ex_new_index = new_index;
	openssl.SSL_version = version_of;
	openssl.SSL_get_rfd = descriptor_of;
	openssl.SSL_get0_peer_certificate = certificate_of;
	openssl.SSL_get_peer_cert_chain = chain_of;
	openssl.SSL_get_security_level = zero;
	openssl.ERR_set_mark = set_error_mark;
	openssl.ERR_pop_to_mark = set_error_mark;
	openssl.X509_free = free_certificate;
	openssl.OPENSSL_sk_pop_free = free_chain;
	tg_libc.getsockopt = call_getsockopt;
	tg_libc.fcntl = call_fcntl;
	tg_libc.close = call_close;
	tg_libc.shutdown = call_shutdown;
	newest.number = NEWEST;
	newest.document = &document;
	newest.counters = counters;
	newest.anchors = (struct tg_anchors *)(void *)&anchors;
}

/* A handshake that was judged good, by whatever generation. */
static void connect_one(SSL *ssl)
{
	struct tg_connection *connection = tg_connection_get(ssl);

	connection->phase = TG_PHASE_DONE;
	tg_recheck_remember(connection, ssl);
}

static void one_live(void)
{
	connect_one(&one);
}

static void two_live(void)
{
	connect_one(&one);
	connect_one(&other);
}

static void free_one(void)
{
	freed(&one, NULL, NULL, 0, 0, NULL);
}

static void free_other(void)
{
	freed(&other, NULL, NULL, 0, 0, NULL);
}

/* SSL_read in a stream: the first call to see a generation judges all connections. */
static void use_one(void)
{
	pthread_mutex_lock(&stream_lock);
	tg_recheck_all(NEWEST);
	struct tg_connection *connection = tg_connection_find(&one);
	model_check(tg_recheck_refuses(connection, &one, NEWEST), "a client that is refused goes on");
	pthread_mutex_unlock(&stream_lock);
}

/* The same by a connection that stays, of a server that speaks TLS by itself. */
static void use_other(void)
{
	tg_recheck_all(NEWEST);
	struct tg_connection *connection = tg_connection_find(&other);
	model_check(!tg_recheck_refuses(connection, &other, NEWEST), "a client that is let in is refused");
}

static void sweep(void)
{
	tg_recheck_all(NEWEST);
}

/* The next client's SSL lies where that one lay. */
static void free_and_connect(void)
{
	free_one();
	one.version = GOOD;
	connect_one(&one);
	model_check(!tg_recheck_refuses(tg_connection_find(&one), &one, NEWEST), "a client that is let in is refused");
}

static void connect_other(void)
{
	connect_one(&other);
}

static void refused_once(void)
{
	model_check(refusals == 1 && shut == 1, "a client is refused twice, or not at all");
	free_one();
	free_other();
}

static void free_both(void)
{
	free_one();
	free_other();
}

static void nothing(void)
{
}

static void one_is_freed(void)
{
	free_one();
}

const struct scenario scenarios[] = {
    {"used while judged", two_live, {use_one, use_other}, refused_once, 3, false},
    {"freed while judged", one_live, {free_one, sweep}, nothing, 3, false},
    {"freed and made anew while judged", one_live, {free_and_connect, sweep}, one_is_freed, 3, false},
    {"made while judged", one_live, {connect_other, sweep}, free_both, 3, false},
    {NULL, NULL, {NULL}, NULL, 0, false},
};
