/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/policy/recheck.h"

#include "ipc/route.h"
#include "shim/binding/libc.h"
#include "shim/policy/intermediates.h"
#include "shim/policy/pin.h"
#include "shim/policy/protocol_limits.h"
#include "shim/policy/refused.h"
#include "shim/policy/verify.h"
#include "shim/process/state.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * What an established connection is judged by. All of it is its own, since another thread may look at it while the SSL is
 * in use. The verdict is read and changed in the connection's lock, but for `judged`, and what was stored before it; the
 * rest does not change, so whoever took a reference in that lock may go on with it outside.
 */
struct tg_live {
	_Atomic unsigned references;
	uint64_t id;             /* never used again: an SSL may be another connection's by the time it is judged */
	_Atomic uint64_t judged; /* the newest generation that has; stored last */
	_Atomic bool refused;    /* counted, and its socket shut down where it has one */
	struct tg_fault fault;
	unsigned char digest[TG_DIGEST_SIZE]; /* of the policy that let it in */
	struct tg_client client;
	int version;
	bool has_address;
	struct tg_address address;
	char *host;      /* NULL: the client named none */
	int fd;          /* -1: libssl was given no socket */
	uint64_t cookie; /* of that socket: the number may be another's by now (socket(7)) */
};

static _Atomic uint64_t last_id;
static _Atomic uint64_t swept; /* the newest generation that all connections were judged by */

/* False where it is no socket. */
static bool cookie_of(int fd, uint64_t *ret)
{
	socklen_t size = sizeof(*ret);

	return tg_libc.getsockopt(fd, SOL_SOCKET, SO_COOKIE, ret, &size) == 0;
}

static void free_chain(const struct tg_openssl *o, STACK_OF(X509) * chain)
{
	o->OPENSSL_sk_pop_free((OPENSSL_STACK *)chain, (OPENSSL_sk_freefunc)(void *)o->X509_free);
}

static void free_client(const struct tg_openssl *o, const struct tg_client *client)
{
	o->X509_free(client->leaf);
	free_chain(o, client->sent);
}

void tg_recheck_free(struct tg_live *live)
{
	if (live == NULL || atomic_fetch_sub_explicit(&live->references, 1, memory_order_acq_rel) != 1)
		return;
	free_client(tg_openssl(), &live->client);
	free(live->host);
	free(live);
}

/* Certificates are shared by reference: they do not change. False for want of memory. */
static bool take_client(const struct tg_openssl *o, struct tg_client *ret, X509 *leaf, STACK_OF(X509) * sent, int level)
{
	STACK_OF(X509) *copy = sent == NULL ? NULL : o->X509_chain_up_ref(sent);

	if (sent != NULL && copy == NULL)
		return false;
	if (leaf != NULL)
		o->X509_up_ref(leaf);
	*ret = (struct tg_client){.leaf = leaf, .sent = copy, .security_level = level};
	return true;
}

static struct tg_live *live_new(struct tg_connection *connection, SSL *ssl)
{
	const struct tg_openssl *o = tg_openssl();
	struct tg_live *live = calloc(1, sizeof(*live));

	if (live == NULL)
		return NULL;
	live->host = connection->host == NULL ? NULL : strdup(connection->host);
	if ((connection->host != NULL && live->host == NULL) ||
	    !take_client(o, &live->client, o->SSL_get0_peer_certificate(ssl), o->SSL_get_peer_cert_chain(ssl),
			 o->SSL_get_security_level(ssl))) {
		free(live->host);
		free(live);
		return NULL;
	}
	atomic_init(&live->references, 1);
	live->id = atomic_fetch_add_explicit(&last_id, 1, memory_order_relaxed) + 1;
	atomic_init(&live->judged, connection->generation == NULL ? 0 : connection->generation->number);
	live->version = o->SSL_version(ssl);
	live->has_address = tg_pin_address(connection, ssl);
	live->address = connection->address;
	if (connection->policy != NULL)
		memcpy(live->digest, connection->policy->digest, TG_DIGEST_SIZE);
	live->fd = o->SSL_get_rfd(ssl);
	if (live->fd >= 0 && !cookie_of(live->fd, &live->cookie))
		live->fd = -1;
	return live;
}

static void exchange_live(struct tg_connection *connection, void *arg)
{
	struct tg_live **live = arg, *old = connection->live;

	connection->live = *live;
	*live = old;
}

void tg_recheck_remember(struct tg_connection *connection, SSL *ssl)
{
	int saved = errno;
	struct tg_live *live = live_new(connection, ssl);

	if (live != NULL && connection->verified)
		tg_intermediates_add(live->client.sent);
	tg_connection_with(ssl, exchange_live, &live);
	tg_recheck_free(live);
	errno = saved;
}

