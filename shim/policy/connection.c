/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/policy/connection.h"

#include "ipc/report.h"
#include "shim/policy/recheck.h"
#include "shim/policy/refused.h"
#include "shim/process/state.h"

#include <pthread.h>
#include <stdlib.h>

static struct tg_table connections = TG_TABLE_INITIALIZER(struct tg_connection, CONNECTION);
static pthread_once_t freed_once = PTHREAD_ONCE_INIT;

/* A BIO of the server's own has none; what it read from in this handshake is its socket. */
static int socket_of(const struct tg_openssl *o, const struct tg_connection *connection, const SSL *ssl)
{
	const int fd = o->SSL_get_rfd(ssl);

	return fd >= 0 || connection->has_origin ? fd : connection->read_from - 1;
}

static void refused(const struct tg_connection *connection, SSL *ssl)
{
	const struct tg_openssl *o = tg_openssl();
	const struct tg_fault unknown = tg_fault_of_ours(TG_REFUSED_INCOMPLETE, "closed before the handshake was finished");
	const X509 *peer = ssl == NULL || connection->subject != NULL ? NULL : o->SSL_get0_peer_certificate(ssl);
	char subject[TG_EVENT_SUBJECT_SIZE];

	if (peer != NULL)
		tg_refused_subject(o, peer, subject);
	tg_refused_tell(&(struct tg_refused){
	    .counters = connection->counters,
	    .fault = connection->has_fault ? &connection->fault : &unknown,
	    .subject = peer != NULL ? subject : connection->subject,
	    .fd = ssl == NULL ? -1 : socket_of(o, connection, ssl),
	    .peer = connection->has_origin ? &connection->origin_peer : NULL,
	    .local = connection->has_origin    ? &connection->origin
		     : connection->has_address ? &connection->address
					       : NULL,
	    .version = ssl == NULL ? 0 : o->SSL_version(ssl),
	});
}

void tg_connection_count_end(struct tg_connection *connection, SSL *ssl)
{
	if (connection->counted || connection->counters == NULL)
		return;
	if (connection->phase == TG_PHASE_NEW && !connection->has_fault)
		tg_report_aborted(connection->counters);
	else
		refused(connection, ssl);
	connection->counted = true;
}

static void connection_free(struct tg_connection *connection)
{
	tg_generation_unref(connection->generation);
	tg_recheck_free(connection->live);
	free(connection->host);
	free(connection->subject);
	free(connection);
}

static void connection_freed(void *parent, void *value, CRYPTO_EX_DATA *data, int index, long argl, void *argp)
{
	(void)value, (void)data, (void)index, (void)argl, (void)argp;
	struct tg_connection *connection = tg_table_take(&connections, parent);
	if (connection == NULL)
		return;
	/* by now its socket's number may be another one's */
	tg_connection_count_end(connection, NULL);
	connection_free(connection);
}

static void ask_for_frees(void)
{
	tg_openssl()->CRYPTO_get_ex_new_index(CRYPTO_EX_INDEX_SSL, 0, NULL, NULL, NULL, connection_freed);
}

struct tg_connection *tg_connection_find(const SSL *ssl)
{
	return tg_table_find(&connections, ssl);
}

struct tg_connection *tg_connection_get(const SSL *ssl)
{
	pthread_once(&freed_once, ask_for_frees);
	return tg_table_get(&connections, ssl);
}

void tg_connection_forget(const SSL *ssl)
{
	struct tg_connection *connection = tg_table_take(&connections, ssl);

	if (connection != NULL)
		connection_free(connection);
}

bool tg_connection_copy(const SSL *from, const SSL *to)
{
	const struct tg_connection *source = tg_connection_find(from);
	struct tg_connection *copy = source == NULL ? NULL : tg_connection_get(to);

	if (copy == NULL)
		return source == NULL;
	copy->touched = source->touched;
	copy->verified_before = source->verified_before;
	copy->has_own_certificate = source->has_own_certificate;
	copy->own_certificate = source->own_certificate;
	copy->own_certificate_arg = source->own_certificate_arg;
	copy->own_security = source->own_security;
	copy->has_own_session_context = source->has_own_session_context;
	copy->own_session_context = source->own_session_context;
	return true;
}

struct visitor {
	void (*visit)(struct tg_connection *, void *);
	void *arg;
};

static void visit_entry(struct tg_entry *entry, void *arg)
{
	const struct visitor *visitor = arg;

	visitor->visit((struct tg_connection *)entry, visitor->arg);
}

void tg_connection_with(const SSL *ssl, void (*visit)(struct tg_connection *, void *), void *arg)
{
	tg_table_with(&connections, ssl, visit_entry, &(struct visitor){visit, arg});
}

void tg_connection_each(void (*visit)(struct tg_connection *, void *), void *arg)
{
	tg_table_each(&connections, visit_entry, &(struct visitor){visit, arg});
}

static void take_live(struct tg_connection *connection, void *arg)
{
	*(struct tg_live **)arg = connection->live;
	connection->live = NULL;
}

void tg_connection_reset(struct tg_connection *connection)
{
	struct tg_live *live = NULL;

	tg_connection_count_end(connection, NULL);
	if (connection->live != NULL)
		tg_connection_with(connection->entry.key, take_live, &live);
	tg_recheck_free(live);
	free(connection->host);
	connection->host = NULL;
	free(connection->subject);
	connection->subject = NULL;
	tg_generation_unref(connection->generation);
	connection->phase = TG_PHASE_NEW;
	connection->generation = NULL;
	connection->policy = NULL;
	connection->anchors = NULL;
	connection->counters = NULL;
	connection->has_address = false;
	connection->has_origin = false;
	connection->read_from = 0;
	connection->verified = false;
	connection->has_fault = false;
	connection->counted = false;
}

void tg_connection_refuse_for(struct tg_connection *connection, const struct tg_fault *fault)
{
	if (connection->has_fault)
		return;
	connection->fault = *fault;
	connection->has_fault = true;
}

void tg_connection_refuse(struct tg_connection *connection, enum tg_refusal reason, const char *words)
{
	const struct tg_fault fault = tg_fault_of_ours(reason, words);

	tg_connection_refuse_for(connection, &fault);
}

void tg_connection_lock(void)
{
	tg_table_lock_all(&connections);
}

void tg_connection_unlock(void)
{
	tg_table_unlock_all(&connections);
}
