/* The facts of a connection for its PROXY header. Its ALPN is not among them: none is negotiated. */
#include "shim/connection.h"
#include "shim/direct/proxy_header.h"
#include "shim/direct/stream_inside.h"
#include "shim/libc.h"
#include "shim/route.h"

#include <string.h>

/* Both ends as one family: a socket of IPv6 that serves an IPv4 client has both addresses mapped. */
static bool addresses_of(int fd, struct tg_proxy_facts *facts)
{
	struct sockaddr_storage peer = {0}, local = {0};
	socklen_t peer_size = sizeof(peer), local_size = sizeof(local);

	return tg_libc.getpeername(fd, (struct sockaddr *)&peer, &peer_size) == 0 && tg_address_from(&peer, &facts->peer) &&
	       tg_libc.getsockname(fd, (struct sockaddr *)&local, &local_size) == 0 &&
	       tg_address_from(&local, &facts->local) && facts->peer.family == facts->local.family;
}

/* The one common name; several are nobody's. *ret_text is OpenSSL's to free. */
static struct tg_span common_name(const struct tg_openssl *o, const X509 *leaf, unsigned char **ret_text)
{
	struct tg_span none = {NULL, 0};
	const X509_NAME *subject = leaf == NULL ? NULL : o->X509_get_subject_name(leaf);
	int at = subject == NULL ? -1 : o->X509_NAME_get_index_by_NID(subject, NID_commonName, -1);

	if (at < 0 || o->X509_NAME_get_index_by_NID(subject, NID_commonName, at) >= 0)
		return none;
	const ASN1_STRING *value = o->X509_NAME_ENTRY_get_data(o->X509_NAME_get_entry(subject, at));
	int size = o->ASN1_STRING_to_UTF8(ret_text, value);
	if (size <= 0 || memchr(*ret_text, '\0', (size_t)size) != NULL)
		return none;
	return (struct tg_span){*ret_text, (size_t)size};
}

static size_t tls_header(SSL *ssl, struct tg_proxy_facts *facts, unsigned char header[TG_PROXY_HEADER_SIZE])
{
	const struct tg_openssl *o = tg_openssl();
	const struct tg_connection *connection = tg_connection_find(ssl);
	const X509 *leaf = o->SSL_get0_peer_certificate(ssl);
	unsigned char *text = NULL;
	const struct tg_proxy_tls tls = {
	    .has_certificate = leaf != NULL,
	    .in_connection = leaf != NULL && o->SSL_session_reused(ssl) == 0,
	    .verify = leaf == NULL ? X509_V_ERR_UNSPECIFIED : (uint32_t)o->SSL_get_verify_result(ssl),
	    .version = o->SSL_get_version(ssl),
	    .cipher = o->SSL_CIPHER_get_name(o->SSL_get_current_cipher(ssl)),
	    .name = common_name(o, leaf, &text),
	    .authority = connection == NULL ? NULL : connection->host,
	};

	facts->tls = &tls;
	size_t size = tg_proxy_header(facts, header);
	facts->tls = NULL;
	if (text != NULL)
		o->CRYPTO_free(text, "tlsgraft", 0);
	return size;
}

bool tg_stream_add_header(struct tg_stream *stream)
{
	unsigned char header[TG_PROXY_HEADER_SIZE];
	struct tg_proxy_facts facts = {.tls = NULL};

	facts.has_addresses = addresses_of(stream->fd, &facts);
	size_t size = stream->ssl == NULL ? tg_proxy_header(&facts, header) : tls_header(stream->ssl, &facts, header);
	return tg_bytes_add(&stream->input, header, size);
}