enum judgement { GOES_ON, TO_VERIFY, REFUSED };

/* A connection that is to be judged: found in the lock of the table, judged and shut down outside of it. */
struct candidate {
	const void *key;
	struct tg_live *live;                 /* a reference */
	unsigned char digest[TG_DIGEST_SIZE]; /* its own at that moment */
	const struct tg_policy *policy;       /* what it was judged by; NULL: nothing asks for that */
	enum judgement judgement;
	struct tg_fault fault; /* where it is refused */
	bool is_first;         /* no other thread judged it meanwhile */
};

/* All that needs no look at the certificate. */
static enum judgement judge_by_route(const struct tg_generation *generation, struct candidate *candidate)
{
	const struct tg_live *live = candidate->live;
	const struct tg_policy *policy = NULL;

	enum tg_route_result route =
	    tg_route_find(generation->document, live->has_address ? &live->address : NULL, live->host, &policy);
	candidate->fault = tg_fault_of_ours(TG_REFUSED_OTHER, "its listener is not known any more");
	if (route == TG_ROUTE_AMBIGUOUS)
		return REFUSED; /* as a handshake of today would be */
	if (policy == NULL || !policy->recheck || policy->mode == TG_MODE_OFF)
		return GOES_ON;
	candidate->policy = policy;
	candidate->fault = tg_fault_of_ours(TG_REFUSED_PROTOCOL, "a TLS version outside the section's bounds");
	if (!tg_protocol_limits_admit(policy, live->version))
		return REFUSED;
	if (policy->mode == TG_MODE_SERVER || memcmp(policy->digest, candidate->digest, TG_DIGEST_SIZE) == 0)
		return GOES_ON;
	candidate->fault = tg_fault_of_ours(TG_REFUSED_NO_CERTIFICATE, "it showed no certificate");
	if (live->client.leaf == NULL)
		return policy->mode == TG_MODE_MUTUAL ? REFUSED : GOES_ON;
	return TO_VERIFY;
}

static enum judgement verify(const struct tg_openssl *o, const struct tg_generation *generation,
			     struct candidate *candidate)
{
	const struct tg_policy *policy = candidate->policy;
	struct tg_client whole = candidate->live->client;
	STACK_OF(X509) *borrowed = whole.sent == NULL ? tg_intermediates_get() : NULL;

	if (borrowed != NULL)
		whole.sent = borrowed;
	bool good = tg_verify_client(policy, &generation->anchors[policy->trust], &whole, &candidate->fault);
	free_chain(o, borrowed);
	return good ? GOES_ON : REFUSED;
}

/*
 * The descriptor is copied before it is looked at: shutdown then meets the socket that was looked at, and no other. Past
 * the hooks, which would take the copy for one of the server's.
 */
static void wake_up(const struct tg_live *live)
{
	uint64_t cookie = 0;
	int copy = live->fd < 0 ? -1 : tg_libc.fcntl(live->fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);

	if (copy < 0)
		return;
	if (cookie_of(copy, &cookie) && cookie == live->cookie)
		tg_libc.shutdown(copy, SHUT_RDWR);
	tg_libc.close(copy);
}

static bool is_judged(const struct tg_live *live, uint64_t generation)
{
	return live->refused || atomic_load_explicit(&live->judged, memory_order_acquire) >= generation;
}

struct conclusion {
	struct candidate *candidate;
	uint64_t generation;
};

/* In the connection's lock. It may have been judged meanwhile, or be another one. */
static void conclude(struct tg_connection *connection, void *arg)
{
	const struct conclusion *conclusion = arg;
	struct candidate *candidate = conclusion->candidate;
	struct tg_live *live = connection->live;

	if (live == NULL || live->id != candidate->live->id || is_judged(live, conclusion->generation))
		return;
	candidate->is_first = true;
	if (candidate->policy != NULL)
		memcpy(live->digest, candidate->policy->digest, TG_DIGEST_SIZE);
	if (candidate->judgement == REFUSED) {
		live->fault = candidate->fault;
		live->refused = true;
	}
	atomic_store_explicit(&live->judged, conclusion->generation, memory_order_release);
}

/* Before its socket is shut down, which would forget who is at its other end. */
static void report_refusal(const struct tg_openssl *o, struct tg_section_slot *counters, const struct candidate *candidate)
{
	const struct tg_live *live = candidate->live;
	char subject[TG_EVENT_SUBJECT_SIZE] = "";
	uint64_t cookie = 0;
	const bool is_same = live->fd >= 0 && cookie_of(live->fd, &cookie) && cookie == live->cookie;

	if (live->client.leaf != NULL)
		tg_refused_subject(o, live->client.leaf, subject);
	tg_refused_tell(&(struct tg_refused){
	    .counters = counters,
	    .fault = &candidate->fault,
	    .subject = subject,
	    .fd = is_same ? live->fd : -1,
	    .local = live->has_address ? &live->address : NULL,
	    .version = live->version,
	});
}

