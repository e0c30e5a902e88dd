/* SPDX-License-Identifier: Apache-2.0 */
/* The handshake, from the client's first bytes to the verdict; and the end of a stream. */
#include "ipc/report.h"
#include "shim/direct/stream/clock.h"
#include "shim/direct/stream/proxy_header.h"
#include "shim/direct/stream/stream_inside.h"
#include "shim/direct/stream/stream_socket.h"
#include "shim/policy/enforce.h"
#include "shim/policy/ready.h"
#include "shim/policy/refused.h"
#include "shim/process/state.h"

#include <errno.h>

void tg_stream_release(struct tg_stream *stream)
{
	tg_stream_handshaking_end(stream);
	if (stream->output.corked_link != NULL)
		tg_stream_corked_forget(stream);
	if (stream->tls.place != 0)
		tg_stream_unused(stream);
	if (stream->tls.ssl != NULL)
		tg_openssl()->SSL_free(stream->tls.ssl);
	stream->tls.ssl = NULL;
	tg_bytes_free(&stream->handshaking.first);
	tg_bytes_free(&stream->output.early);
	tg_bytes_free(&stream->output.unsent);
}

/* Sends a pending alert first, as much of it as the socket takes. */
void tg_stream_end(struct tg_stream *stream, int error)
{
	if (tg_stream_flush(stream) && stream->is_touched && tg_socket_shutdown(stream->fd, SHUT_WR) == 0)
		stream->output.fin_sent = true;
	tg_stream_release(stream);
	stream->stage = TG_STAGE_ENDED;
	stream->call.may_have_failed = true;
	stream->error = error;
}

void tg_stream_refuse(struct tg_stream *stream)
{
	tg_stream_end(stream, ECONNRESET);
	tg_bytes_free(&stream->input.kept);
}

bool tg_stream_start(struct tg_stream *stream)
{
	const struct tg_openssl *o = tg_openssl();
	SSL_CTX *ssl_ctx = tg_stream_context();

	stream->call.may_have_failed = true;
	SSL *ssl = ssl_ctx == NULL ? NULL : o->SSL_new(ssl_ctx);
	BIO *bio = ssl == NULL ? NULL : o->BIO_new(tg_stream_bio());

	if (bio == NULL) {
		o->SSL_free(ssl);
		tg_stream_end(stream, ECONNRESET);
		return false;
	}
	tg_connection_forget(ssl);
	o->BIO_set_data(bio, stream);
	o->SSL_set_bio(ssl, bio, bio);
	o->SSL_set_accept_state(ssl);
	stream->tls.ssl = ssl;
	stream->stage = TG_STAGE_HANDSHAKE;
	tg_stream_handshaking_begin(stream);
	return true;
}

bool tg_stream_may_retry(struct tg_stream *stream, int result)
{
	const struct tg_openssl *o = tg_openssl();

	/* The common case, without reading the error queue. */
	if (stream->call.is_drained && o->SSL_want(stream->tls.ssl) == SSL_READING)
		return true;
	stream->call.may_have_failed = true;
	int error = o->SSL_get_error(stream->tls.ssl, result);
	if (stream->input.error != 0)
		tg_stream_end(stream, stream->input.error);
	else if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
		tg_stream_end(stream, ECONNRESET);
	return stream->stage != TG_STAGE_ENDED;
}

bool tg_stream_is_ready(struct tg_stream *stream)
{
	const struct tg_openssl *o = tg_openssl();
	int go = tg_ready(o, stream->tls.ssl);

	if (go == 1)
		return true;
	stream->call.may_have_failed = true;
	/* Not ready although no handshake is in progress: a newer generation refused the client. */
	if (o->SSL_is_init_finished(stream->tls.ssl))
		tg_stream_refuse(stream);
	else
		tg_stream_may_retry(stream, go);
	return false;
}

/* Frees what only a handshake needs: there is no second one on this connection. */
static void forget_handshake(const struct tg_openssl *o, SSL *ssl)
{
	o->SSL_set_client_CA_list(ssl, NULL);
	o->SSL_certs_clear(ssl);
}

static void opened(struct tg_stream *stream)
{
	const struct tg_openssl *o = tg_openssl();

	tg_stream_handshaking_end(stream);
	stream->stage = TG_STAGE_OPEN;
	if (!tg_stream_add_header(stream))
		return;
	forget_handshake(o, stream->tls.ssl);
	tg_stream_release_early(stream);
}

static void shake_hands(struct tg_stream *stream)
{
	const struct tg_openssl *o = tg_openssl();

	stream->call.may_have_failed = true;
	int result = tg_ready_handshake(stream->tls.ssl, o->SSL_do_handshake);

	if (result == 1)
		opened(stream);
	else if (o->SSL_is_init_finished(stream->tls.ssl))
		tg_stream_refuse(stream);
	else if (tg_stream_may_retry(stream, result))
		tg_stream_flush(stream);
}

/* A client that sent nothing has no SSL yet. */
static void tell_timeout(const struct tg_stream *stream)
{
	const struct tg_fault fault =
	    tg_fault_of_ours(TG_REFUSED_TIMEOUT, atomic_load_explicit(&stream->handshaking.is_evicted, memory_order_relaxed)
						     ? "too many handshakes are unfinished: the oldest one was closed"
						     : "no finished handshake within handshake_timeout");
	struct tg_connection *connection = NULL;

	if (stream->tls.ssl != NULL && tg_enforce_begin(stream->tls.ssl, &connection) && connection != NULL) {
		tg_connection_refuse_for(connection, &fault);
		tg_connection_count_end(connection, stream->tls.ssl);
	} else {
		tg_refused_tell(&(struct tg_refused){.counters = stream->counters, .fault = &fault, .fd = stream->fd});
	}
}

static void time_out(struct tg_stream *stream)
{
	if (tg_shim_is(TG_STATE_GOVERNED)) {
		tg_report_plaintext(tg_shim.report, stream->counters, TG_PLAINTEXT_TIMED_OUT);
		tell_timeout(stream);
	}
	tg_stream_end(stream, ECONNRESET);
}

void tg_stream_advance(struct tg_stream *stream)
{
	if (stream->stage == TG_STAGE_SILENT)
		tg_stream_listen(stream);
	if (stream->stage == TG_STAGE_HANDSHAKE &&
	    !atomic_load_explicit(&stream->handshaking.is_evicted, memory_order_acquire))
		shake_hands(stream);
	tg_stream_look_at_time(stream);
}

void tg_stream_look_at_time(struct tg_stream *stream)
{
	bool handshaking = stream->stage == TG_STAGE_SILENT || stream->stage == TG_STAGE_HANDSHAKE;
	if (handshaking && (tg_clock_now() >= stream->handshaking.deadline ||
			    atomic_load_explicit(&stream->handshaking.is_evicted, memory_order_acquire)))
		time_out(stream);
}