static void judge_candidate(const struct tg_openssl *o, const struct tg_generation *generation, struct candidate *candidate)
{
	candidate->judgement = judge_by_route(generation, candidate);
	if (candidate->judgement == TO_VERIFY)
		candidate->judgement = verify(o, generation, candidate);
	tg_connection_with(candidate->key, conclude, &(struct conclusion){candidate, generation->number});
	if (!candidate->is_first || candidate->judgement != REFUSED)
		return;
	const struct tg_policy *policy = candidate->policy;
	if (policy != NULL)
		report_refusal(o, generation->counters[policy - generation->document->policies], candidate);
	wake_up(candidate->live);
}

struct sweep {
	uint64_t generation;
	struct candidate *candidates;
	size_t count, room;
};

/* In the connection's lock: no more than a reference is taken. */
static void collect(struct tg_connection *connection, void *arg)
{
	struct sweep *sweep = arg;
	struct tg_live *live = connection->live;

	if (live == NULL || is_judged(live, sweep->generation))
		return;
	if (sweep->count == sweep->room) {
		size_t room = sweep->room == 0 ? 64 : sweep->room * 2;
		struct candidate *grown = reallocarray(sweep->candidates, room, sizeof(*grown));
		if (grown == NULL)
			return; /* its own next call judges it */
		sweep->candidates = grown;
		sweep->room = room;
	}
	struct candidate *candidate = &sweep->candidates[sweep->count++];
	*candidate = (struct candidate){.key = connection->entry.key, .live = live};
	memcpy(candidate->digest, live->digest, TG_DIGEST_SIZE);
	atomic_fetch_add_explicit(&live->references, 1, memory_order_relaxed);
}

/* Of one connection, or of all where `ssl` is NULL. */
static void judge_anew(const SSL *ssl, const struct tg_generation *generation)
{
	const struct tg_openssl *o = tg_openssl();
	struct sweep sweep = {.generation = generation->number};
	int cancellation;

	/* close(2) of wake_up is a cancellation point. */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancellation);
	o->ERR_set_mark();
	if (ssl != NULL)
		tg_connection_with(ssl, collect, &sweep);
	else
		tg_connection_each(collect, &sweep);
	for (size_t i = 0; i < sweep.count; i++) {
		judge_candidate(o, generation, &sweep.candidates[i]);
		tg_recheck_free(sweep.candidates[i].live);
	}
	free(sweep.candidates);
	o->ERR_pop_to_mark();
	pthread_setcancelstate(cancellation, NULL);
}

void tg_recheck_all(uint64_t wanted)
{
	uint64_t before = atomic_load_explicit(&swept, memory_order_relaxed);

	/* One thread does it. The connections of the others are judged by their own calls meanwhile. */
	if (before >= wanted ||
	    !atomic_compare_exchange_strong_explicit(&swept, &before, wanted, memory_order_relaxed, memory_order_relaxed))
		return;
	int saved = errno;
	struct tg_generation *generation = tg_generation_acquire();
	if (generation != NULL && generation->number >= wanted)
		judge_anew(NULL, generation);
	else
		atomic_store_explicit(&swept, before, memory_order_relaxed); /* it could not be built yet */
	tg_generation_unref(generation);
	errno = saved;
}

bool tg_recheck_refuses(struct tg_connection *connection, SSL *ssl, uint64_t wanted)
{
	if (connection->phase != TG_PHASE_DONE)
		return false;
	if (connection->live == NULL)
		tg_recheck_remember(connection, ssl); /* it began before anybody asked */
	struct tg_live *live = connection->live;
	bool judged = live != NULL && is_judged(live, wanted);
	if (live != NULL && !judged) {
		int saved = errno;
		struct tg_generation *generation = tg_generation_acquire();
		bool built = generation != NULL && generation->number >= wanted;
		if (built)
			judge_anew(ssl, generation);
		tg_generation_unref(generation);
		errno = saved;
		judged = !built || is_judged(live, wanted); /* the last that could be built goes on */
	}
	/* Where memory ran out nobody can say whether it may go on. */
	if (judged && !live->refused)
		return false;
	const struct tg_fault unknown = tg_fault_of_ours(TG_REFUSED_OTHER, "memory ran out");
	tg_connection_refuse_for(connection, judged ? &live->fault : &unknown);
	return true;
}
